"""The adapter to MMEngine: wrapper, hooks, and the runner of a whole IMP job."""
from mmlth.engine.checkpoints import allow_checkpoint_classes
from mmlth.engine.hooks import CaptureHook, ProgressHook, StepSeedHook, TicketHook
from mmlth.engine.wrapper import PrunedModelWrapper, unwrap

allow_checkpoint_classes()

__all__ = ['CaptureHook', 'ProgressHook', 'PrunedModelWrapper', 'StepSeedHook', 'TicketHook', 'unwrap']
