"""Turn a ticket into a plain checkpoint."""
from pathlib import Path

import torch

from mmlth.core.files import atomic_path
from mmlth.core.masks import apply, check_zeros, kept, size
from mmlth.core.ticket import load_rewind_weights, load_ticket
from mmlth.engine.checkpoints import latest_checkpoint, load_checkpoint, load_state

EXPORTS = ('trained', 'initial')


def export_ticket(ticket: str | Path, output: str | Path, *, weights: str = 'trained',
                  checkpoint: str | Path | None = None, overwrite: bool = False) -> int:
    """Write a plain ``.pth`` with the ticket's weights; return the number of pruned weights.

    Args:
        ticket: Ticket file.
        output: File to write, atomically.
        weights: 'trained' takes the checkpoint of the round, 'initial' m * w_k.
        checkpoint: Trained checkpoint; None takes the newest whole one beside the ticket.
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
    content: dict = dict(meta={})
    if weights == 'initial':
        content['state_dict'] = apply(loaded.masks, load_rewind_weights(loaded, ticket))
    else:
        path = checkpoint or latest_checkpoint(Path(ticket).parent)
        if path is None:
            raise FileNotFoundError(f'no trained checkpoint lies beside {ticket}; name one with '
                                    '--checkpoint')
        content['state_dict'] = load_state(path)
        meta = load_checkpoint(path).get('meta', {})
        content['meta'] = {k: meta[k] for k in ('dataset_meta', 'cfg') if k in meta}
        check_zeros(loaded.masks, content['state_dict'], str(path))
    with atomic_path(output) as temporary:
        torch.save(content, temporary)
    return size(loaded.masks) - kept(loaded.masks)
