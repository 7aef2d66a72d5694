"""Keep back what a rehearsal or a look would say twice."""
import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(name: str = 'mmlth.core') -> Iterator[None]:
    """Keep back a logger's warnings, of layers at their minimum say, that the pruning repeats."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
