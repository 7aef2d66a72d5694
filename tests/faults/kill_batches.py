"""Jobs that are hit by signals in chosen phases, and what they lost of it."""
import json
import random
import signal

from traced import PHASES, run_traced

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
ARGS = ('--rewind', 'epoch_1', '--optimizer', 'rewound', '--controls', 'shuffle')
_COMPARED = ('round', 'control', 'digests', 'metrics', 'layer_density', 'steps', 'kept', 'id')


def outcome(work_dir):
    """Return what must not depend on signals, of every training."""
    summary = json.loads((work_dir / 'summary.json').read_text())
    trainings = [*summary['rounds'], *summary['controls']]
    return [{key: record[key] for key in _COMPARED} for record in trainings]


def _finished(work_dir):
    """Return the records that are written, with what they say."""
    return {str(path): path.read_text() for path in work_dir.rglob('record.json')}


class KillBatches:
    """Hits jobs of one config.

    Args:
        config: Of a small training.
        folder: Where the jobs lie.
        seed: Of all random choices.
    """

    def __init__(self, config, folder, seed=0):
        self.config, self.folder, self.seed = config, folder, seed
        counted = folder / 'calls.json'
        code = run_traced(config, folder / 'whole', *ARGS, counted=counted)
        assert code == 0, (folder / 'whole.log').read_text()
        self.calls = json.loads(counted.read_text())
        self.expected = outcome(folder / 'whole')

    def run(self, number, signals):
        """Hit one job once in each phase, then let it end.

        Args:
            number: Of the job.
            signals: phase -> name of the signal, in an order in which one job can be hit.

        Returns:
            A dict(phase, signal, where, call, lost) for each that was hit; ``lost`` is '' or says
            what differs from a job that was left alone.
        """
        rng = random.Random(f'{self.seed} {number}')
        work_dir = self.folder / f'job_{number:04}'
        hits = []
        for phase, name in signals.items():
            hit = self._hit(work_dir, phase, getattr(signal, name), rng)
            if hit is None:  # the job had passed that phase, and has ended
                break
            hits.append(hit)
        lost = self._end(work_dir)
        return [dict(hit, lost=hit['lost'] or lost) for hit in hits]

    def _hit(self, work_dir, phase, number, rng):
        told = work_dir.with_suffix('.told')
        told.unlink(missing_ok=True)
        target = dict(phase=phase, number=number, told=str(told),
                      call=self._some_call(phase, rng))
        before = _finished(work_dir)
        code = run_traced(self.config, work_dir, *ARGS, target=target)
        if not told.exists():
            return None
        # Python drops a Ctrl-C that falls into a destructor or callback: then the job goes on.
        allowed = {signal.SIGINT: (130, 0)}.get(number, (-number, ))
        lost = '' if code in allowed else f'exit code {code}'
        if not before.items() <= _finished(work_dir).items():
            lost = 'a finished training was touched'
        return dict(json.loads(told.read_text()), signal=number.name, code=code, lost=lost)

    def _some_call(self, phase, rng):
        """Choose a call within the first or second time that a job enters a phase."""
        calls, spans = self.calls[phase]
        return rng.randrange(calls * min(2, spans) // spans)

    def _end(self, work_dir):
        code = run_traced(self.config, work_dir, *ARGS)
        if code:
            return f'the last run ended with {code}'
        return '' if outcome(work_dir) == self.expected else 'other digests or records'


def rarest_signals(hits, rng):
    """Return phase -> name of the signal that it was hit with least so far, ties by chance."""
    names = [number.name for number in SIGNALS]
    rng.shuffle(names)
    seen = [(hit['phase'], hit['signal']) for hit in hits]
    return {phase: min(names, key=lambda name: seen.count((phase, name))) for phase in PHASES}
