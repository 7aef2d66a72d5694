"""Jobs in real processes that may be killed, forked from one that has imported all."""
import multiprocessing
import os
import runpy
import signal
import sys
import time

from conftest import ROOT

PRELOAD = ['toys', 'mmlth.analysis.report', 'mmlth.job.imp_runner', 'mmlth.engine.hooks']
FORKS = multiprocessing.get_context('forkserver')
FORKS.set_forkserver_preload(PRELOAD)


def _train(log, args):
    """Run tools/imp_train.py in this process, which ends with its exit code."""
    from quick import quick
    with open(log, 'a') as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    main = runpy.run_path(str(ROOT / 'tools' / 'imp_train.py'))['main']
    with quick():
        code = main(args)
    sys.exit(code)


class KillableJob:
    """A running tools/imp_train.py.

    Args:
        config: Of the training.
        work_dir: Of the job; its log is written beside it.
        args: Further flags.
    """

    def __init__(self, config, work_dir, *args):
        self.log = work_dir.with_suffix('.log')
        flags = [str(config), '--work-dir', str(work_dir), *args]
        self.process = FORKS.Process(target=_train, args=(str(self.log), flags))
        self.process.start()

    def wait_until(self, condition):
        """Wait until the job has come so far, or has ended."""
        while not condition() and self.process.is_alive():
            time.sleep(0.01)

    def kill(self, number=signal.SIGKILL):
        """Send a signal; returns whether the job was still running."""
        running = self.process.is_alive()
        if running:
            os.kill(self.process.pid, number)
        return running

    def end(self):
        """Wait for the end; returns the exit code, negative for a signal."""
        self.process.join(timeout=300)
        return self.process.exitcode

    def succeed(self):
        """Wait for the end, which must be a good one."""
        assert self.end() == 0, self.log.read_text()
