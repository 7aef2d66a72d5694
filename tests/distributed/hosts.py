"""Two hosts on one machine: network namespaces joined by a cable, each with a name of its own."""
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, tool_env

PIPES = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ip(*words):
    """Run ip(8)."""
    return subprocess.run(['ip', *words], check=True, capture_output=True, text=True)


class Hosts:
    """Two hosts that see each other, and nothing else, at 10.77.0.1 and 10.77.0.2.

    Args:
        folder: For a file of host names; the hosts share all disks.
    """

    addresses = ('10.77.0.1', '10.77.0.2')

    def __init__(self, folder):
        self.names = [f'mmlth-{os.getpid()}-{letter}' for letter in 'ab']
        self.known = Path(folder) / 'hosts'
        lines = ['127.0.0.1 localhost']
        lines += [f'{address} {name}' for address, name in zip(self.addresses, self.names)]
        self.known.write_text('\n'.join(lines) + '\n')

    def __enter__(self):
        for name in self.names:
            ip('netns', 'add', name)
        first, second = self.names
        ip('link', 'add', 'cable', 'netns', first, 'type', 'veth', 'peer', 'name', 'cable',
           'netns', second)
        for name, address in zip(self.names, self.addresses):
            ip('-n', name, 'address', 'add', f'{address}/24', 'dev', 'cable')
            for device in ('lo', 'cable'):
                ip('-n', name, 'link', 'set', device, 'up')
        return self

    def __exit__(self, *_):
        for name in self.names:
            subprocess.run(['ip', 'netns', 'delete', name], check=False)

    def start(self, number, *command, own_disk=None, **variables):
        """Start a command on a host; with a folder that only this host sees, if one is named."""
        script = ['hostname "$0"', f'mount --bind {self.known} /etc/hosts']
        if own_disk:
            script.append(f'mount -t tmpfs none {own_disk}')
        script.append('exec "$@"')
        inside = ['unshare', '--mount', '--uts', 'bash', '-euc', '; '.join(script)]
        words = ['ip', 'netns', 'exec', self.names[number], *inside, self.names[number], *command]
        return subprocess.Popen(
            [str(word) for word in words], cwd=ROOT, env={**tool_env(), **variables}, **PIPES)

    def start_job(self, config, work_dir, *args, own_disk=False, **variables):
        """Start a job of a rank on each host with tools/dist_imp.sh; returns both processes."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
        words = ['bash', ROOT / 'tools' / 'dist_imp.sh', config, 1, '--work-dir', work_dir, *args]
        return [self.start(
            number, *words, own_disk=own_disk and work_dir, PATH=path, NNODES='2',
            NODE_RANK=str(number), MASTER_ADDR=self.addresses[0], **variables)
            for number in (0, 1)]


def can_make_hosts():
    """Tell whether this user may make network namespaces here."""
    name = f'mmlth-{os.getpid()}-probe'
    try:
        ip('netns', 'add', name)
        ip('netns', 'delete', name)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


needs_hosts = pytest.mark.skipif(
    not can_make_hosts(), reason='two hosts need root and `ip netns add`')
