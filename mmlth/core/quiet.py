"""Keep back what would be said twice."""
import logging
from collections.abc import Iterator
from contextlib import contextmanager

CORE = logging.getLogger('mmlth.core')


@contextmanager
def quiet(logger: logging.Logger = CORE, level: int = logging.ERROR) -> Iterator[None]:
    """Keep back what a logger says below a level.

    By default that are the warnings of layers at their minimum, which the pruning itself repeats.
    """
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)
