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
    first, *others = settings.control_rounds or (len(tickets) - 1, )
    controls = [_control(tickets[first], name) for name in settings.controls]
    for number in others:
        ticket = tickets[number]
        controls += [_control(ticket, name) for name in settings.controls if name != 'dense']
    return (*tickets, *controls)


def _tickets(settings: SettingFields) -> list[Training]:
    """List the dense net and the tickets, each the parent of the next."""
    watches = settings.early_bird is not None
    found = [_dense(settings)]
    for density in settings.densities()[1:]:
        if watches:  # the mask of this round, while the round before is trained
            found[-1] = replace(
                found[-1], early_bird=settings.early_bird, next_density=density)
        found.append(_pruned(settings, found[-1], density))
    return found


def _dense(settings: SettingFields) -> Training:
    captures = tuple(Moment.parse(point) for point in settings.capture)
    continues = settings.lr_schedule == 'continue'
    dense = Training(
        number=0,
        captures=captures,
        shared_from=settings.dense_from or '',
        keeps_state=continues or settings.optimizer == 'rewound',
        **_common(settings),
    )
    # Only what is watched depends on how weights are chosen.
    return replace(dense, **_selection(settings)) if settings.early_bird is not None else dense


def _pruned(settings: SettingFields, before: Training, density: float) -> Training:
    continued = ('rewound', settings.lr_schedule)
    start, schedule = POLICIES.get(str(settings.rewind), continued)
    found = Training(
        number=before.number + 1,
        parent=before,
        masks='pruned',
        start=start,
        density=density,
        optimizer=settings.optimizer,
        schedule=schedule,
        **_common(settings),
        **_selection(settings),
    )
    if settings.ticket:
        return replace(found, masks='given', start='given', ticket=settings.ticket)
    return found


def _control(ticket: Training, name: str) -> Training:
    masks, start = CONTROL_POLICIES[name]
    return replace(
        ticket,
        label=name,
        parent=ticket,
        masks=masks or 'of parent',
        start=start or 'of parent',
        density=1.0 if name == 'dense' else ticket.density,
        early_bird=None,
        next_density=None,
        ticket='',
    )


def _common(settings: SettingFields) -> dict[str, Any]:
    return dict(
        seed=settings.seed,
        moment=settings.moment,
        exact_resume=settings.resumes_exactly,
        keep=settings.keep,
        max_keep_ckpts=settings.max_keep_ckpts,
    )


def _selection(settings: SettingFields) -> dict[str, Any]:
    return dict(
        criterion=settings.criterion,
        allocation=settings.allocation,
        min_kept=settings.min_kept,
    )
