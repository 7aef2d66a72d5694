"""The configs for ImageNet inherit those of MMPretrain, where that is installed."""
from importlib.util import find_spec
from pathlib import Path

import pytest

from mmlth.engine.config_files import load_config, set_data_root
from mmlth.settings.imp_config import IMPConfig

FOLDER = Path(__file__).parents[2] / 'configs' / 'imagenet'


@pytest.mark.skipif(find_spec('mmpretrain') is None, reason='MMPretrain is not installed')
@pytest.mark.parametrize('depth', [18, 50])
def test_config_prunes_a_resnet_to_the_papers_sparsities(depth):
    cfg = load_config(str(FOLDER / f'resnet{depth}_imagenet.py'))
    settings = IMPConfig.from_dicts(cfg.imp)
    assert settings.densities() == pytest.approx((1, 0.5, 0.2, 0.1))
    assert settings.scope == 'backbone'
    assert (cfg.model.backbone.type, cfg.model.backbone.depth) == ('ResNet', depth)
    assert cfg.model.head.num_classes == 1000 and cfg.train_dataloader.dataset.type == 'ImageNet'
    assert set_data_root(cfg, '/disk').train_dataloader.dataset.data_root.rstrip('/') == '/disk'


@pytest.mark.skipif(find_spec('mmpretrain') is not None, reason='MMPretrain is installed')
def test_without_mmpretrain_the_missing_package_is_named():
    message = 'resnet18_imagenet.py.* needs what is not installed: mmpretrain'
    with pytest.raises(ValueError, match=message):
        load_config(str(FOLDER / 'resnet18_imagenet.py'))
