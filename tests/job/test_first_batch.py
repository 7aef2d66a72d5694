"""A job evaluates one batch before it trains, and changes nothing by that."""
import json
from typing import ClassVar

import pytest
import torch
import toys
from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS

from mmlth.core.files import read_json
from mmlth.core.store import Store
from mmlth.engine.config_files import load_config
from mmlth.engine.net import read_net
from mmlth.job.checks import files_of
from mmlth.job.first_batch import evaluate_first_batch


@METRICS.register_module(force=True)
class Strict(BaseMetric):
    """Insists on every image of its file, as MMDet's panoptic metric does."""

    seen: ClassVar[list] = []
    outs: ClassVar[list] = []

    def __init__(self, ann_file, out_file_path=None, **keywords):
        super().__init__(**keywords)
        self.ann_file = ann_file
        self.outs.append(out_file_path)

    def process(self, data_batch, data_samples):
        self.results += [s['img_id'] for s in data_samples]

    def compute_metrics(self, results):
        wanted = [image['id'] for image in read_json(self.ann_file)['images']]
        if wanted != results:
            raise ValueError(f'no prediction for {set(wanted) - set(results)}')
        self.seen.append(wanted)
        return {}


class Numbered(toys.ToyNet):
    def forward(self, inputs, labels, mode='tensor'):
        found = super().forward(inputs, labels, mode)
        return [dict(each, img_id=i) for i, each in enumerate(found)]


def evaluate(cfg):
    evaluate_first_batch(read_net(cfg, 0), cfg)


@pytest.fixture
def strict_cfg(toy_cfg, tmp_path, monkeypatch):
    monkeypatch.setitem(toys.MODELS.module_dict, 'ToyNet', Numbered)
    Strict.seen.clear()
    Strict.outs.clear()
    path = tmp_path / 'val.json'
    path.write_text(json.dumps(dict(images=[dict(id=i) for i in range(5)], annotations=[])))
    toy_cfg.val_evaluator = dict(type='Strict', ann_file=str(path))
    return toy_cfg


def test_an_evaluator_sees_a_file_of_the_batch_alone(strict_cfg):
    evaluate(strict_cfg)
    assert Strict.seen == [[0, 1]]


@pytest.mark.parametrize('form', [
    lambda one: one, lambda one: [one], lambda one: dict(metrics=one),
    lambda one: dict(type='Evaluator', metrics=[one])], ids=['one', 'list', 'metrics', 'evaluator'])
def test_however_an_evaluator_is_written_nothing_is_left_where_it_would_write(
        strict_cfg, tmp_path, form):
    own = str(tmp_path / 'mine' / 'results.json')
    strict_cfg.val_evaluator = form(dict(strict_cfg.val_evaluator, out_file_path=own))
    evaluate(strict_cfg)
    assert Strict.seen == [[0, 1]] and Strict.outs and own not in Strict.outs
    files = {path: key for key, path in files_of(strict_cfg)}
    assert files[str(tmp_path / 'val.json')].startswith('val_evaluator')


def test_a_file_of_other_images_is_refused(strict_cfg, tmp_path):
    (tmp_path / 'val.json').write_text(json.dumps(dict(images=[dict(id=7)], annotations=[])))
    with pytest.raises(RuntimeError, match=r'none of the first images of val_data.*ids \[0, 1\]'):
        evaluate(strict_cfg)


def test_a_file_that_cannot_be_reduced_is_no_error_of_the_user(strict_cfg, tmp_path, capsys):
    path = (tmp_path / 'val.json').rename(tmp_path / 'val.odgt')
    strict_cfg.val_evaluator.ann_file = str(path)
    evaluate(strict_cfg)
    assert not Strict.seen


def test_a_broken_evaluator_stops_a_job_before_training(toy_cfg, run_imp, tmp_path, monkeypatch):
    def fail(self, results):
        raise KeyError('segm is not in results')
    monkeypatch.setattr(toys.ToyAccuracy, 'compute_metrics', fail)
    with pytest.raises(RuntimeError, match='val_evaluator fails.*KeyError.*segm is not in results'):
        run_imp(toy_cfg, tmp_path / 'job')
    assert not (tmp_path / 'job').exists()


def test_an_empty_validation_set_is_named(toy_cfg):
    toy_cfg.val_dataloader.dataset.length = 0
    with pytest.raises(RuntimeError, match=r'val_dataloader.dataset fails.*it holds no image'):
        evaluate(toy_cfg)


def test_the_net_is_left_as_it_was(toy_cfg):
    net = read_net(toy_cfg, 0)
    before = net.state
    evaluate_first_batch(net, toy_cfg)
    assert net.model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state.items())


def test_a_job_trains_the_same_bits(toy_cfg, run_imp, tmp_path, monkeypatch):
    run_imp(toy_cfg, tmp_path / 'a', rounds=1)
    monkeypatch.setattr('mmlth.job.rank_0.evaluate_first_batch', lambda net, cfg: None)
    run_imp(toy_cfg, tmp_path / 'b', rounds=1)
    digests = [[record['digests'] for record in Store(tmp_path / name).summary().rounds]
               for name in 'ab']
    assert digests[0] == digests[1]


@pytest.mark.parametrize('metric, message', [
    ('segm', 'segm is not in results'), ('box', "metric should be one of 'bbox'"), ('bbox', '')])
def test_mmdets_own_evaluator(digit_scenes, metric, message):
    cfg = load_config('configs/digit_scenes/faster-rcnn_r18-tiny_fpn_digitscenes.py', {
        'val_evaluator.metric': metric,
        'val_evaluator.ann_file': f'{digit_scenes}/annotations/instances_val.json',
        'val_dataloader.dataset.data_root': f'{digit_scenes}/'})
    if not message:
        evaluate(cfg)
        return
    with pytest.raises(RuntimeError, match=message):
        evaluate(cfg)
