"""Save the last step of a training that ended before its last checkpoint was due."""
from mmengine.runner import EpochBasedTrainLoop, Runner

from mmlth.core.checkpoints import iterations_of, latest_checkpoint
from mmlth.engine.ranks import on_rank_0


def save_end(runner: Runner) -> None:
    """Write the checkpoint of the last step unless it is there; call it on all ranks.

    MMEngine's CheckpointHook knows only the planned end, not that of EarlyStoppingHook.
    """
    on_rank_0(_save, runner)


def _save(runner: Runner) -> None:
    newest = latest_checkpoint(runner.work_dir)
    if newest is None or iterations_of(newest) != runner.iter:
        runner.save_checkpoint(
            runner.work_dir, _name(runner), by_epoch=False,
            meta=dict(epoch=runner.epoch, iter=runner.iter))


def _name(runner: Runner) -> str:
    """Name the checkpoint as those before it, so that it takes their place."""
    if isinstance(runner.train_loop, EpochBasedTrainLoop):
        return f'epoch_{runner.epoch}.pth'
    return f'iter_{runner.iter}.pth'
