"""A trained ticket as it lies on disk: weights, masks, what its record tells."""
from dataclasses import dataclass
from pathlib import Path

from mmlth.core.checkpoints import load_state
from mmlth.core.masks import Masks, Weights, check_zeros, kept, size
from mmlth.core.records import load_round
from mmlth.core.store import find_ticket, store_of
from mmlth.core.ticket import load_ticket, weights_step
from mmlth.trained.export import trained_checkpoint


@dataclass(frozen=True, kw_only=True)
class TrainedNet:
    """What a training ended with.

    Attributes:
        ticket: File of the ticket that was trained.
        state: Whole state of its checkpoint.
        masks: Of the ticket, each tensor of the scope once.
        start: Digest of what it started from, before masking.
        k: Of :func:`step_of`.
        metrics: What its record tells, or None without one.
        dense: The same of the dense net of its job.
    """

    ticket: Path
    state: Weights
    masks: Masks
    start: str
    k: int | None
    metrics: dict[str, float] | None
    dense: dict[str, float] | None

    @property
    def sparsity(self) -> float:
        """Pruned weights / weights of the scope."""
        return 1 - kept(self.masks) / size(self.masks)


def read_trained(given: str | Path) -> TrainedNet:
    """Read a trained ticket.

    Args:
        given: A ticket file, the folder of its round, or the work directory of a job.

    Raises:
        FileNotFoundError: There is no ticket or no checkpoint of its training.
        ValueError: They are damaged or don't belong together.
    """
    path = find_ticket(given)
    ticket = load_ticket(path)
    checkpoint = trained_checkpoint(ticket, path)
    state = load_state(checkpoint)
    check_zeros(ticket.all_masks, state, str(checkpoint))
    job = store_of(path)
    return TrainedNet(
        ticket=path, state=state, masks=ticket.masks, start=ticket.rewind_digest,
        k=step_of(path),
        metrics=_metrics(path.with_name('record.json')),
        dense=_metrics(job.layout.record(0)) if job else None)


def step_of(ticket: str | Path) -> int | None:
    """Return k, the steps after which a ticket's start was captured.

    None where it starts from other weights than those that its job rewinds to, or they are missing.
    """
    job = store_of(ticket)
    start = Path(ticket).parent / load_ticket(ticket).rewind_file
    is_w_k = job is not None and start.resolve() == job.layout.rewind.resolve()
    return weights_step(start) if is_w_k and start.exists() else None


def _metrics(record: Path) -> dict[str, float] | None:
    return load_round(record).metrics if record.exists() else None
