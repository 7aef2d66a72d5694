"""List the trainings of a job: the one place that turns settings into them."""
from dataclasses import replace
from typing import Any

from mmlth.core.moment import Moment
from mmlth.core.training import Training
from mmlth.engine.setting_fields import SettingFields

# Rewind policies other than a moment -> (start, schedule) of the trainings after the dense one.
POLICIES = dict(
    lr=('trained', 'restart'),  # learning-rate rewinding (Renda et al., ICLR 2020)
    none=('trained', 'last rate'),  # fine-tuning
    reinit=('reinit', 'restart'))  # a control of the start weights
# Control -> (masks, start); None is what the ticket has.
CONTROL_POLICIES: dict[str, tuple[str | None, str | None]] = dict(
    random=('random', None),
    shuffle=('shuffle', None),
    reinit=(None, 'reinit'),
    dense=('dense', None),
    reverse=('reverse', None))


def list_trainings(settings: SettingFields) -> tuple[Training, ...]:
    """List the dense net, the tickets by round, then the controls, each after its parent.

    A dense control is the same for every round and trained once, for the first that asks for one.
    """
    tickets = _tickets(settings)
    wanted = settings.control_rounds or (len(tickets) - 1, )
    controls = [_control(tickets[number], name) for number in wanted for name in settings.controls
                if name != 'dense' or number == wanted[0]]
    return (*tickets, *controls)


def _tickets(settings: SettingFields) -> list[Training]:
    densities = settings.densities()
    common: dict[str, Any] = dict(
        seed=settings.seed, moment=settings.moment, exact_resume=settings.resumes_exactly,
        keep=settings.keep, max_keep_ckpts=settings.max_keep_ckpts)
    selection: dict[str, Any] = dict(
        criterion=settings.criterion, allocation=settings.allocation, min_kept=settings.min_kept)
    watched = settings.early_bird is not None
    tickets = [Training(
        number=0, captures=tuple(map(Moment.parse, settings.capture)),
        shared_from=settings.dense_from or '', keeps_state=_needs_state(settings),
        early_bird=settings.early_bird, next_density=_after(densities, 0, settings),
        **common, **(selection if watched else {}))]
    for number in range(1, len(densities)):
        found = Training(number=number, parent=tickets[-1], density=densities[number],
                         next_density=_after(densities, number, settings), **common, **selection)
        tickets.append(_with_policy(found, settings))
    return tickets


def _with_policy(training: Training, settings: SettingFields) -> Training:
    start, schedule = POLICIES.get(str(settings.rewind), ('rewound', settings.lr_schedule))
    watched = settings.early_bird if training.next_density is not None else None
    found = replace(training, masks='pruned', start=start, schedule=schedule,
                    optimizer=settings.optimizer, early_bird=watched)
    if settings.ticket:
        return replace(found, masks='given', start='given', ticket=settings.ticket)
    return found


def _control(ticket: Training, name: str) -> Training:
    masks, start = CONTROL_POLICIES[name]
    return replace(ticket, label=name, parent=ticket, masks=masks or 'of parent',
                   start=start or 'of parent', density=1.0 if name == 'dense' else ticket.density,
                   early_bird=None, next_density=None, ticket='')


def _needs_state(settings: SettingFields) -> bool:
    return settings.optimizer == 'rewound' or settings.lr_schedule == 'continue'


def _after(densities: tuple[float, ...], number: int, settings: SettingFields) -> float | None:
    """Return the density of the next round where it is watched while this one is trained."""
    watched = settings.early_bird is not None and number + 1 < len(densities)
    return densities[number + 1] if watched else None
