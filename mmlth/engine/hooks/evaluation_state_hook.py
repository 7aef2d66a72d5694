"""Let a resumed training know what the evaluations before it had decided."""
from mmengine.hooks import EarlyStoppingHook, Hook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop, Runner

_KEY = 'early_stopping'  # in the message hub, hence in checkpoints


@HOOKS.register_module()
class EvaluationStateHook(Hook):
    """Resume exactly where evaluations decide: EarlyStoppingHook, save_best, ReduceOnPlateau.

    MMEngine saves a checkpoint before the evaluation of its epoch, and never what EarlyStoppingHook
    counts. So a resumed training would stop later, keep a worse best checkpoint or lower its rate
    at another step. This hook keeps the count in the checkpoint and, where an evaluation was due at
    the checkpoint resumed from, evaluates it first.

    Args:
        resumed: Whether the training goes on from a checkpoint of its own.
    """

    priority = 100  # LOWEST: after EarlyStoppingHook and CheckpointHook

    def __init__(self, resumed: bool = False) -> None:
        self.resumed = resumed

    def before_train(self, runner: Runner) -> None:
        saved = runner.message_hub.get_info(_KEY, [])
        for hook, (score, count) in zip(_early_stopping(runner), saved, strict=False):
            hook.best_score, hook.wait_count = score, count
        if self.resumed and _evaluation_is_due(runner):
            runner.val_loop.run()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        found = [(float(hook.best_score), hook.wait_count) for hook in _early_stopping(runner)]
        runner.message_hub.update_info(_KEY, found)


def _early_stopping(runner: Runner) -> list[EarlyStoppingHook]:
    return [hook for hook in runner.hooks if isinstance(hook, EarlyStoppingHook)]


def _evaluation_is_due(runner: Runner) -> bool:
    """Tell whether the loop would have evaluated after what is done, as MMEngine's loops do."""
    loop = runner.train_loop
    by_epoch = isinstance(loop, EpochBasedTrainLoop)
    done, last = (loop.epoch, loop.max_epochs) if by_epoch else (loop.iter, loop.max_iters)
    loop._decide_current_val_interval()
    return bool(done >= loop.val_begin and (done % loop.val_interval == 0 or done == last))
