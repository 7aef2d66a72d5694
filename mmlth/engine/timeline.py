"""How long a runner's training is: the one place that counts its iterations, epochs and steps."""
from mmengine.dist import get_world_size
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
