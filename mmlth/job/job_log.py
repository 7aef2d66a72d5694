"""What a job says of itself: a marked line on the console, the same with the time in a file."""
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.dist import is_main_process

from mmlth.core.records import RoundRecord
from mmlth.core.store import Store
from mmlth.core.training import Training

LOGGER = logging.getLogger('mmlth')  # warnings of mmlth.core come along
MARK = '[mmlth]'


@contextmanager
def on_console(level: str | int = logging.INFO) -> Iterator[None]:
    """Print what mmlth logs, on rank 0, each line marked.

    Args:
        level: From which on, such as a config's ``log_level``.
    """
    with _handled_by(logging.StreamHandler(sys.stdout), f'{MARK} %(message)s', level):
        yield


@contextmanager
def in_file(path: Path) -> Iterator[None]:
    """Write what mmlth logs into a file, on rank 0, after what is there."""
    handler = logging.FileHandler(path, encoding='utf-8', delay=True)
    with _handled_by(handler, '%(asctime)s %(message)s', logging.INFO):
        yield


@contextmanager
def _handled_by(handler: logging.Handler, text: str, level: str | int) -> Iterator[None]:
    if not is_main_process():
        yield
        return
    handler.setFormatter(logging.Formatter(text, datefmt='%Y-%m-%d %H:%M:%S'))
    handler.setLevel(level)
    before = LOGGER.level
    LOGGER.setLevel(logging.INFO)
    LOGGER.addHandler(handler)
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(before)
        handler.close()


def standing(store: Store, trainings: tuple[Training, ...]) -> str:
    """Say how far a job is: what is finished, and what is trained next.

    Args:
        store: Of its work directory.
        trainings: All of the job, in order.
    """
    left = [training for training in trainings if not store.finished(training)]
    done = len(trainings) - len(left)
    if not left:
        return f'already done: all {done} trainings are finished in {store.work_dir}'
    begun = store.resume_from(left[0]) is not None
    verb = f'goes on in {left[0].name}' if done or begun else 'begins'
    return f'{store.work_dir}: {verb}; finished are {done} of {len(trainings)} trainings'


def ended(record: RoundRecord, name: str) -> str:
    """Say in a line what a training came to.

    Args:
        record: Of the training.
        name: What messages call it.
    """
    shown = [f'{metric.rpartition("/")[2]} {value:.3f}' for metric, value in record.metrics.items()
             if metric.endswith('mAP')]
    first = [f'{metric} {value:.3f}' for metric, value in record.metrics.items()][:1]
    found = ', '.join(shown or first) or 'no metric: nothing detected'
    return (f'{name} done: sparsity {record.sparsity:.2%} (network {record.network_sparsity:.2%}), '
            f'{found}, {record.seconds:.0f} s')
