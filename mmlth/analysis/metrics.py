"""Names and numbers of an evaluator's metrics, and what it means that there are none."""

import math
from collections.abc import Iterable, Mapping, Sequence

# MMDet's evaluators return an empty dict for a detector that finds nothing.
NONE = 'none'
NOTHING = 'nothing detected'
NO_METRIC = 'the evaluator returned no metric; the detector found nothing'
_ABSENT = -1.0
UNKNOWN_METRIC = 'mAP'  # heads the column or axis where no training has a metric


def metric_names(several: Iterable[Mapping[str, float]]) -> list[str]:
    """Return the names in all these metric dicts, in the evaluator's order."""
    return list(dict.fromkeys(name for metrics in several for name in metrics))


def without_absent(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return metrics with NaN for COCO's -1, which says that there is no such object.

    >>> without_absent({'coco/bbox_mAP': 0.5, 'coco/bbox_mAP_l': -1.0})
    {'coco/bbox_mAP': 0.5, 'coco/bbox_mAP_l': nan}
    """
    return {name: math.nan if value == _ABSENT else value for name, value in metrics.items()}


def choose_main(names: Sequence[str]) -> list[str]:
    """Return the metrics that stand for a training, one a task: those that end in 'mAP'.

    Falls back to the first one, say a classifier's accuracy.

    >>> choose_main(['coco/bbox_mAP', 'coco/bbox_mAP_50', 'coco/segm_mAP'])
    ['coco/bbox_mAP', 'coco/segm_mAP']
    >>> choose_main(['accuracy/top1', 'accuracy/top5'])
    ['accuracy/top1']
    """
    return [name for name in names if name.endswith('mAP')] or list(names[:1])


def short_name(metric: str) -> str:
    """Return a metric's name without its evaluator's prefix.

    >>> short_name('coco/bbox_mAP')
    'bbox_mAP'
    """
    return metric.rpartition('/')[2]


def format_metric(value: float, sign: str = '') -> str:
    """Return three digits, or '-' for NaN; '+' as ``sign`` shows the plus."""
    return '-' if math.isnan(value) else f'{value:{sign}.3f}'


def format_share(share: float) -> str:
    """Return a share as per cent.

    >>> format_share(0.8)
    '80.00%'
    """
    return f'{100 * share:.2f}%'


def csv_number(value: float) -> float | str:
    """Return a number as a cell of CSV, which is empty for NaN."""
    return '' if math.isnan(value) else value


def format_none(lost: int, n: int) -> str:
    """Return what stands in place of a mean over n seeds of which some detected nothing.

    >>> format_none(1, 1), format_none(1, 3)
    ('none', 'none in 1 of 3')
    """
    return NONE if lost == n else f'{NONE} in {lost} of {n}'
