"""IMPConfig: the only reader of the ``imp = dict(...)`` block and of the command line's flags."""
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmengine.device import get_device

from mmlth.core.masks import density
from mmlth.core.moment import INIT, Moment
from mmlth.core.schedules import SCHEDULES, explicit
from mmlth.core.scope import FROZEN_POLICIES, SCOPES
from mmlth.core.store import KEEP
from mmlth.core.ticket import load_ticket
from mmlth.core.training import Training
from mmlth.engine.setting_checks import LR_SCHEDULES, OPTIMIZERS, check_settings
from mmlth.engine.trainings import POLICIES, list_trainings

_LISTS = ('schedule', 'scope', 'include', 'exclude', 'controls', 'control_rounds', 'capture')


def _number(text: str) -> int | float | str:
    """Read a number where the text is one, as settings that also take names want it."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _yes_or_no(text: str) -> bool:
    if text not in ('yes', 'no'):
        raise ValueError(f'{text!r}: allowed are yes and no')
    return text == 'yes'


def _setting(default: Any, text: str, flag: Mapping[str, Any] | None = None) -> Any:
    """Declare a setting: its default, meaning, and how argparse reads its flag (None: no flag)."""
    return field(default=default, metadata=dict(help=text, flag=flag))


@dataclass(frozen=True, kw_only=True)
class IMPConfig:
    """Settings of one IMP job, checked at construction.

    ``IMPConfig.describe()`` lists every setting with its meaning and default.

    Raises:
        ValueError: A value outside what is allowed; names setting, value and what is allowed.
    """

    target_sparsity: float = _setting(
        0.8, 'sparsity of the scope after the last round, in (0, 1). 0.8 is the most the paper '
        'prunes without loss', dict(type=float, metavar='P'))
    rounds: int = _setting(
        4, 'number of prunings T; T + 1 trainings run, the first one dense. 1 is one-shot pruning, '
        '0 trains the dense net alone, for other jobs to share (dense_from)',
        dict(type=int, metavar='T'))
    schedule: str | tuple[float, ...] = _setting(
        'geometric', 'sparsity of the rounds: "geometric" (same share of what is left each time, '
        'the paper), "linear", or a list of rising sparsities, which replaces target_sparsity and '
        'rounds', dict(nargs='+', type=_number, metavar='S'))
    scope: str | tuple[str, ...] = _setting(
        'paper', 'what may be pruned: "paper" (all weights but predictors and shortcut convs), '
        '"all", "backbone", or a list of groups', dict(nargs='+', metavar='S'))
    include: tuple[str, ...] = _setting(
        (), 'regular expressions of tensor names that join the scope', dict(nargs='+', metavar='RE'))
    exclude: tuple[str, ...] = _setting(
        (), 'regular expressions of tensor names that leave the scope', dict(nargs='+', metavar='RE'))
    frozen: str = _setting(
        'prune', 'tensors of the scope that training does not change: "prune" (the paper) or "keep" '
        'them out of it', dict(choices=FROZEN_POLICIES))
    criterion: str = _setting(
        'magnitude', 'score of a weight, higher is kept: "magnitude", "initial_magnitude", '
        '"magnitude_increase", "random", or a function of yours (mmlth.core.criteria.register)',
        dict(metavar='C'))
    allocation: str = _setting(
        'global', 'ranking: "global" over the scope, "normalized" (each layer divided by its norm), '
        '"layerwise" (same share everywhere), "erk", or "N:M" such as "2:4" (N of every M inputs)',
        dict(metavar='A'))
    min_kept: int = _setting(
        1, 'weights that every tensor keeps at least, against layer collapse', dict(type=int, metavar='N'))
    rewind: str | int = _setting(
        'init', 'what survivors start from: "init" (w_0), a number of steps k, "epoch_K" or "P%" of '
        'the training (w_k), "lr" (their trained weights, learning rate from the start), "none" '
        '(trained weights, last learning rate), or "reinit" (newly drawn, a control)',
        dict(type=_number, metavar='K'))
    optimizer: str = _setting(
        'fresh', 'optimizer state of a round: "fresh", or "rewound" to that of step k',
        dict(choices=OPTIMIZERS))
    lr_schedule: str = _setting(
        'restart', 'learning rates of a round: "restart" at step 0 (the paper) or "continue" from '
        'step k', dict(choices=LR_SCHEDULES))
    early_bird: dict[str, Any] | None = _setting(
        None, 'end a round before the last once the mask to come has settled: dict(interval=, '
        'tolerance=, patience=, fraction=), see docs/early_bird.md; dict(fraction=1.0) only watches')
    controls: tuple[str, ...] = _setting(
        (), 'what to train beside the tickets: "random" mask, layer-matched "shuffle", "reinit", '
        '"dense" (rewound, nothing pruned), "reverse" mask', dict(nargs='+', metavar='C'))
    control_rounds: tuple[int, ...] = _setting(
        (), 'rounds that get controls; () is the last', dict(nargs='+', type=int, metavar='N'))
    dense_from: str | None = _setting(
        None, 'work directory of a job with this config and seed, whose dense round and w_k are '
        'taken over instead of trained again; it must have captured them (its rewind or capture)',
        dict(metavar='DIR'))
    capture: tuple[str | int, ...] = _setting(
        (), 'further points, as rewind takes them, whose weights the dense round keeps for jobs that '
        'share it', dict(nargs='+', type=_number, metavar='K'))
    ticket: str | None = _setting(
        None, 'ticket file to train beside the dense net instead of one found here, with its own '
        'start weights: of tools/transfer_ticket.py, say. Replaces target_sparsity, rounds, schedule '
        'and rewind', dict(metavar='FILE'))
    seed: int = _setting(
        0, 'seed of every round: initial weights, data order, augmentation', dict(type=int, metavar='N'))
    keep: str = _setting(
        'weights', 'what a finished round leaves of its checkpoints: "weights" (the last one, without '
        'optimizer state), or "all"', dict(choices=KEEP))
    max_keep_ckpts: int = _setting(
        2, 'checkpoints kept while a round is trained, where the config sets no limit of its own; at '
        'least 2, so that one is whole while the next is written', dict(type=int, metavar='N'))
    exact_resume: bool | None = _setting(
        None, 'a killed round goes on bit for bit: random numbers depend on the step alone and loader '
        'processes start anew each epoch. None: on a CPU, where it can be promised',
        dict(type=_yes_or_no, metavar='yes|no'))

    def __post_init__(self) -> None:
        for name in _LISTS:
            object.__setattr__(self, name, _as_tuple(name, getattr(self, name)))
        for name, names in (('schedule', SCHEDULES), ('scope', SCOPES)):
            value = getattr(self, name)
            if len(value) == 1 and value[0] in names:  # a flag's list of one name
                object.__setattr__(self, name, value[0])
        if self.early_bird is not None:  # of a Config: its own kind of dict
            object.__setattr__(self, 'early_bird', dict(self.early_bird))
        check_settings(self)

    def densities(self) -> tuple[float, ...]:
        """Return the planned density of every round, from 1.0 down."""
        if isinstance(self.schedule, str):
            return SCHEDULES[self.schedule](self.target_sparsity, self.rounds)
        return explicit(self.schedule)

    @property
    def moment(self) -> Moment:
        """When w_k is captured; policies that need no later weights capture w_0."""
        return INIT if self.rewind in POLICIES else Moment.parse(self.rewind)

    @property
    def resumes_exactly(self) -> bool:
        """Whether a killed round goes on bit for bit."""
        return get_device() == 'cpu' if self.exact_resume is None else self.exact_resume

    def trainings(self) -> tuple[Training, ...]:
        """List every training of the job in order: dense, tickets, controls."""
        return list_trainings(self)

    @classmethod
    def from_dicts(
        cls, block: Mapping[str, Any], flags: Mapping[str, Any] | None = None,
    ) -> 'IMPConfig':
        """Build from the config's ``imp`` block; flags that are not None override it.

        Raises:
            ValueError: An unknown setting (lists the known ones) or a bad value.
        """
        flags = {k: v for k, v in (flags or {}).items() if v is not None}
        given = {**block, **flags}
        planned = [k for k in ('target_sparsity', 'rounds') if k in flags]
        if planned and not isinstance(given.get('schedule', ''), str):
            if 'schedule' in flags:
                raise ValueError(f'a list of sparsities says what {planned} would; give one or the '
                                 'other')
            given['schedule'] = 'geometric'
        if given.get('ticket'):
            given.update(_schedule_of(given['ticket'], flags))
        known = [f.name for f in dataclasses.fields(cls)]
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise ValueError(f'imp = dict(...) has unknown settings {unknown}; known are {known}')
        return cls(**given)

    @classmethod
    def from_config(
        cls, cfg: Mapping[str, Any], flags: Mapping[str, Any] | None = None,
    ) -> 'IMPConfig':
        """Read a whole config: its ``imp`` block, whose seed is by default that of ``randomness``."""
        seed = cfg.get('randomness', {}).get('seed')
        block = {} if seed is None else dict(seed=seed)
        return cls.from_dicts({**block, **cfg.get('imp', {})}, flags)

    @classmethod
    def describe(cls) -> str:
        """List every setting: name, default, meaning."""
        return '\n'.join(f'  {f.name} (default {f.default!r}): {f.metadata["help"]}'
                         for f in dataclasses.fields(cls))

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as JSON would hold them."""
        values = dataclasses.asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def _as_tuple(name: str, value: Any) -> Any:
    """Return a list setting as a tuple; those that may be one name stay a text."""
    if isinstance(value, (str, int)) and name not in ('schedule', 'scope'):
        value = (value, )
    if not isinstance(value, (str, list, tuple)):
        raise ValueError(f'{name}={value!r} must be a text or a list')
    return value if isinstance(value, str) else tuple(value)


def _schedule_of(path: str, flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schedule of a job that trains a given ticket: its sparsity."""
    planned = [k for k in ('target_sparsity', 'rounds', 'schedule', 'rewind') if k in flags]
    if planned:
        raise ValueError(f'ticket={path!r} says what {planned} would; leave {planned} out')
    sparsity = 1 - density(load_ticket(path).masks)
    if not sparsity:
        raise ValueError(f'ticket={path!r} prunes nothing; the dense net is trained by every job')
    return dict(schedule=(sparsity, ), rewind='init')
