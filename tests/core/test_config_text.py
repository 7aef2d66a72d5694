"""Configs are read from text, and nothing in it runs."""
import pytest
from mmengine.config import Config

from mmlth.core.config_text import read_config_text
from mmlth.engine.config_files import load_config

STOCK = ('faster_rcnn/faster-rcnn_r50_fpn_1x_coco', 'rtmdet/rtmdet_tiny_8xb32-300e_coco',
         'dino/dino-4scale_r50_8xb2-12e_coco', 'soft_teacher/soft-teacher_faster-rcnn_r50-caffe_'
         'fpn_180k_semi-0.1-coco', 'mask2former/mask2former_swin-t-p4-w7-224_8xb2-lsj-50e_coco')


@pytest.mark.parametrize('name', STOCK)
def test_it_reads_what_mmengine_reads(name):
    text = load_config(f'mmdet::{name}.py').pretty_text
    assert read_config_text(text) == Config.fromstring(text, '.py').to_dict()


@pytest.mark.parametrize('text', [
    '__import__("os").system("touch ran")', 'x = __import__("os").system("touch ran")',
    'x = open("ran", "w")', 'x = dict(y=print(1))', 'x = [z for z in ()]', 'x = y', 'import os',
    'x.y = 1', 'x = dict(**{"a": 1})', 'x = 1 +', 'x = ' + '(' * 5000, 'x = "a" * 10**9'])
def test_anything_else_is_refused_and_does_not_run(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match='config'):
        read_config_text(text)
    assert not (tmp_path / 'ran').exists()
