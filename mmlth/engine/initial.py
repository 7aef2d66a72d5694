"""Build a config's model and draw its initial weights."""
import copy
import logging
from typing import Any

from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import MODELS
from mmengine.runner import set_random_seed


def build_model(cfg: Config, seed: int) -> Any:
    """Build the model of a config from a seed; its weights aren't initialised by MMEngine yet."""
    set_random_seed(seed)
    return MODELS.build(copy.deepcopy(cfg.model))  # two-stage detectors write into theirs


def init_quietly(model: Any) -> None:
    """Initialise without MMEngine's log line per parameter, which would bury the table."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        if hasattr(model, 'init_weights'):
            model.init_weights()
    finally:
        logger.setLevel(level)
