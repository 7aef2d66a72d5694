"""How long a runner's training is: the one place that counts its iterations, epochs and steps."""
from mmengine.dist import get_world_size
from mmengine.hooks import EarlyStoppingHook
from mmengine.runner import EpochBasedTrainLoop, Runner

from mmlth.core.moment import Timeline
from mmlth.engine.restore import optimizers_of


def timeline_of(runner: Runner) -> Timeline:
    """Return the timeline of a training that is about to start.

    An epoch of a loop by iterations ends when every image has been seen once by some rank:
    ``len()`` of a loader with an infinite sampler counts the whole set for each of them.
    """
    loader = runner.train_dataloader
    epoch = len(loader)
    if not isinstance(runner.train_loop, EpochBasedTrainLoop):
        batch = loader.batch_size or loader.batch_sampler.batch_size
        epoch = -(-len(loader.dataset) // (batch * get_world_size()))
    counts = [int(each._accumulative_counts) for each in optimizers_of(runner).values()]
    return Timeline(iterations=runner.max_iters, epoch=epoch, accumulation=max(counts))


def earliest_end(runner: Runner) -> int:
    """Return the iteration at which EarlyStoppingHook may end a training at the earliest.

    The first evaluation is an improvement, unless it crosses the hook's ``stopping_threshold``.
    """
    loop = runner.train_loop
    hooks = [hook for hook in runner.hooks if isinstance(hook, EarlyStoppingHook)]
    if not hooks:
        return int(runner.max_iters)
    waits = min(_evaluations_without_end(hook) for hook in hooks)
    first = max(1, -(-loop.val_begin // loop.val_interval)) * loop.val_interval
    length = timeline_of(runner).epoch if isinstance(loop, EpochBasedTrainLoop) else 1
    return min(int(runner.max_iters), (first + waits * loop.val_interval) * length)


def _evaluations_without_end(hook: EarlyStoppingHook) -> int:
    return 0 if hook.stopping_threshold is not None else max(1, int(hook.patience))
