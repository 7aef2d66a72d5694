"""The adapter to MMEngine: wrapper, hooks, and what happens in one training."""
from mmlth.versions import check_versions

check_versions()  # before an import fails for want of a newer one

from mmlth.engine.checkpoint_classes import allow_mmengine_classes  # noqa: E402
from mmlth.engine.hooks import CaptureHook, ProgressHook, StepSeedHook, TicketHook  # noqa: E402
from mmlth.engine.pretrained import register_schemes  # noqa: E402
from mmlth.engine.wrapper import PrunedModelWrapper, unwrap  # noqa: E402

allow_mmengine_classes()
register_schemes()

__all__ = ['CaptureHook', 'ProgressHook', 'PrunedModelWrapper', 'StepSeedHook', 'TicketHook',
           'unwrap']
