"""IMPConfig: the only reader of the ``imp = dict(...)`` block and of the command line's flags."""
import dataclasses
from dataclasses import dataclass, field
from typing import Any, Mapping

from mmlth.core.controls import CONTROLS
from mmlth.core.criteria import check_criterion
from mmlth.core.early_bird import EarlyBird
from mmlth.core.masks import density
from mmlth.core.patterns import check_pattern
from mmlth.core.rewind import check_rewind
from mmlth.core.schedules import SCHEDULES, explicit
from mmlth.core.scope import FROZEN_POLICIES, check_scope
from mmlth.core.selection import check_allocation
from mmlth.core.ticket import load_ticket


def _setting(default: Any, text: str) -> Any:
    return field(default=default, metadata=dict(help=text))


@dataclass(frozen=True, kw_only=True)
class IMPConfig:
    """Settings of one IMP job, checked at construction.

    ``IMPConfig.describe()`` lists every setting with its meaning and default.

    Raises:
        ValueError: A value outside what is allowed; names setting, value and what is allowed.
    """

    target_sparsity: float = _setting(
        0.8, 'sparsity of the scope after the last round, in (0, 1). 0.8 is the most the paper '
        'prunes without loss')
    rounds: int = _setting(
        4, 'number of prunings T; T + 1 trainings run, the first one dense. 1 is one-shot pruning, 0 trains '
        'the dense net alone, for other jobs to share (dense_from)')
    schedule: str | tuple[float, ...] = _setting(
        'geometric', 'sparsity of the rounds: "geometric" (same share of what is left each time, '
        'the paper), "linear", or a list of rising sparsities, which replaces target_sparsity and '
        'rounds')
    scope: str | tuple[str, ...] = _setting(
        'paper', 'what may be pruned: "paper" (all weights but predictors and shortcut convs), '
        '"all", "backbone", or a list of groups')
    include: tuple[str, ...] = _setting((), 'regular expressions of tensor names that join the scope')
    exclude: tuple[str, ...] = _setting((), 'regular expressions of tensor names that leave the scope')
    frozen: str = _setting(
        'prune', 'frozen tensors of the scope: "prune" (the paper) or "keep" them out of it')
    criterion: str = _setting(
        'magnitude', 'score of a weight, higher is kept: "magnitude", "initial_magnitude", '
        '"magnitude_increase", "random", or a function of yours (mmlth.core.criteria.register)')
    allocation: str = _setting(
        'global', 'ranking: "global" over the scope, "normalized" (each layer divided by its norm), '
        '"layerwise" (same share everywhere), "erk", or "N:M" such as "2:4" (N of every M inputs)')
    min_kept: int = _setting(1, 'weights that every tensor keeps at least, against layer collapse')
    rewind: str | int = _setting(
        'init', 'what survivors start from: "init" (w_0), a number of steps k, "epoch_K" or "P%" of the training '
        '(w_k), "lr" (their trained weights, learning rate from the start), "none" (trained weights, last learning '
        'rate), or "reinit" (newly drawn, a control)')
    optimizer: str = _setting(
        'fresh', 'optimizer state of a round: "fresh", or "rewound" to that of step k')
    lr_schedule: str = _setting(
        'restart', 'learning rates of a round: "restart" at step 0 (the paper) or "continue" from step k')
    early_bird: dict[str, Any] | None = _setting(
        None, 'end a round before the last once the mask to come has settled: dict(interval=, tolerance=, '
        'patience=, fraction=), see docs/early_bird.md; dict(fraction=1.0) only watches')
    controls: tuple[str, ...] = _setting(
        (), 'what to train beside the tickets: "random" mask, layer-matched "shuffle", "reinit", "dense" (rewound, '
        'nothing pruned), "reverse" mask')
    control_rounds: tuple[int, ...] = _setting((), 'rounds that get controls; () is the last')
    dense_from: str | None = _setting(
        None, 'work directory of a job with this config and seed, whose dense round and w_k are taken over '
        'instead of trained again; it must have captured them (its rewind or capture)')
    capture: tuple[str | int, ...] = _setting(
        (), 'further points, as rewind takes them, whose weights the dense round keeps for jobs that share it')
    ticket: str | None = _setting(
        None, 'ticket file to train beside the dense net instead of one found here, with its own start '
        'weights: of tools/transfer_ticket.py, say. Replaces target_sparsity, rounds, schedule and rewind')
    seed: int = _setting(0, 'seed of every round: initial weights, data order, augmentation')
    max_keep_ckpts: int = _setting(
        2, 'checkpoints kept per round where the config sets no limit of its own; at least 2, so '
        'that one is whole while the next is written')
    exact_resume: bool = _setting(
        True, 'a killed round goes on bit for bit (on a CPU): random numbers depend on the step '
        'alone and loader processes start anew each epoch')

    def __post_init__(self) -> None:
        for name in ('schedule', 'scope', 'include', 'exclude', 'controls', 'control_rounds', 'capture'):
            value = getattr(self, name)
            if isinstance(value, (str, int)) and name not in ('schedule', 'scope'):
                value = (value, )
            if not isinstance(value, (str, list, tuple)):
                raise ValueError(f'{name}={value!r} must be a text or a list')
            object.__setattr__(self, name, value if isinstance(value, str) else tuple(value))
        self._check_names()
        self._check_numbers()
        check_pattern(self.allocation, self.densities(), {})
        self._check_controls()
        self._check_sources()
        if self.early_bird is not None:
            object.__setattr__(self, 'early_bird', dict(self.early_bird))  # of a Config: its own kind of dict
            self.early_bird_settings()

    def densities(self) -> tuple[float, ...]:
        """Return the planned density of every round, from 1.0 down."""
        if isinstance(self.schedule, str):
            return SCHEDULES[self.schedule](self.target_sparsity, self.rounds)
        return explicit(self.schedule)

    @classmethod
    def from_dicts(cls, block: Mapping[str, Any], flags: Mapping[str, Any] | None = None) -> 'IMPConfig':
        """Build from the config's ``imp`` block; flags that are not None override it.

        Raises:
            ValueError: An unknown setting (lists the known ones) or a bad value.
        """
        flags = {k: v for k, v in (flags or {}).items() if v is not None}
        given = {**block, **flags}
        planned = [k for k in ('target_sparsity', 'rounds') if k in flags]
        if planned and not isinstance(given.get('schedule', ''), str):
            if 'schedule' in flags:
                raise ValueError(f'a list of sparsities says what {planned} would; give one or the other')
            given['schedule'] = 'geometric'
        if given.get('ticket'):
            given.update(_schedule_of(given['ticket'], flags))
        known = [f.name for f in dataclasses.fields(cls)]
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise ValueError(f'imp = dict(...) has unknown settings {unknown}; known are {known}')
        return cls(**given)

    @classmethod
    def from_config(cls, cfg: Mapping[str, Any], flags: Mapping[str, Any] | None = None) -> 'IMPConfig':
        """Read a whole config: its ``imp`` block, whose seed is by default that of ``randomness``."""
        seed = cfg.get('randomness', {}).get('seed')
        return cls.from_dicts({**({} if seed is None else dict(seed=seed)), **cfg.get('imp', {})}, flags)

    @classmethod
    def describe(cls) -> str:
        """List every setting: name, default, meaning."""
        return '\n'.join(f'  {f.name} (default {f.default!r}): {f.metadata["help"]}'
                         for f in dataclasses.fields(cls))

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as JSON would hold them."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()}

    def _check_names(self) -> None:
        check_scope(self.scope)
        check_criterion(self.criterion)
        check_allocation(self.allocation)
        check_rewind(self.rewind, self.optimizer, self.lr_schedule)
        legal = dict(frozen=FROZEN_POLICIES)
        if isinstance(self.schedule, str):
            legal['schedule'] = SCHEDULES
        for name, allowed in legal.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f'{name}={getattr(self, name)!r}: allowed are {", ".join(allowed)}'
                                 + (' or a list of sparsities' if name == 'schedule' else ''))

    def _check_controls(self) -> None:
        unknown = [name for name in self.controls if name not in CONTROLS]
        if unknown:
            raise ValueError(f'controls={unknown}: allowed are {", ".join(CONTROLS)}')
        last = len(self.densities()) - 1
        if self.controls and not last:
            raise ValueError(f'controls={self.controls} belong to a ticket, but rounds=0 finds none; raise rounds')
        if any(not isinstance(n, int) or not 0 < n <= last for n in self.control_rounds):
            raise ValueError(f'control_rounds={self.control_rounds}: allowed are rounds 1 to {last}')

    def _check_sources(self) -> None:
        """Check what other jobs share with this one, and a given ticket."""
        for point in self.capture:
            check_rewind(point, 'fresh', 'restart', 'capture')
        needs_state = self.optimizer == 'rewound' or self.lr_schedule == 'continue'
        if self.dense_from and (needs_state or self.early_bird is not None):
            name = ('early_bird' if self.early_bird is not None else
                    'optimizer' if self.optimizer == 'rewound' else 'lr_schedule')
            raise ValueError(f'dense_from={self.dense_from!r}: {name}={getattr(self, name)!r} needs a dense round of '
                             'its own, since a shared one keeps weights alone. Leave out one of the two')
        if self.early_bird is not None and len(self.densities()) == 1:
            raise ValueError('early_bird watches the mask of a round to come, but rounds=0 has none; raise rounds')
        if self.ticket is None:
            return
        if (self.rewind != 'init' or self.early_bird is not None or 'reverse' in self.controls
                or len(self.densities()) != 2):
            raise ValueError(f'ticket={self.ticket!r} brings its masks and start weights and is trained once: leave '
                             'rewind, early_bird, rounds and the control "reverse" out')

    def early_bird_settings(self) -> EarlyBird:
        """Return the checked settings of ``early_bird``, which must not be None."""
        known = [f.name for f in dataclasses.fields(EarlyBird)]
        unknown = sorted(set(self.early_bird) - set(known))
        if unknown:
            raise ValueError(f'early_bird: unknown settings {unknown}; known are {known}')
        return EarlyBird(**self.early_bird)

    def trainings(self) -> tuple[tuple[int, str], ...]:
        """List (round, control) of every training of the job in order; control is '' for a ticket.

        A dense control is the same for every round and trained once, for the first that asks for one.
        """
        rounds = [(number, '') for number in range(len(self.densities()))]
        wanted = self.control_rounds or (len(rounds) - 1, )
        return (*rounds, *((number, name) for number in wanted for name in self.controls
                           if name != 'dense' or number == wanted[0]))

    def _check_numbers(self) -> None:
        for name, least in dict(min_kept=0, seed=0, max_keep_ckpts=2).items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(f'{name}={value!r} must be a whole number, at least {least}')
        if not isinstance(self.target_sparsity, (int, float)):
            raise ValueError(f'target_sparsity={self.target_sparsity!r} must be a number in (0, 1)')


def _schedule_of(path: str, flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schedule of a job that trains a given ticket: its sparsity."""
    planned = [k for k in ('target_sparsity', 'rounds', 'schedule', 'rewind') if k in flags]
    if planned:
        raise ValueError(f'ticket={path!r} says what {planned} would; leave {planned} out')
    sparsity = 1 - density(load_ticket(path).masks)
    if not sparsity:
        raise ValueError(f'ticket={path!r} prunes nothing; the dense net is trained by every job')
    return dict(schedule=(sparsity, ), rewind='init')
