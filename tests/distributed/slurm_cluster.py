"""A Slurm cluster of one node on this machine, without cgroups, for as long as it is needed."""
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

CONF = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={slurmd_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
JobRequeue=1
ReturnToService=2
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores}
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
PROGRAMS = ('slurmctld', 'slurmd', 'munged', 'mungekey', 'sbatch', 'srun', 'scontrol', 'scancel')

needs_slurm = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, PROGRAMS)),
    reason='a Slurm cluster needs root and `apt-get install slurm-wlm munge`')


class SlurmCluster:
    """A node of this machine's cores.

    Args:
        folder: Of the daemons' files; its path must be short, since sockets lie there.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.env = {**os.environ, 'SLURM_CONF': str(self.folder / 'slurm.conf')}
        self.daemons = []

    def __enter__(self):
        for name in ('state', 'spool'):
            (self.folder / name).mkdir()
        port = 20000 + os.getpid() % 8000 * 2
        (self.folder / 'slurm.conf').write_text(CONF.format(
            host=os.uname().nodename, folder=self.folder, port=port, slurmd_port=port + 1,
            cores=os.cpu_count()))
        key = self.folder / 'munge.key'
        subprocess.run(['mungekey', '--create', f'--keyfile={key}'], check=True)
        files = [f'--{name}-file={self.folder}/munge.{name}' for name in ('key', 'log', 'pid',
                                                                           'seed')]
        try:
            self._start('munged', '--foreground', f'--socket={self.folder}/munge.socket', *files,
                        '--force')
            self._wait((self.folder / 'munge.socket').exists)
            self._start('slurmctld', '-D')
            self._start('slurmd', '-D')
            self._wait(lambda: 'idle' in self.call('sinfo', '--noheader', check=False))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.call('scancel', '--user=root', check=False)
        for daemon in reversed(self.daemons):
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(timeout=60)

    def call(self, *words, check=True, **variables):
        """Run a command of Slurm; returns what it prints."""
        done = subprocess.run([str(word) for word in words], env={**self.env, **variables},
                              capture_output=True, text=True)
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout

    def state(self, job):
        """Return the state of a job, such as RUNNING, COMPLETED, CANCELLED."""
        shown = self.call('scontrol', 'show', 'job', job)
        return shown.partition('JobState=')[2].split()[0]

    def wait_for_end(self, job, seconds=600):
        """Wait until a job runs no more and is not to run again; returns its last state."""
        going = ('PENDING', 'CONFIGURING', 'RUNNING', 'COMPLETING', 'REQUEUED')
        self._wait(lambda: self.state(job) not in going, seconds)
        return self.state(job)

    def _start(self, *command):
        with open(self.folder / f'{command[0]}.out', 'w') as log:
            self.daemons.append(subprocess.Popen(command, env=self.env, stdout=log, stderr=log))

    def _wait(self, holds, seconds=60):
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                logs = [path.read_text()[-2000:] for path in self.folder.glob('*.out')]
                raise TimeoutError('\n'.join(logs))
            time.sleep(0.2)
