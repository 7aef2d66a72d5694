"""Turn a ticket into a plain checkpoint."""
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmlth.core.checkpoints import latest_checkpoint, load_checkpoint, load_state, save_checkpoint
from mmlth.core.choices import EXPORTS
from mmlth.core.config_text import read_config_text
from mmlth.core.masks import check_zeros, kept, size
from mmlth.core.store import store_of
from mmlth.core.ticket import Ticket, load_rewind_weights, load_ticket
from mmlth.core.training import Training
from mmlth.engine.round_config import plain_config


def export_ticket(
    ticket: str | Path, output: str | Path, *, weights: str = 'trained',
    checkpoint: str | Path | None = None, overwrite: bool = False,
) -> int:
    """Write a plain ``.pth`` with the ticket's weights; return the number of pruned weights.

    Args:
        ticket: Ticket file.
        output: File to write, atomically.
        weights: 'trained' takes the checkpoint of the round, 'initial' m * w_k.
        checkpoint: Trained checkpoint; None finds it (:func:`trained_checkpoint`).
        overwrite: Replace ``output`` if it exists.

    Raises:
        FileNotFoundError: Ticket, checkpoint or w_k is missing.
        FileExistsError: ``output`` exists and ``overwrite`` is False.
        ValueError: Unknown ``weights``, or the checkpoint wasn't trained with this ticket (other
            tensors, or pruned weights that aren't zero).
    """
    if weights not in EXPORTS:
        raise ValueError(f'weights={weights!r}: allowed are {", ".join(EXPORTS)}')
    if Path(output).exists() and not overwrite:
        raise FileExistsError(f'{output} exists already; give another name or --overwrite')
    if not Path(output).absolute().parent.is_dir():
        raise FileNotFoundError(f'the folder of {output} does not exist')
    loaded = load_ticket(ticket)
    if weights == 'initial':
        content = _initial(loaded, ticket)
    else:
        content = _trained(loaded, trained_checkpoint(loaded, ticket, checkpoint))
    save_checkpoint(content, output)
    return size(loaded.masks) - kept(loaded.masks)


def trained_checkpoint(
    ticket: Ticket, path: str | Path, checkpoint: str | Path | None = None,
) -> Path:
    """Return the checkpoint that the training of a ticket ended with.

    Args:
        ticket: Whose training.
        path: File of the ticket.
        checkpoint: To take instead; None takes the one that the ticket's job recorded or, of a
            ticket outside a job, the newest whole one beside it.

    Raises:
        FileNotFoundError: None is given and none lies there, or the training hasn't ended.
        ValueError: It holds other weights than the training ended with.
    """
    if checkpoint is not None:
        return Path(checkpoint)
    found = _of_job(ticket, path) or latest_checkpoint(Path(path).parent)
    if found is None:
        raise FileNotFoundError(f'no trained checkpoint lies beside {path}; name one with '
                                '--checkpoint')
    return found


def _of_job(ticket: Ticket, path: str | Path) -> Path | None:
    """Return what the job that a ticket lies in ended its training with, or None."""
    store, number = store_of(path), ticket.provenance.get('round')
    if store is None or number is None:
        return None
    training = Training(number=number, label=ticket.provenance.get('control', ''))
    if Path(path).absolute() != store.layout.ticket(*training.key):  # a copy, put elsewhere
        return None
    if not store.finished(training):
        raise FileNotFoundError(
            f'{training.name} of {store.work_dir} has not ended (no record.json). Give the command '
            'of its job again, or name a checkpoint with --checkpoint')
    try:
        found = store.checkpoint(training)
    except FileNotFoundError:  # the caller knows what to do about it
        return None
    store.trained(training)  # raises if they are other weights
    return found


def _initial(ticket: Ticket, path: str | Path) -> dict[str, Any]:
    return dict(meta={}, state_dict=ticket.start(load_rewind_weights(ticket, path)))


def _trained(ticket: Ticket, path: Path) -> dict[str, Any]:
    state = load_state(path)
    check_zeros(ticket.all_masks, state, str(path))
    return dict(meta=_meta(load_checkpoint(path).get('meta', {})), state_dict=state)


def _meta(found: dict[str, Any]) -> dict[str, Any]:
    """Return what MMDet's inference reads, as if mmlth had never been there."""
    meta = {'dataset_meta': found['dataset_meta']} if 'dataset_meta' in found else {}
    try:
        cfg = plain_config(read_config_text(found.get('cfg', '')))
    except ValueError:  # inference then needs the config's file
        return meta
    return {**meta, 'cfg': Config(cfg).pretty_text} if cfg else meta
