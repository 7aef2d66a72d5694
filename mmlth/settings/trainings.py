"""List the trainings of a job: the one place that turns settings into them."""
from dataclasses import replace
from typing import Any

from mmlth.core.moment import Moment
from mmlth.core.training import Training
from mmlth.settings.fields import SettingFields

# Rewind policies other than a moment -> (start, schedule) of the trainings after the dense one.
POLICIES = dict(
    lr=('trained', 'restart'),  # learning-rate rewinding (Renda et al., ICLR 2020)
    none=('trained', 'last rate'),  # fine-tuning
    reinit=('reinit', 'restart'))  # a control of the start weights
# Control -> (masks, start); None is what the ticket has.
CONTROL_POLICIES: dict[str, tuple[str | None, str | None]] = dict(
    random=('random', None),
    shuffle=('shuffle', None),
    shuffle_rms=('shuffle', 'rms of parent'),
    init_magnitude=('largest at start', None),
    reinit=(None, 'reinit'),
    reinit_rms=(None, 'reinit, rms of parent'),
    signs=(None, 'signs kept'),
    magnitudes=(None, 'magnitudes kept'),
    dense=('dense', None),
    dense_budget=('dense', 'rewound'),
    dense_restart=('dense', 'dense net'),
    reverse=('reverse', None))
_DENSE = ('dense', 'dense_budget', 'dense_restart')  # of which nothing is pruned
_LONGER = ('dense_budget', 'dense_restart')  # of a budget of their own, from the start
_SCOPE = ('scope', 'include', 'exclude', 'frozen')


def list_trainings(settings: SettingFields) -> tuple[Training, ...]:
    """List the dense net, the tickets by round, then the controls, each after its parent.

    Dense controls that are the same for every round are trained once, for the first that asks.
    """
    tickets = _tickets(settings)
    first, *others = settings.control_rounds or (len(tickets) - 1, )
    controls = [_control(tickets[first], name) for name in settings.controls]
    for number in others:
        ticket = tickets[number]
        controls += [_control(ticket, name) for name in settings.controls
                     if name == 'dense_budget' or not _is_ticketless(ticket, name)]
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
    goes_back = settings.lr_schedule == 'continue' or settings.optimizer == 'rewound'
    asked = tuple(map(Moment.parse, settings.capture_states))
    own = (settings.moment, ) if goes_back else ()
    dense = Training(
        number=0,
        captures=tuple(dict.fromkeys((*map(Moment.parse, settings.capture), *asked))),
        states=tuple(dict.fromkeys((*own, *asked))),
        shared_from=settings.dense_from or '',
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
        order_seed=settings.order_seed,
        density=density,
        optimizer=settings.optimizer,
        schedule=schedule,
        **_common(settings),
        **_selection(settings),
    )
    if settings.ticket:
        return replace(found, masks='given', start='given', ticket=settings.ticket)
    return found


def _is_ticketless(ticket: Training, name: str) -> bool:
    """Tell whether neither mask nor start of a control come from the ticket."""
    return name in _LONGER or (name == 'dense' and ticket.start == 'rewound')


def _control(ticket: Training, name: str) -> Training:
    masks, start = CONTROL_POLICIES[name]
    if name == 'dense' and _is_ticketless(ticket, name):
        start = 'rewound'
    return replace(
        ticket,
        **(_selection(SettingFields()) if _is_ticketless(ticket, name) else {}),
        label=name,
        parent=ticket,
        masks=masks or 'of parent',
        start=start or 'of parent',
        density=1.0 if name in _DENSE else ticket.density,
        stretch=ticket.number + 1 if name == 'dense_budget' else 1,
        optimizer='fresh' if name in _LONGER else ticket.optimizer,
        schedule='restart' if name in _LONGER else ticket.schedule,
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
    """Return what decides which weights are kept, apart from their number."""
    default = SettingFields()
    scope = [(name, getattr(settings, name)) for name in _SCOPE
             if getattr(settings, name) != getattr(default, name)]
    return dict(
        scope=tuple(scope),
        criterion=settings.criterion,
        cost_exponent=settings.cost_exponent,
        allocation=settings.allocation,
        min_kept=settings.min_kept,
    )
