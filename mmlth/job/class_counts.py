"""Compare what the heads of a config and its data set take for the number of classes."""
from collections import Counter
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmlth.job.annotations import classes_of
from mmlth.job.checks import leaf_datasets

# Heads that count other things than the data set's classes: MMDet's own check passes them over.
_OTHERS = ('RPN', 'Semantic', 'Fusion', 'Panoptic', 'ReID', 'Embed', 'GroundingDINO')


def check_classes(cfg: Config) -> None:
    """Raise ValueError where a head has another number of classes than the training data set.

    A head is a part of the model's config with ``num_classes``; RPN heads have one class of their
    own, and parts that say ``num_classes`` of something else are told by their names.
    """
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    leaves = list(leaf_datasets(cfg.train_dataloader.dataset, ''))
    counts = Counter(len(classes_of(each)) for _, each in leaves)
    things_apart = any('Panoptic' in str(each.get('type')) for _, each in leaves)
    if things_apart or len(counts) != 1 or 0 in counts:
        return
    (count,) = counts
    wrong = {key: given for key, given in _class_counts(cfg.model, 'model') if given != count}
    if wrong:
        classes = classes_of(leaves[0][1])
        options = ' '.join(f'{key}={count}' for key in wrong)
        raise ValueError(
            f'the training data set has {count} classes ({", ".join(classes[:3])}, ...), but '
            f'{", ".join(f"{key} = {given}" for key, given in wrong.items())}. Correct the heads '
            f'(--cfg-options {options}) or the metainfo of the data sets')


def _class_counts(part: Any, key: str) -> Iterator[tuple[str, int]]:
    if isinstance(part, dict):
        given = part.get('num_classes')
        name = str(part.get('type', ''))
        is_head = name.endswith(('Head', 'Heads')) and not any(word in name for word in _OTHERS)
        if isinstance(given, int) and is_head and not key.endswith('rpn_head'):
            yield f'{key}.num_classes', given
        for inner, value in part.items():
            yield from _class_counts(value, f'{key}.{inner}')
    elif isinstance(part, (list, tuple)):
        for i, value in enumerate(part):
            yield from _class_counts(value, f'{key}.{i}')
