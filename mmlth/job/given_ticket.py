"""Check a ticket that was given to a job, in place of one that it finds."""
from collections.abc import Mapping

from torch import Tensor

from mmlth.core.masks import Masks, Weights, density as density_of, size
from mmlth.core.ticket import Ticket, check_weights, load_rewind_weights, load_ticket
from mmlth.settings.checks import ELSEWHERE
from mmlth.settings.imp_config import IMPConfig


def check_ticket(
    settings: IMPConfig, shapes: Mapping[str, tuple[int, ...]], state: Mapping[str, Tensor],
) -> Masks:
    """Return the masks of the given ticket, which must be of the model's scope.

    Args:
        settings: With a ``ticket``.
        shapes: name -> shape of the tensors in the scope.
        state: Of the whole model, which the weights that the ticket starts from must fit.

    Raises:
        FileNotFoundError, TicketError: It or its start can't be read, or doesn't fit the model.
        ValueError: Other tensors, shapes or sparsity than the job plans; names them.
    """
    ticket = load_ticket(str(settings.ticket))
    masks = ticket.masks
    found = {name: tuple(mask.shape) for name, mask in masks.items()}
    missing = [name for name in shapes if name not in found]
    surplus = [name for name in found if name not in shapes]
    wrong = [name for name in shapes if found.get(name, shapes[name]) != shapes[name]]
    if missing or surplus or wrong:
        raise ValueError(
            f'ticket={settings.ticket!r} does not fit the scope of the config: missing '
            f'{missing[:3]} ({len(missing)}), surplus {surplus[:3]} ({len(surplus)}), of another '
            f'shape {wrong[:3]} ({len(wrong)}). Carry it over with mmlth transfer, with '
            'the same scope')
    planned = settings.densities()[-1]
    kept = density_of(masks)
    if abs(planned - kept) > 0.5 / size(masks):
        raise ValueError(f'ticket={settings.ticket!r} has sparsity {1 - kept:.4f}, but '
                         f'schedule={settings.schedule!r}; leave schedule out')
    start = load_rewind_weights(ticket, str(settings.ticket))
    check_weights(start, state, f'the start of ticket={settings.ticket!r}')
    _check_controls(ticket, start, settings)
    return masks


def _check_controls(ticket: Ticket, start: Weights, settings: IMPConfig) -> None:
    """Raise ValueError for controls that keep what starts at zero: they lose more than places.

    A ticket that was carried with its trained values starts from zeros wherever it prunes.
    """
    dead = [name for name in (*ELSEWHERE, 'init_magnitude') if name in settings.controls]
    if not dead:
        return
    if not any(start[name][~mask].any() for name, mask in ticket.masks.items()):
        raise ValueError(
            f'controls={dead} keep weights that ticket={settings.ticket!r} starts at zero, as one '
            'with trained values does wherever it prunes. Carry it with --values initial, or ask '
            'for reinit in their place')
