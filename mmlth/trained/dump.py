"""Keep the predictions that an evaluation makes, in COCO's form, beside the ticket."""
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmlth.core.dump import PREFIX, result_name, write_facts
from mmlth.engine.config_parts import metrics_of, type_name

TASKS = ('bbox', 'segm', 'keypoints')
_METRICS = ('CocoMetric', 'CocoKeypointMetric')


def ask_for_results(cfg: Config, folder: Path) -> None:
    """Have the test evaluators write their results into a folder, by the names of a dump.

    Raises:
        ValueError: None of them writes results, or none has an annotation file; says which do.
    """
    check_evaluator(cfg)
    for evaluator in _writing(cfg):
        evaluator['outfile_prefix'] = str(folder / PREFIX)


def check_evaluator(cfg: Config) -> None:
    """Raise ValueError if no test evaluator writes its results; says which do."""
    if not _writing(cfg):
        kinds = [type_name(metric) for _, metric in metrics_of(cfg.test_evaluator, '')]
        raise ValueError(f'{", ".join(kinds)} writes no predictions in COCO\'s form. Use '
                         f'a config whose test evaluator is {" or ".join(_METRICS)}, with ann_file')


def keep_results(
    cfg: Config, source: Path, target: Path, *, metainfo: dict[str, Any], train_annotations: str,
    positions: dict[str, list[float]],
) -> None:
    """Move the results of a test beside its ticket, and say there what they are of.

    Args:
        cfg: Whose evaluators :func:`ask_for_results` asked.
        source: Folder that the results were written to; on the disk of ``target``.
        target: Folder of the ticket.
        metainfo: Of the data set that was tested.
        train_annotations: COCO file of the training data, or ''.
        positions: Of the weights (:class:`mmlth.core.positions.PositionCounter`).
    """
    names = {task: result_name(task) for task in TASKS if (source / result_name(task)).exists()}
    for name in names.values():
        (source / name).replace(target / name)
    with_keypoints = 'keypoints' in names
    write_facts(
        target,
        annotations=str(Path(_writing(cfg)[0]['ann_file']).absolute()),
        train_annotations=train_annotations,
        images=_image_folder(cfg),
        classes=list(metainfo['classes']),
        files=names,
        sigmas=list(map(float, metainfo.get('sigmas', ()))) if with_keypoints else [],
        mirrored=[list(pair) for pair in metainfo.get('flip_pairs', ())] if with_keypoints else [],
        positions=positions)


def train_annotations(cfg: Config) -> str:
    """Return the COCO file of a config's training data, '' unless it is a single one."""
    dataset = _dataset(cfg, 'train_dataloader')
    name = dataset.get('ann_file') or ''
    path = Path(dataset.get('data_root') or '', name).absolute()
    return str(path) if name.endswith('.json') else ''


def _image_folder(cfg: Config) -> str:
    """Return where the images that are tested lie."""
    dataset = _dataset(cfg, 'test_dataloader')
    prefix = (dataset.get('data_prefix') or {}).get('img', '')
    return str(Path(dataset.get('data_root') or '', prefix).absolute())


def _dataset(cfg: Config, loader: str) -> dict[str, Any]:
    dataset: dict[str, Any] = (cfg.get(loader) or {}).get('dataset') or {}
    while 'dataset' in dataset:  # repeated, class-balanced
        dataset = dataset['dataset']
    return dataset


def _writing(cfg: Config) -> list[dict[str, Any]]:
    return [metric for _, metric in metrics_of(cfg.test_evaluator, 'test_evaluator')
            if type_name(metric) in _METRICS and metric.get('ann_file')]
