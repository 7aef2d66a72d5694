"""A point of a training: parsed once, turned into an iteration in one place."""
import re
from dataclasses import dataclass

_EPOCH = re.compile(r'epoch_([1-9]\d*)')
_SHARE = re.compile(r'(\d+(?:\.\d+)?)%')


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """How long a training is.

    Attributes:
        iterations: Forward passes of the whole training.
        epoch: Iterations in which every image is seen once.
        accumulation: Iterations that share one optimizer step (gradient accumulation).
    """

    iterations: int
    epoch: int
    accumulation: int = 1

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole training; the last iteration always ends one."""
        return -(-self.iterations // self.accumulation)

    def ends_step(self, iteration: int) -> bool:
        """Tell whether the optimizer steps in the ``iteration``-th iteration, counted from 1."""
        return iteration % self.accumulation == 0 or iteration == self.iterations

    def steps_at(self, iteration: int) -> int:
        """Return the optimizer steps done after so many iterations.

        >>> Timeline(iterations=10, epoch=5, accumulation=4).steps_at(9)
        2
        """
        return self.steps if iteration == self.iterations else iteration // self.accumulation

    def iteration_of(self, step: int) -> int:
        """Return the iterations after which so many optimizer steps are done.

        >>> Timeline(iterations=10, epoch=5, accumulation=4).iteration_of(3)
        10
        """
        iteration = step * self.accumulation
        return min(iteration, self.iterations) if step <= self.steps else iteration


@dataclass(frozen=True)
class Moment:
    """A number of optimizer steps, the end of an epoch, or a share of the training.

    Attributes:
        unit: 'step', 'epoch' or 'share'.
        value: Steps, at least 0; epochs, at least 1; or the share, in (0, 1].
    """

    unit: str
    value: int | float

    @classmethod
    def parse(cls, text: str | int) -> 'Moment':
        """Read 'init', a number of steps, 'epoch_K' or 'P%'.

        Raises:
            ValueError: It is none of these; says what is allowed.

        >>> Moment.parse('init'), Moment.parse(600), Moment.parse('2.5%').name
        (Moment(unit='step', value=0), Moment(unit='step', value=600), 'share_0.025')
        """
        if text == 'init':
            return INIT
        if isinstance(text, int) and not isinstance(text, bool) and text >= 0:
            return cls('step', text)
        epoch = _EPOCH.fullmatch(text) if isinstance(text, str) else None
        if epoch:
            return cls('epoch', int(epoch[1]))
        share = _SHARE.fullmatch(text) if isinstance(text, str) else None
        if share and 0 < float(share[1]) <= 100:
            return cls('share', float(share[1]) / 100)
        raise ValueError(f'{text!r} is no point of a training: allowed are init, a number of '
                         'steps, at least 0, epoch_K, or P% of the training, above 0 and at most '
                         '100')

    @classmethod
    def is_one(cls, text: str | int) -> bool:
        """Tell whether :meth:`parse` reads it.

        >>> Moment.is_one('epoch_2'), Moment.is_one('lr')
        (True, False)
        """
        try:
            cls.parse(text)
        except ValueError:
            return False
        return True

    @property
    def name(self) -> str:
        """Name of the weights captured then, as files and messages show it."""
        return f'{self.unit}_{self.value}'

    @property
    def text(self) -> str | int:
        """As a setting or a hook takes it.

        >>> [Moment.parse(m).text for m in ('init', 5, 'epoch_2', '2.5%')]
        ['init', 5, 'epoch_2', '2.5%']
        """
        if self.unit == 'share':
            return f'{100 * self.value:.10g}%'
        if self.unit == 'epoch':
            return f'epoch_{self.value}'
        return 'init' if self.is_start else int(self.value)

    @property
    def is_start(self) -> bool:
        """Whether it lies before the first step."""
        return self == INIT

    def iteration(self, timeline: Timeline) -> int:
        """Return the iterations that are done at this moment.

        >>> timeline = Timeline(iterations=12, epoch=4)
        >>> [Moment.parse(m).iteration(timeline) for m in ('init', 5, 'epoch_2', '25%')]
        [0, 5, 8, 3]
        """
        if self.unit == 'epoch':
            return int(self.value) * timeline.epoch
        if self.unit == 'share':
            return timeline.iteration_of(round(self.value * timeline.steps))
        return timeline.iteration_of(int(self.value))


INIT = Moment('step', 0)
