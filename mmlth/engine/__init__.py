"""The adapter to MMEngine: wrapper, hooks, and the runner of a whole IMP job."""
from mmlth.engine.checkpoint_classes import allow_mmengine_classes
from mmlth.engine.hooks import CaptureHook, ProgressHook, StepSeedHook, TicketHook
from mmlth.engine.wrapper import PrunedModelWrapper, unwrap

allow_mmengine_classes()

__all__ = ['CaptureHook', 'ProgressHook', 'PrunedModelWrapper', 'StepSeedHook', 'TicketHook',
           'unwrap']
