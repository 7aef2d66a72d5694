"""Train a ticket: rewind to m * w_k, then keep pruned weights at zero."""
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import EMAHook, Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from mmlth.core.checkpoints import iterations_of
from mmlth.core.masks import LOGGED_DENSITY, Weights, check_zeros, density, digest, kept, size
from mmlth.core.scope import count_parameters
from mmlth.core.ticket import Ticket, check_weights, load_rewind_weights, load_ticket
from mmlth.engine.ranks import check_same
from mmlth.engine.restore import (
    hold_learning_rate,
    optimizers_of,
    restore_optimizer,
    saved_optimizer,
)
from mmlth.engine.trainer import check_trainer
from mmlth.engine.wrapper import PrunedModelWrapper, unwrap


@HOOKS.register_module()
class TicketHook(Hook):
    """Train the ticket in a file under any MMEngine runner.

    Before the first step the model is set to m * w_k and that is verified by digest; a resumed
    training is not rewound again. From then on pruned weights are exactly zero after every
    optimizer step, hence in EMA, evaluation and checkpoints.

    One line makes an MMDet config train a ticket; it leaves hooks and imports of its bases alone::

        default_hooks = dict(ticket=dict(type='mmlth.TicketHook', ticket='ticket.safetensors'))

    Args:
        ticket: Ticket file.
        rewind: Whether to set the model to the ticket's w_k. False keeps the weights that the
            config initialises or loads, and only masks them.
        state: Checkpoint of step k whose optimizer state and schedule the policies below use.
        optimizer: 'fresh' state, or that of ``state`` ('rewound'), zero where pruned.
        continues: Whether the runner resumes from ``state``, to go on with its schedule.
        learning_rates: Checkpoint whose last learning rates hold for this whole training.

    Raises:
        FileNotFoundError, TicketError: At construction, so before any training: the ticket or its
            w_k is missing, damaged or foreign. Before the first step: it doesn't fit the model.
        ValueError: The runner, model wrapper or optimizer is one that masks don't go with; before
            any weight is drawn. Or ranks read different tickets.
    """

    # After EMAHook (NORMAL) has swapped its weights in, before CheckpointHook (VERY_LOW) writes,
    # and after a mean teacher's hook (NORMAL) has copied what is rewound here. Masking itself
    # doesn't depend on it: it happens inside the optimizer's step.
    priority = 'BELOW_NORMAL'

    def __init__(
        self, ticket: str, rewind: bool = True, *, state: str | None = None,
        optimizer: str = 'fresh', continues: bool = False, learning_rates: str | None = None,
    ) -> None:
        self.path = Path(ticket)
        self.rewind = rewind
        if (continues or optimizer == 'rewound') and not state:
            raise ValueError(f'TicketHook: optimizer={optimizer!r}, continues={continues} go back '
                             'to a checkpoint of step k; name it with state')
        self.state = state or ''
        self.optimizer = optimizer
        self.continues = continues
        self.learning_rates = learning_rates
        self.ticket: Ticket = load_ticket(self.path)
        self.weights: Weights = load_rewind_weights(self.ticket, self.path) if rewind else {}
        self.start_digest: str | None = None
        self.model: PrunedModelWrapper | None = None

    def before_run(self, runner: Runner) -> None:
        check_trainer(runner.cfg, type(runner))

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Begin with a seed and evaluations of one's own where the dense net's state is loaded."""
        if self.continues and checkpoint['meta']['iter'] == iterations_of(self.state):
            checkpoint['meta']['seed'] = runner.seed
            checkpoint['message_hub'] = runner.message_hub.state_dict()

    def before_train(self, runner: Runner) -> None:
        check_same(dict(ticket=digest(self.ticket.masks), start=self.ticket.rewind_digest))
        model = unwrap(runner.model)
        begin = iterations_of(self.state) if self.continues else 0
        resumed = runner.iter > begin
        if self.rewind and not resumed:
            self._rewind(model)
        self.weights = {}  # free the copy
        self._attach(runner, model, resumed)
        if not resumed:
            self._mask_averages(runner)
            self._restore_optimizers(runner)
            shares = {f'{LOGGED_DENSITY}{name}': density({name: mask})
                      for name, mask in self.ticket.masks.items()}
            runner.visualizer.add_scalars(shares, step=0)
        pruned = size(self.ticket.masks) - kept(self.ticket.masks)
        runner.logger.info(f'training ticket {self.path}: {pruned / size(self.ticket.masks):.2%} '
                           f'of its scope pruned, {pruned / count_parameters(model):.2%} of the '
                           f'network, {"resumed" if resumed else "from its initial weights"}')

    def before_val_epoch(self, runner: Runner) -> None:
        self._check(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        self._check(runner)
        for key, prefix in (('state_dict', ''), ('ema_state_dict', 'module.')):
            for name, mask in self.ticket.all_masks.items() if key in checkpoint else ():
                tensor = checkpoint[key][prefix + name]
                tensor.masked_fill_(~mask.to(tensor.device), 0)

    def after_train(self, runner: Runner) -> None:
        if self.model is not None:
            self.model.detach()

    def _rewind(self, model: Any) -> None:
        check_weights(self.weights, model.state_dict(), f'w_k of ticket {self.path}')
        start = self.ticket.start(self.weights)
        model.load_state_dict(start, strict=True)
        self.start_digest = digest(start)
        if digest(model.state_dict()) != self.start_digest:
            raise RuntimeError(f'the rewind to {self.path} failed: the model is not m * w_k')

    def _attach(self, runner: Runner, model: Any, resumed: bool) -> None:
        if resumed:
            check_zeros(self.ticket.all_masks, model.state_dict(), 'the checkpoint resumed from')
        self.model = PrunedModelWrapper(model, self.ticket.masks)
        for each in optimizers_of(runner).values():
            self.model.guard(each.optimizer)

    @torch.no_grad()
    def _mask_averages(self, runner: Runner) -> None:
        """Zero pruned weights of averages too, which may go on from the dense training's step k."""
        for hook in runner.hooks:
            if isinstance(hook, EMAHook):
                averaged = hook.ema_model.module.state_dict()
                for name, mask in self.ticket.all_masks.items():
                    averaged[name].masked_fill_(~mask.to(averaged[name].device), 0)

    def _restore_optimizers(self, runner: Runner) -> None:
        """Set optimizer state and learning rates to what the policies say."""
        parameters = dict(unwrap(runner.model).named_parameters(remove_duplicate=False))
        masks = {parameters[name]: mask for name, mask in self.ticket.masks.items()}
        rewound = self.optimizer == 'rewound'
        for key, wrapper in optimizers_of(runner).items():
            if rewound or self.continues:  # else it is fresh as it comes
                saved = saved_optimizer(self.state, key) if rewound else None
                restore_optimizer(wrapper, saved, masks)
            if self.learning_rates:
                hold_learning_rate(wrapper, saved_optimizer(self.learning_rates, key))

    def _check(self, runner: Runner) -> None:
        """Make zero what another hook wrote into pruned weights, and say so."""
        if self.model is None:
            return
        changed = self.model.nonzero_pruned()
        if changed:
            runner.logger.warning(f'pruned weights of {changed} were changed outside the optimizer '
                                  '(by another hook?); they are zero again')
            self.model.apply_masks()
