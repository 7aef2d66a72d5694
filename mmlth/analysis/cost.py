"""What a ticket costs: bytes in each format, and the multiply-adds of its kept weights."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mmlth.analysis.measurements import Measurement
from mmlth.analysis.trainings import Analysed
from mmlth.core.dump import has_dump, read_facts
from mmlth.core.layout import TICKET
from mmlth.core.mask_coding import pack
from mmlth.core.masks import Masks, count_kept
from mmlth.core.ticket import Ticket, load_ticket

VALUE, HALF, INDEX = 4, 2, 4  # bytes of a float32, a float16, an int32
UNPRUNED = 'not pruned'
ALL = 'all'
_MILLION = 1e6


def storage_bytes(masks: Masks, others: int) -> dict[str, int]:
    """Return format -> bytes of all parameters.

    Kept weights are float32, indices int32; a tensor is a matrix of its first dimension by the
    rest; what isn't pruned is stored as it is.

    Args:
        masks: name -> bool tensor, True = kept.
        others: Parameters without a mask.

    >>> import torch
    >>> sizes = storage_bytes({'w': torch.tensor([[True, False], [False, False]])}, 10)
    >>> sizes['float32'], sizes['index + value'], sizes['CSR'], sizes['bitmask + values']
    (56, 48, 60, 45)
    """
    kept = sum(count_kept(mask) for mask in masks.values())
    size = sum(mask.numel() for mask in masks.values())
    rows = sum(mask.shape[0] + 1 for mask in masks.values())
    rest = VALUE * others
    return {
        'float32': VALUE * (size + others),
        'float16': HALF * (size + others),
        'ticket + values': sum(len(pack(mask)) for mask in masks.values()) + VALUE * kept + rest,
        'bitmask + values': sum(-(-mask.numel() // 8) for mask in masks.values()) + VALUE * kept
        + rest,
        'index + value': (INDEX + VALUE) * kept + rest,
        'CSR': (INDEX + VALUE) * kept + INDEX * rows + rest,
        'COO (row, column)': (2 * INDEX + VALUE) * kept + rest,
    }


def multiply_adds(
    ticket: Ticket, positions: Mapping[str, Sequence[float]],
) -> dict[str, float]:
    """Return group -> multiply-adds an image that touch a kept weight, and their sum as 'all'.

    Args:
        ticket: Its masks and groups.
        positions: Tensor -> [positions an image, weights], as a dump tells them.
    """
    found: dict[str, float] = {}
    for name, (count, weights) in positions.items():
        owner = ticket.shared.get(name, name)
        mask = ticket.masks.get(owner)
        group = UNPRUNED if mask is None else ticket.groups.get(owner, owner)
        used = count * (weights if mask is None else count_kept(mask))
        found[group] = found.get(group, 0.0) + used
    return {**found, ALL: sum(found.values())}


def measure_cost(trainings: Iterable[Analysed]) -> list[Measurement]:
    """Return bytes, their share of the dense net in float32, and millions of multiply-adds.

    Multiply-adds are those of trainings whose predictions were dumped.
    """
    return [one for training in trainings for one in _of_training(training)]


def _of_training(training: Analysed) -> Iterator[Measurement]:
    def measurement(question: str, item: str, value: float, shows: str = 'none') -> Measurement:
        return Measurement(question=question, job=str(training.job), training=training.label,
                           task='one net', item=item, value=value, shows=shows)

    ticket = load_ticket(training.folder / TICKET)
    record = training.record
    sizes = storage_bytes(ticket.masks, record['parameters'] - record['scope_size'])
    for name, size in sizes.items():
        yield measurement('bytes', name, size)
    for name, size in sizes.items():
        yield measurement('bytes (% of float32)', name, 100 * size / sizes['float32'])
    if has_dump(training.folder):
        positions = read_facts(training.folder)['positions']
        for group, count in multiply_adds(ticket, positions).items():
            yield measurement('multiply-adds (M an image)', group, count / _MILLION, 'percent')


UNITS = {'bytes (% of float32)': '% of the dense net in float32',
         'multiply-adds (M an image)': 'multiply-adds (million an image)'}
