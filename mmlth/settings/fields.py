"""Every setting of a job: default, meaning, and how a flag is read."""
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmlth.core.choices import COST_EXPONENT, FROZEN_POLICIES, KEEP
from mmlth.core.moment import INIT, Moment
from mmlth.core.schedules import SCHEDULES, explicit

OPTIMIZERS = ('fresh', 'rewound')
LR_SCHEDULES = ('restart', 'continue')


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
class SettingFields:
    """Settings of one IMP job, not checked yet, and what follows from them."""

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
        'paper', 'what may be pruned: "paper" (all weights but predictors, shortcut convs and what '
        'steers sampling), "all", "backbone", or a list of groups', dict(nargs='+', metavar='S'))
    include: tuple[str, ...] = _setting(
        (), 'regular expressions of tensor names that join the scope',
        dict(nargs='+', metavar='RE'))
    exclude: tuple[str, ...] = _setting(
        (), 'regular expressions of tensor names that leave the scope',
        dict(nargs='+', metavar='RE'))
    frozen: str = _setting(
        'prune', 'tensors of the scope that training does not change: "prune" (the paper) or '
        '"keep" them out of it', dict(choices=FROZEN_POLICIES))
    criterion: str = _setting(
        'magnitude', 'score of a weight, higher is kept: "magnitude", "magnitude_per_cost" (for '
        'few multiply-adds), "initial_magnitude", "magnitude_increase", "random", or a function of '
        'yours (mmlth.core.criteria.register)', dict(metavar='C'))
    cost_exponent: float = _setting(
        COST_EXPONENT, 'a of "magnitude_per_cost", |w| / cost^a, at least 0: 0 is "magnitude", 0.5 '
        'keeps most of the sum of w^2 that so many multiply-adds can',
        dict(type=float, metavar='A'))
    allocation: str = _setting(
        'global', 'ranking: "global" over the scope, "normalized" (each layer divided by its '
        'norm), "layerwise" (same share everywhere), "erk", or "N:M" such as "2:4" (N of every M '
        'inputs)', dict(metavar='A'))
    min_kept: float = _setting(
        1, 'what every tensor keeps at least, against layer collapse: a number of weights, or a '
        'share in (0, 1) of its own, such as 0.01', dict(type=_number, metavar='N'))
    rewind: str | int = _setting(
        'init', 'what survivors start from: "init" (w_0), a number of steps k, "epoch_K" or "P%" '
        'of the training (w_k), "lr" (their trained weights, learning rate from the start), '
        '"none" (trained weights, last learning rate), or "reinit" (newly drawn, a control)',
        dict(type=_number, metavar='K'))
    optimizer: str = _setting(
        'fresh', 'optimizer state of a round: "fresh", or "rewound" to that of step k',
        dict(choices=OPTIMIZERS))
    lr_schedule: str = _setting(
        'restart', 'learning rates of a round: "restart" at step 0 (the paper) or "continue" '
        'from step k', dict(choices=LR_SCHEDULES))
    early_bird: Mapping[str, Any] | None = _setting(
        None, 'end a round before the last once the mask to come has settled: dict(interval=, '
        'tolerance=, patience=, fraction=), see docs/early_bird.md; dict(fraction=1.0) only '
        'watches')
    controls: tuple[str, ...] = _setting(
        (), 'what to train beside the tickets, see docs/how_it_works.md: masks (random, shuffle, '
        'shuffle_rms, init_magnitude, reverse), start weights (reinit, reinit_rms, signs, '
        'magnitudes), nothing pruned (dense, dense_budget, dense_restart)',
        dict(nargs='+', metavar='C'))
    control_rounds: tuple[int, ...] = _setting(
        (), 'rounds that get controls; () is the last', dict(nargs='+', type=int, metavar='N'))
    dense_from: str | None = _setting(
        None, 'work directory of a job with this config and seed, whose dense round and w_k are '
        'taken over instead of trained again; it must have captured them (its rewind, capture or '
        'capture_states)',
        dict(metavar='DIR'))
    capture: tuple[str | int, ...] = _setting(
        (), 'further points, as rewind takes them, whose weights the dense round keeps for jobs '
        'that share it', dict(nargs='+', type=_number, metavar='K'))
    capture_states: tuple[str | int, ...] = _setting(
        (), 'points whose weights, optimizer state and schedule the dense round keeps, for jobs '
        'that share it and go back to them; ends of epochs where a training counts epochs',
        dict(nargs='+', type=_number, metavar='K'))
    ticket: str | None = _setting(
        None, 'ticket file to train beside the dense net instead of one found here, with its own '
        'start weights: of mmlth transfer, say. Replaces target_sparsity, rounds, '
        'schedule and rewind', dict(metavar='FILE'))
    seed: int = _setting(
        0, 'seed of every round: initial weights, data order, augmentation',
        dict(type=int, metavar='N'))
    order_seed: int | None = _setting(
        None, 'seed of data order and augmentation after the dense round, so that tickets and '
        'controls see the data in another order than the dense net did. None: that of seed',
        dict(type=int, metavar='N'))
    keep: str = _setting(
        'weights', 'what a finished round leaves of its checkpoints: "weights" (the last one, '
        'without optimizer state), or "all"', dict(choices=KEEP))
    max_keep_ckpts: int = _setting(
        2, 'checkpoints kept while a round is trained, where the config sets no limit of its own; '
        'at least 2, so that one is whole while the next is written',
        dict(type=int, metavar='N'))
    exact_resume: bool | None = _setting(
        None, 'a killed round goes on bit for bit: random numbers depend on the step alone and '
        'loader processes start anew each epoch. None: on a CPU, where it can be promised',
        dict(type=_yes_or_no, metavar='yes|no'))

    def densities(self) -> tuple[float, ...]:
        """Return the planned density of every round, from 1.0 down."""
        if isinstance(self.schedule, str):
            return SCHEDULES[self.schedule](self.target_sparsity, self.rounds)
        return explicit(self.schedule)

    @property
    def moment(self) -> Moment:
        """When w_k is captured; policies that need no later weights capture w_0."""
        return Moment.parse(self.rewind) if Moment.is_one(self.rewind) else INIT

    @property
    def resumes_exactly(self) -> bool:
        """Whether a killed round goes on bit for bit."""
        if self.exact_resume is not None:
            return self.exact_resume
        from mmengine.device import get_device  # help texts don't wait for torch

        return get_device() == 'cpu'
