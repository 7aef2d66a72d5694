"""One training of a job as a value: what it starts from, what it keeps, what it came to."""
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmlth.core.choices import COST_EXPONENT
from mmlth.core.moment import INIT, Moment

Key = tuple[int, str]  # number and label of a training, which name it within its job
_NOT_DECIDING = ('label', 'parent', 'shared_from', 'captures', 'states', 'keep',
                 'max_keep_ckpts')


@dataclass(frozen=True, kw_only=True)
class Training:
    """Describe one training completely.

    Attributes:
        number: Prunings before it; 0 is the dense net, from w_0.
        label: Name of the control that is trained in place of the round's ticket, or ''.
        parent: The training whose outcome it needs: a ticket's is the round before, a control's
            is the ticket that it is compared with. None in round 0.
        masks: How its masks are made, a name in :data:`mmlth.job.policies.MASKS`.
        start: What it starts from, a name in :data:`mmlth.job.policies.STARTS`.
        scope: (setting, value) of those that choose what is pruned and aren't at their default.
        density: Kept share of the scope, in (0, 1].
        seed: Of data order, augmentation and everything that is drawn.
        order_seed: Of data order, augmentation and dropout alone, in place of the seed; or None.
        criterion, cost_exponent, allocation, min_kept: How weights are scored and selected.
        moment: When w_k is captured, in round 0; which w_k is meant, later.
        optimizer: 'fresh', or 'rewound' to the state of step k.
        schedule: 'restart', 'continue' from step k, or 'last rate' of the training before.
        early_bird: Settings of :class:`mmlth.core.early_bird.EarlyBird` while it is trained, or
            None; with ``next_density``, what the watched mask keeps.
        ticket: File of the ticket that is trained instead of one found here, or ''.
        exact_resume: Whether random numbers depend on the step alone.
        captures: Further moments whose weights the dense round keeps for other jobs.
        states: Moments whose optimizer state and schedule the dense round keeps too: its own, or
            those of other jobs.
        stretch: How many times as long as the config says it trains, its schedule stretched alike.
        keep: What it leaves of its checkpoints when it has ended, 'weights' or 'all'.
        max_keep_ckpts: Checkpoints that are kept while it is trained.
        shared_from: Work directory of the job whose training is taken over, or ''.
    """

    number: int
    label: str = ''
    parent: 'Training | None' = None
    masks: str = 'dense'
    start: str = 'rewound'
    scope: tuple[tuple[str, Any], ...] = ()
    density: float = 1.0
    seed: int = 0
    order_seed: int | None = None
    criterion: str = 'magnitude'
    cost_exponent: float = COST_EXPONENT
    allocation: str = 'global'
    min_kept: float = 1
    moment: Moment = INIT
    optimizer: str = 'fresh'
    schedule: str = 'restart'
    early_bird: Mapping[str, Any] | None = None
    next_density: float | None = None
    ticket: str = ''
    exact_resume: bool = True
    captures: tuple[Moment, ...] = ()
    states: tuple[Moment, ...] = ()
    stretch: int = 1
    keep: str = 'weights'
    max_keep_ckpts: int = 2
    shared_from: str = ''

    @property
    def key(self) -> Key:
        """Number and label, as :class:`mmlth.core.layout.Layout` and records name a training."""
        return self.number, self.label

    @property
    def name(self) -> str:
        """What messages call it."""
        return f'round {self.number}' + (f' ({self.label} control)' if self.label else '')

    @property
    def runner_seed(self) -> int:
        """Seed of the training itself: data order, augmentation, and w_0 in the dense round."""
        return self.seed if self.order_seed is None else self.order_seed

    @property
    def source(self) -> 'Training':
        """The training whose outcome this one needs.

        Raises:
            ValueError: It needs none.
        """
        if self.parent is None:
            raise ValueError(f'{self.name} needs no training before it')
        return self.parent

    @property
    def dense(self) -> 'Training':
        """The dense round of its job."""
        return self.parent.dense if self.parent else self

    @property
    def _deciding(self) -> 'Training | None':
        """The training whose outcome decides this one's: not the ticket that is compared with it.

        Dense controls of a budget of their own start anew, or from the dense net.
        """
        is_dense = self.masks == 'dense' and self.start in ('rewound', 'dense net')
        return self.dense if self.number and is_dense else self.parent

    @property
    def needs_state(self) -> bool:
        """Whether optimizer state or schedule of step k are gone back to."""
        return self.optimizer == 'rewound' or self.schedule == 'continue'

    @property
    def is_shareable(self) -> bool:
        """Whether an equal one may stand for it, whose files are linked then."""
        return self.early_bird is None and self.keep != 'all'

    def id(self, config: Mapping[str, Any]) -> str:
        """Return a hash of all that decides the numbers of this training, to find equal ones.

        Args:
            config: What of the config decides numbers (:func:`mmlth.job.identity.identity`).

        Settings at their defaults are left out, so that a new one leaves old ids as they are.
        """
        aside = set(_NOT_DECIDING)
        if not self.number:
            aside.add('moment')  # a copy of the dense net changes nothing
        values = {}
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            if each.name not in aside and value != each.default:
                values[each.name] = value
        values['parent'] = self._deciding.id(config) if self._deciding else ''
        text = json.dumps([dict(config), values], sort_keys=True, default=_plain)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Describe what a training came to when it ended.

    Attributes:
        metrics: Of the final weights; {} where the evaluator returned none.
        seconds: Wall time of training and evaluation, resumed parts included.
        steps: Optimizer steps done.
        iterations: Forward passes done; more than steps where gradients accumulate.
        saved_steps: Steps that weren't done because it ended early.
        trained_in: Work directory of the job that trained it, relative to this one's, or ''.
        machine: Processor, GPU, threads, ranks and torch that trained it last.
    """

    metrics: dict[str, float]
    seconds: float
    steps: int
    iterations: int
    saved_steps: int = 0
    trained_in: str = ''
    machine: dict[str, Any] = field(default_factory=dict)


def _plain(value: Any) -> Any:
    return value.name if isinstance(value, Moment) else dict(value)
