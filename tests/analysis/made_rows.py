"""Rows and experiments for tests."""

from mmlth.analysis.experiments import Experiment

BOX, SEGM = 'coco/bbox_mAP', 'coco/segm_mAP'


def row(value=None, dense=0.5, **changes):
    """Make a ticket of config c with 80% pruned; None: the model detected nothing."""
    made = {
        'job': 'j',
        'config': 'c',
        'seed': 0,
        'round': 1,
        'control': '',
        'sparsity': 0.8,
        'network_sparsity': 0.75,
        'metrics': {} if value is None else {BOX: value},
        'dense': {} if dense is None else {BOX: dense},
        'settings': {},
        'planned': 1,
        'layer_density': {},
        'label': '',
        'line': '',
        'x': 80.0,
        'iou': None,
        'chance_iou': None,
        'init_iou': None,
        'seconds': 2.0,
    }
    return made | changes


def dense_row(value=0.5, **changes):
    return row(value, value, round=0, sparsity=0.0, network_sparsity=0.0, **changes)


def experiment(**changes):
    fields = {'name': 'e', 'title': 't', 'section': 'Section 4', 'kind': 'curve'}
    return Experiment(**fields | changes)
