"""Know which phase a job is in, and send it a signal at the n-th call of one: in its own process.

The process counts calls of Python and C functions while the innermost phase is the chosen one, so
a signal falls beside every write, sync and rename as well as between any two lines.
"""
import json
import os
import sys
from functools import wraps
from importlib import import_module

from killable import FORKS

# What runs inside of which phase; the innermost one counts.
PLACES = (
    ('mmlth.job.rank_0', 'Job.make_plan', 'preflight'),
    ('mmlth.core.work_dir', 'WorkDir.claim', 'claim'),
    ('mmlth.engine.hooks.capture_hook', 'CaptureHook._save', 'capture'),
    ('mmlth.engine.hooks.capture_hook', 'CaptureStateHook._save', 'capture'),
    ('mmengine.runner', 'EpochBasedTrainLoop.run_epoch', 'train'),
    ('mmengine.hooks', 'CheckpointHook._save_checkpoint', 'checkpoint'),
    ('mmengine.runner', 'ValLoop.run', 'evaluate'),
    ('mmlth.job.rank_0', 'Job.write_ticket', 'rank'),
    ('mmlth.core.store', 'Store.save_ticket', 'write'),
    ('mmlth.engine.hooks.ticket_hook', 'TicketHook.before_train', 'rewind'),
    ('mmlth.core.store', 'Store.reduce', 'reduce'),
    ('mmlth.core.store', 'Store.finish', 'record'),
    ('mmlth.core.store', 'Store.summarise', 'summary'),
    ('mmlth.analysis.report', 'write_report', 'report'))
# In an order in which one job can be hit in each, as rounds come again.
PHASES = (*(phase for phase in dict.fromkeys(p[2] for p in PLACES[:-1])), 'controls', 'report')


class Tracer:
    """Counts calls by phase, and kills this process at a chosen one.

    Args:
        phase: In which to send the signal, or '' to count only.
        call: Number of the call in that phase, from 0.
        number: The signal.
        told: File that is written just before the signal is sent.
    """

    def __init__(self, phase='', call=0, number=0, told=''):
        self.phase, self.call, self.number, self.told = phase, call, number, told
        self.stack = []
        self.calls = {}
        self.spans = {}
        self.label = ''
        self.sent = False

    def current(self):
        if self.label and self.stack:
            return 'controls'
        return self.stack[-1] if self.stack else ''

    def count(self):
        """Count from here on, but only where it matters: counting is slow."""
        wanted = not self.phase or self.current() == self.phase
        sys.setprofile(self.profile if wanted and not self.sent else None)

    def profile(self, frame, event, arg):
        if not event.endswith('call'):
            return
        phase = self.current() or 'start'
        count = self.calls[phase] = self.calls.get(phase, 0) + 1
        if phase == self.phase and count > self.call:
            sys.setprofile(None)
            self.sent = True
            where = f'{frame.f_code.co_filename}:{frame.f_lineno}'
            with open(self.told, 'w') as file:
                json.dump(dict(phase=phase, call=count, where=where), file)
            os.kill(os.getpid(), self.number)

    def inside(self, phase, function):
        """Return the function, within a phase."""
        @wraps(function)
        def called(*args, **keywords):
            self.stack.append(phase)
            self.spans[self.current()] = self.spans.get(self.current(), 0) + 1
            self.count()
            try:
                return function(*args, **keywords)
            finally:
                self.stack.pop()
                self.count()
        return called

    def labelled(self, function):
        """Return IMPRunner's prune or train, which tells the training it is about."""
        @wraps(function)
        def called(runner, training):
            self.label = training.label
            try:
                return function(runner, training)
            finally:
                self.label = ''
        return called

    def install(self):
        """Wrap the places."""
        for module, name, phase in PLACES:
            *owner, last = name.split('.')
            place = import_module(module)
            for part in owner:
                place = getattr(place, part)
            setattr(place, last, self.inside(phase, getattr(place, last)))
        runner = import_module('mmlth.job.imp_runner').IMPRunner
        runner.prune, runner.train = self.labelled(runner.prune), self.labelled(runner.train)


def _run(log, args, target, counted):
    """Run `mmlth train` under a tracer in this process, which ends with its exit code."""
    from quick import quick
    with open(log, 'a') as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    with quick():
        tracer = Tracer(**target)
        tracer.install()
        code = import_module('mmlth.cli.train').main(args)
        sys.setprofile(None)
    if counted:
        with open(counted, 'w') as file:
            json.dump({p: [tracer.calls[p], n] for p, n in tracer.spans.items()}, file)
    sys.exit(code)


def run_traced(config, work_dir, *args, target=None, counted=''):
    """Run a job to its end, or to the signal; returns the exit code, negative for a signal."""
    flags = [str(config), '--work-dir', str(work_dir), *args]
    log = work_dir.with_suffix('.log')
    process = FORKS.Process(target=_run, args=(str(log), flags, target or {}, str(counted)))
    process.start()
    process.join(timeout=600)
    if process.is_alive():
        process.kill()
        raise TimeoutError(f'{work_dir} hangs')
    return process.exitcode
