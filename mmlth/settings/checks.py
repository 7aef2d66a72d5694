"""Check the settings of a job, alone and against each other."""
import dataclasses
from typing import Any

from mmlth.core.choices import FROZEN_POLICIES, KEEP
from mmlth.core.controls import CONTROLS
from mmlth.core.criteria import check_criterion
from mmlth.core.early_bird import EarlyBird
from mmlth.core.moment import Moment
from mmlth.core.patterns import Pattern, check_pattern
from mmlth.core.schedules import SCHEDULES
from mmlth.core.scope import check_scope
from mmlth.core.selection import check_allocation
from mmlth.settings.fields import LR_SCHEDULES, OPTIMIZERS, SettingFields
from mmlth.settings.trainings import POLICIES

ELSEWHERE = ('random', 'shuffle', 'shuffle_rms')  # keep what the ticket has pruned
_REDRAWN = ('reinit', 'reinit_rms', 'signs', 'magnitudes')  # start from new weights


def check_settings(settings: SettingFields) -> None:
    """Raise ValueError for a value outside what is allowed, or for settings that contradict.

    The message names setting, value and what is allowed.
    """
    _check_names(settings)
    _check_numbers(settings)
    _check_rewind(settings)
    check_pattern(settings.allocation, settings.densities(), {})
    _check_controls(settings)
    _check_shared(settings)
    _check_ticket(settings)
    _check_early_bird(settings)


def _check_names(settings: SettingFields) -> None:
    check_scope(settings.scope)
    check_criterion(settings.criterion)
    check_allocation(settings.allocation)
    legal = dict(frozen=FROZEN_POLICIES, keep=KEEP, optimizer=OPTIMIZERS, lr_schedule=LR_SCHEDULES)
    for name, allowed in legal.items():
        _check_one_of(name, getattr(settings, name), allowed)
    if isinstance(settings.schedule, str):
        _check_one_of('schedule', settings.schedule, tuple(SCHEDULES), ' or a list of sparsities')
    elif any(isinstance(each, str) for each in settings.schedule):
        given, names = list(settings.schedule), ', '.join(SCHEDULES)
        raise ValueError(f'schedule={given!r}: allowed are {names} or rising sparsities such as '
                         '0.5 0.8')
    if settings.exact_resume not in (None, True, False):
        raise ValueError(f'exact_resume={settings.exact_resume!r}: allowed are True, False, or '
                         'None to follow the device')


def _check_one_of(name: str, value: Any, allowed: tuple[str, ...], also: str = '') -> None:
    if value not in allowed:
        raise ValueError(f'{name}={value!r}: allowed are {", ".join(allowed)}{also}')


def _check_numbers(settings: SettingFields) -> None:
    share = settings.min_kept
    is_count = isinstance(share, int) and share >= 0
    if not is_count and not (isinstance(share, float) and 0 < share < 1):
        raise ValueError(f'min_kept={share!r} must be a whole number of weights, at least 0, or a '
                         'share in (0, 1) of each tensor')
    if not isinstance(settings.cost_exponent, (int, float)) or not settings.cost_exponent >= 0:
        raise ValueError(f'cost_exponent={settings.cost_exponent!r} must be a number, at least 0')
    order_seed = settings.seed if settings.order_seed is None else settings.order_seed
    given = dict(
        seed=(settings.seed, 0),
        order_seed=(order_seed, 0),
        max_keep_ckpts=(settings.max_keep_ckpts, 2),
    )
    for name, (value, least) in given.items():
        if not isinstance(value, int) or value < least:
            raise ValueError(f'{name}={value!r} must be a whole number, at least {least}')
    if not isinstance(settings.target_sparsity, (int, float)):
        raise ValueError(f'target_sparsity={settings.target_sparsity!r} must be a number in (0, 1)')


def _check_rewind(settings: SettingFields) -> None:
    if settings.rewind not in POLICIES:
        _check_moment('rewind', settings.rewind, ('init', *POLICIES))
    for name, value in (('optimizer', 'rewound'), ('lr_schedule', 'continue')):
        if getattr(settings, name) == value and settings.moment.is_start:
            raise ValueError(f'{name}={value!r} needs the state of a step k, but '
                             f'rewind={settings.rewind!r} has none. Set rewind to a number of '
                             'steps, epoch_K or P%')


def _check_moment(name: str, value: Any, names: tuple[str, ...] = ('init', )) -> None:
    if not Moment.is_one(value):
        raise ValueError(
            f'{name}={value!r}: allowed are {", ".join(names)}, a number of steps k, at least 0, '
            'epoch_K, or P% of the training, above 0 and at most 100')


