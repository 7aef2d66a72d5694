"""Evaluate one batch before training: a wrong evaluator costs seconds, not the dense training.

A metric compares what was detected with all of its annotation file, and some insist on all of its
images. So it gets a copy of the file that holds the images of the batch alone.
"""
import contextlib
import copy
import io
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.logging import MMLogger, print_log
from mmengine.registry import DATASETS, EVALUATOR, FUNCTIONS

from mmlth.core.files import read_json, write_json
from mmlth.core.positions import PositionCounter, positions_of
from mmlth.core.quiet import quiet
from mmlth.engine.config_parts import metrics_of
from mmlth.engine.net import Net

_MOST_IMAGES = 2
_OUTPUTS = ('outfile_prefix', 'out_file_path', 'output_dir')  # what a metric writes to


class _Named(contextlib.AbstractContextManager[None]):
    """Say of any error in which part of the evaluation it came."""

    def __init__(self, part: str) -> None:
        self.part = part

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception):
            raise RuntimeError(
                f'rehearsal of the evaluation: {self.part} fails on the first batch '
                f'({type(error).__name__}: {error}). It would fail after the dense training; '
                'mend the config') from error


def evaluate_first_batch(net: Net, cfg: Config) -> dict[str, float]:
    """Detect in the first images of the validation set and evaluate that, on this rank alone.

    Nothing is written but in a temporary folder; no sampler and no worker is started.

    Args:
        net: With its initial weights; in training mode again afterwards.
        cfg: With ``val_dataloader`` and ``val_evaluator``.

    Returns:
        As :func:`count_positions`.

    Raises:
        RuntimeError: Data set, model or evaluator fails; says which, and how.
    """
    loader = cfg.val_dataloader
    if 'dataset' not in loader:
        return {}
    with tempfile.TemporaryDirectory(prefix='mmlth_') as folder, _silence():
        with _Named('val_dataloader.dataset'):
            dataset = DATASETS.build(copy.deepcopy(loader.dataset))
            batch = _first(dataset, loader)
        with _Named('the model'), PositionCounter(net.model) as counter:
            found = _predict(net, batch)
        positions = _positions(counter, net)
        ids = _image_ids(found)
        wanted, is_whole = _of_the_batch(cfg.val_evaluator, ids, Path(folder))
        with _Named('val_evaluator'):
            evaluator = _build(wanted)
            evaluator.dataset_meta = getattr(dataset, 'metainfo', None)
            evaluator.process(data_samples=found, data_batch=batch)
        try:
            with _Named('val_evaluator'):
                _compute(evaluator)
        except RuntimeError as error:
            if is_whole:
                raise
            complaint = str(error)
        else:
            return positions
    hope = 'Or it only wants all the images, which it has then'
    print_log(f'{complaint}. {hope}', level=logging.WARNING)
    return positions


def count_positions(net: Net, cfg: Config) -> dict[str, float]:
    """Return how often each weight is used for one of the first images of the validation set.

    Args:
        net: With its initial weights; in training mode again afterwards.
        cfg: With ``val_dataloader``.

    Returns:
        name -> positions (:func:`mmlth.core.positions.positions_of`) of every tensor that could be
        pruned; {} where the data, or a package that reads them, aren't there.

    Raises:
        RuntimeError: The model fails.
    """
    loader = cfg.get('val_dataloader') or {}
    if 'dataset' not in loader:
        return {}
    with _silence():
        try:
            batch = _first(DATASETS.build(copy.deepcopy(loader['dataset'])), loader)
        except (FileNotFoundError, ImportError):  # of data, or of a package that reads them
            return {}
        with _Named('the model'), PositionCounter(net.model) as counter:
            _predict(net, batch)
    return _positions(counter, net)


def _positions(counter: PositionCounter, net: Net) -> dict[str, float]:
    return positions_of(counter.mean(), net.shared, [weight.name for weight in net.weights])


def _silence() -> contextlib.ExitStack:
    """Keep back what metrics print and log of a batch that nobody asked for."""
    stack = contextlib.ExitStack()
    stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
    stack.enter_context(quiet(MMLogger.get_current_instance(), logging.CRITICAL))
    return stack


def _first(dataset: Any, loader: Any) -> Any:
    count = min(len(dataset), loader.get('batch_size', 1), _MOST_IMAGES)
    if not count:
        raise ValueError('it holds no image; are they all filtered out, or of other classes?')
    collate = (loader.get('collate_fn') or {}).get('type', pseudo_collate)
    if isinstance(collate, str):
        collate = FUNCTIONS.get(collate)
    keywords = {k: v for k, v in (loader.get('collate_fn') or {}).items() if k != 'type'}
    return collate([dataset[i] for i in range(count)], **keywords)


def _predict(net: Net, batch: Any) -> Sequence[Any]:
    model: Any = net.model
    model.to(get_device())
    model.eval()
    try:
        with torch.no_grad():
            found: Sequence[Any] = model.val_step(batch)
            return found
    finally:
        model.to('cpu')
        model.train()


def _image_ids(found: Sequence[Any]) -> set[Any]:
    return {each.get('img_id') for each in found if hasattr(each, 'get')}


def _of_the_batch(evaluator: Any, ids: set[Any], folder: Path) -> tuple[Any, bool]:
    """Return an evaluator's config for some images, and whether it compares with no others."""
    changed = copy.deepcopy(evaluator)
    is_whole = True
    for number, (_, metric) in enumerate(metrics_of(changed, 'val_evaluator')):
        for key in _OUTPUTS:
            if metric.get(key):
                suffix = Path(metric[key]).suffix
                metric[key] = str(folder / f'{number}_{key}{suffix}')
        if metric.get('ann_file'):
            part = _reduced(metric, ids)
            is_whole = is_whole and bool(part)
            if part:
                metric.ann_file = str(folder / f'{number}.json')
                write_json(Path(metric.ann_file), part)
    return changed, is_whole


def _reduced(metric: Any, ids: set[Any]) -> dict[str, Any]:
    """Return the annotations of some images; {} if the file is none of COCO's kind.

    Raises:
        RuntimeError: It holds none of them.
    """
    path = Path(metric.ann_file)
    if path.suffix != '.json' or not path.exists():
        return {}
    content = read_json(path)
    if not isinstance(content, dict) or 'images' not in content:
        return {}
    images = [image for image in content['images'] if image.get('id') in ids]
    if not images:
        raise RuntimeError(
            f'rehearsal of the evaluation: val_evaluator.ann_file = {str(path)!r} holds none of '
            f'the first images of val_dataloader.dataset (ids {sorted(ids, key=str)}). Let both '
            'name the same annotations')
    annotations = [each for each in content.get('annotations', []) if each.get('image_id') in ids]
    return {**content, 'images': images, 'annotations': annotations}


def _build(evaluator: Any) -> Evaluator:
    """Build an evaluator as MMEngine's runner does."""
    if isinstance(evaluator, dict) and 'metrics' in evaluator:
        built: Evaluator = EVALUATOR.build({'type': 'Evaluator', **evaluator})
        return built
    return Evaluator(evaluator)


def _compute(evaluator: Evaluator) -> None:
    """Compute metrics without asking other ranks, as far as they are computed as usual."""
    if type(evaluator).evaluate is not Evaluator.evaluate:
        return
    for metric in evaluator.metrics:
        if type(metric).evaluate is BaseMetric.evaluate:
            metric.compute_metrics(metric.results)
