"""A study whose driver and whose jobs are hit at random moments."""
import json
import os
import random
import signal
import subprocess
import sys
import time

from conftest import ROOT, tool_env
from stand_ins import processes_of, write_study

EXPERIMENTS = dict(rounds=dict(
    title='Rounds', section='1', kind='curve', x='rounds',
    jobs=[dict(rounds=1), dict(rounds=2, controls=('random', ))]))


class StudyKills:
    """Hits a study until it was hit often enough, then lets it end.

    Args:
        config: Of a small training.
        folder: Where the studies lie.
        seed: Of all random choices.
    """

    def __init__(self, config, folder, seed=0):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.rng = folder, random.Random(seed)
        self.path = write_study(folder / 'study.py', config.absolute(), EXPERIMENTS)
        start = time.monotonic()
        assert self._start('whole').wait(1200) == 0, (folder / 'whole.log').read_text()
        self.seconds = time.monotonic() - start

    def run(self, kills):
        """Return a dict(phase, signal, lost) for each signal that hit something."""
        hits, studies = [], 0
        while len(hits) < kills:
            found = self._hit(f'hit_{studies}', range(len(hits), kills))
            lost = self._end(f'hit_{studies}')
            hits += [dict(hit, lost=lost) for hit in found]
            studies += 1
        return hits

    def _hit(self, name, numbers):
        """Hit one study until it has ended or was hit as often."""
        hits = []
        for number in numbers:
            phase = ('study: driver', 'study: job')[number % 4 == 3]
            sent = ('SIGKILL', 'SIGTERM', 'SIGINT', 'SIGKILL')[number % 4]
            driver = self._start(name)
            time.sleep(self.rng.uniform(0, self.seconds / 2))
            if phase == 'study: job':
                self._kill_job(driver, name)
            elif driver.poll() is None:
                driver.send_signal(getattr(signal, sent))
            if driver.wait(1200) == 0:
                break
            hits.append(dict(phase=phase, signal=sent))
        return hits

    def _start(self, name):
        out = self.folder / name
        command = [sys.executable, ROOT / 'tools' / 'run_study.py', 'run', self.path,
                   '--work-dir', out]
        with open(out.with_suffix('.log'), 'a') as log:
            return subprocess.Popen(
                command, cwd=ROOT, env=tool_env(), stdout=log, stderr=log)

    def _kill_job(self, driver, name):
        """SIGKILL the process of a job as soon as there is one."""
        jobs = {}
        while not jobs and driver.poll() is None:
            jobs = {pid: line for pid, line in processes_of(self.folder / name).items()
                    if 'mmlth.study.worker' in line}
        for pid in jobs:
            os.kill(pid, signal.SIGKILL)

    def _end(self, name):
        if self._start(name).wait(1200):
            return 'the last run failed'
        same = _outcome(self.folder / name) == _outcome(self.folder / 'whole')
        return '' if same else 'other digests or records'


def _outcome(study):
    found = {}
    for path in sorted(study.glob('jobs/*/*/record.json')):
        record = json.loads(path.read_text())
        key = str(path.relative_to(study))
        found[key] = {name: record[name] for name in ('digests', 'metrics', 'kept', 'steps')}
    return found