def _check_controls(settings: SettingFields) -> None:
    unknown = [name for name in settings.controls if name not in CONTROLS]
    if unknown:
        raise ValueError(f'controls={unknown}: allowed are {", ".join(CONTROLS)}')
    last = len(settings.densities()) - 1
    if settings.controls and not last:
        raise ValueError(f'controls={settings.controls} belong to a ticket, but rounds=0 finds '
                         'none; raise rounds')
    wanted = settings.control_rounds
    if any(not isinstance(number, int) or not 0 < number <= last for number in wanted):
        raise ValueError(f'control_rounds={wanted}: allowed are rounds 1 to {last}')
    if settings.controls:
        _check_they_control(settings, max(wanted, default=last))


def _check_they_control(settings: SettingFields, last: int) -> None:
    """Raise ValueError for controls that would be the ticket or the dense net, or start dead."""
    same = [name for name in _same_as_ticket(settings) if name in settings.controls]
    if same:
        raise ValueError(
            f'controls={same} would be the ticket itself with rewind={settings.rewind!r} and '
            f'criterion={settings.criterion!r}; leave them out')
    if 'dense' in settings.controls and _dense_is_the_dense_net(settings):
        raise ValueError(
            "controls=['dense'] would be the dense net itself, step for step, with order_seed="
            f'{settings.order_seed!r} and seed={settings.seed!r}: give order_seed another number, '
            'or ask for dense_budget')
    dead = [name for name in ELSEWHERE if name in settings.controls]
    if dead and settings.rewind in ('lr', 'none') and last > 1:
        raise ValueError(
            f'controls={dead} after round 1 keep weights that an earlier round has set to zero, '
            f'which rewind={settings.rewind!r} starts from. Give control_rounds=1, or leave them '
            'out')


def _dense_is_the_dense_net(settings: SettingFields) -> bool:
    """Tell whether the control that prunes nothing would repeat the dense round."""
    if settings.ticket or settings.early_bird is not None:
        return False
    from_start = settings.rewind not in POLICIES and settings.moment.is_start
    goes_on = settings.lr_schedule == 'continue' and settings.optimizer == 'rewound'
    return settings.order_seed in (None, settings.seed) and (from_start or goes_on)


def _same_as_ticket(settings: SettingFields) -> tuple[str, ...]:
    """Return the controls that destroy nothing under these settings."""
    if settings.rewind == 'reinit':
        return _REDRAWN
    goes_on = settings.rewind in ('lr', 'none')
    ranked = 'magnitude' if goes_on else 'initial_magnitude'  # by what it starts from
    by_group = Pattern.parse(settings.allocation) is not None
    is_same = settings.criterion == ranked and not settings.ticket and not by_group
    return ('init_magnitude', ) if is_same else ()


def _check_shared(settings: SettingFields) -> None:
    for point in settings.capture:
        _check_moment('capture', point)
    for point in settings.capture_states:
        _check_moment('capture_states', point)
        if Moment.parse(point).is_start:
            raise ValueError(f'capture_states={point!r}: no optimizer state exists before the '
                             'first step. Give a number of steps, epoch_K or P%')
    if settings.dense_from is not None and settings.early_bird is not None:
        raise ValueError(
            f'dense_from={settings.dense_from!r}: early_bird={settings.early_bird!r} may end the '
            "dense round early, which then is this job's own. Leave out one of the two")


def _check_ticket(settings: SettingFields) -> None:
    if settings.ticket is None:
        return
    contradicts = (settings.rewind != 'init' or settings.early_bird is not None
                   or 'reverse' in settings.controls or len(settings.densities()) != 2)
    if contradicts:
        raise ValueError(f'ticket={settings.ticket!r} brings its masks and start weights and is '
                         'trained once: leave rewind, early_bird, rounds and the control '
                         '"reverse" out')


def _check_early_bird(settings: SettingFields) -> None:
    if settings.early_bird is None:
        return
    if len(settings.densities()) == 1:
        raise ValueError('early_bird watches the mask of a round to come, but rounds=0 has none; '
                         'raise rounds')
    known = [f.name for f in dataclasses.fields(EarlyBird)]
    unknown = sorted(set(settings.early_bird) - set(known))
    if unknown:
        raise ValueError(f'early_bird: unknown settings {unknown}; known are {known}')
    EarlyBird(**settings.early_bird)
