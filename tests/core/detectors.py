"""MMDetection's detectors without memory for their weights: built in a tenth of a second."""
import copy
from importlib.util import find_spec
from pathlib import Path

import torch
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules

from mmlth.engine.config_files import load_config


def is_shipped(config):
    """Tell whether the installed MMDetection has a config: some came with later versions."""
    root = Path(find_spec('mmdet').submodule_search_locations[0])
    return (root / '.mim' / 'configs' / config).is_file()


def build(config, **options):
    """Build the model of a config that MMDetection ships; options are those of --cfg-options."""
    cfg = load_config(f'mmdet::{config}', options)
    register_all_modules()
    try:
        with torch.device('meta'):
            return MODELS.build(copy.deepcopy(cfg.model))
    except (NotImplementedError, RuntimeError):  # it looks at numbers while it is built
        return MODELS.build(cfg.model)
