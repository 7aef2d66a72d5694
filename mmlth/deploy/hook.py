"""Test a deployed detector under MMDet's own tools."""
from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from mmlth.deploy.deploy import load_into
from mmlth.engine.wrapper import unwrap


@HOOKS.register_module()
class DeployedHook(Hook):
    """Run the deployed folder that a runner is given in place of a checkpoint.

    One line makes an MMDet config test one; MMDet's ``tools/test.py CONFIG FOLDER`` then takes the
    folder where it takes a checkpoint::

        default_hooks = dict(deployed=dict(type='mmlth.DeployedHook'))

    The config decides model, data and test settings, the folder weights and plan. The detector runs
    on the CPU whatever device the runner chose; with test-time augmentation (``--tta``) too.

    Raises:
        FileNotFoundError, ValueError: Before the first image: ``load_from`` isn't a deployed
            folder, or one of another model than the config's.
        RuntimeError: The runner trains, which takes gradients that a deployed detector doesn't
            give.
    """

    # Before EMAHook (NORMAL) copies the model, whose copy it swaps in when it tests.
    priority = 'VERY_HIGH'

    def before_run(self, runner: Runner) -> None:
        given = runner._load_from  # which MMEngine would read as a checkpoint after this
        if not given:
            raise ValueError('DeployedHook: there is no folder to run; give a deployed folder '
                             '(`mmlth deploy TICKET --out DIR`) in place of the checkpoint')
        model = unwrap(runner.model)
        load_into(model.module if isinstance(model, BaseTTAModel) else model, given)
        runner._load_from = None

    def before_train(self, runner: Runner) -> None:
        raise RuntimeError('DeployedHook: a deployed detector cannot be trained; train the ticket '
                           '(TicketHook) and deploy it again')
