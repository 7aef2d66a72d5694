"""The hook that rewinds to a ticket and keeps its zeros, beside a toy training."""
import pytest
import torch
import toys
from mmengine.hooks import EMAHook, Hook
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from toy_training import NoisySGD, half_ticket, state_of, toy_runner

from mmlth.core.checkpoints import load_checkpoint
from mmlth.core.masks import apply, digest
from mmlth.core.ticket import load_weights
from mmlth.engine.hooks import TicketHook

CONV1 = 'backbone.conv1.weight'


@pytest.fixture
def ticket(tmp_path):
    return half_ticket(tmp_path)


class Spy(Hook):
    """Records the first weights, and whether pruned weights were zero at every stage."""

    priority = 'NORMAL'

    def __init__(self, masks):
        self.masks, self.start, self.zero = masks, None, []

    def _look(self, runner):
        state = runner.model.state_dict()
        self.zero.append(not any(state[n][~m].any() for n, m in self.masks.items()))

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if self.start is None:
            self.start = state_of(runner.model)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self._look(runner)

    def before_val_epoch(self, runner):
        self._look(runner)


def test_ticket_rewinds_then_keeps_zeros_in_every_stage(toy_cfg, ticket, tmp_path):
    hook = TicketHook(ticket)
    masks, w_0 = hook.ticket.masks, dict(hook.weights)
    spy = Spy(masks)
    toy_runner(toy_cfg, tmp_path / 'a', hook, spy).train()
    expected = apply(masks, w_0)
    assert all(torch.equal(spy.start[n], expected[n]) for n in expected)
    assert len(spy.zero) == 12 + 3 and all(spy.zero)
    assert hook.start_digest == digest(expected)


def test_ticket_without_rewind_masks_the_weights_of_the_config(toy_cfg, ticket, tmp_path):
    hook = TicketHook(ticket, rewind=False)
    spy = Spy(hook.ticket.masks)
    toy_runner(toy_cfg, tmp_path / 'a', hook, spy).train()
    w_k = load_weights(tmp_path / 'rewind.safetensors')
    assert not torch.equal(spy.start['backbone.conv1.bias'], w_k['backbone.conv1.bias'])
    assert all(spy.zero)


def test_a_resume_in_the_middle_of_a_round_does_not_rewind(toy_cfg, ticket, tmp_path):
    toy_runner(toy_cfg, tmp_path / 'a', TicketHook(ticket)).train()
    checkpoint = tmp_path / 'a' / 'epoch_2.pth'
    half = load_checkpoint(checkpoint)['state_dict']
    hook = TicketHook(ticket)
    spy = Spy(hook.ticket.masks)
    where = dict(resume=True, load_from=str(checkpoint))
    runner = toy_runner(toy_cfg, tmp_path / 'b', hook, spy, **where)
    runner.train()
    assert runner.iter == 12
    assert all(torch.equal(spy.start[n], half[n]) for n in half)


class LateVandal(Hook):
    """Writes into every weight after each step, after the optimizer's hook and before EMA."""

    priority = 'HIGH'

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        runner.model.backbone.conv1.weight.data.add_(0.01)


class Vandal(Hook):
    """Writes into pruned weights after an epoch."""

    def after_train_epoch(self, runner):
        runner.model.backbone.conv1.weight.data.add_(1)


def test_what_another_hook_writes_never_reaches_checkpoint_or_evaluation(
        toy_cfg, ticket, tmp_path):
    hook = TicketHook(ticket)
    toy_runner(toy_cfg, tmp_path / 'a', hook, Vandal()).train()
    mask = hook.ticket.masks[CONV1]
    state = load_checkpoint(tmp_path / 'a' / 'epoch_3.pth')['state_dict']
    assert not state[CONV1][~mask].any()
    log = next((tmp_path / 'a').glob('*/*.log')).read_text()
    assert CONV1 in log and 'changed outside the optimizer' in log


def test_even_averaged_weights_are_zero_wherever_they_are_seen(toy_cfg, ticket, tmp_path):
    hook = TicketHook(ticket)
    mask = hook.ticket.masks[CONV1]
    seen = []

    class Look(Hook):
        priority = 'LOWEST'

        def before_val_iter(self, runner, batch_idx, data_batch=None):
            seen.append(not runner.model.backbone.conv1.weight[~mask].any())
    ema = [dict(type='EMAHook')]
    toy_runner(toy_cfg, tmp_path / 'a', hook, LateVandal(), Look(), custom_hooks=ema).train()
    assert seen and all(seen)
    checkpoint = load_checkpoint(tmp_path / 'a' / 'epoch_3.pth')
    assert not checkpoint['state_dict'][CONV1][~mask].any()
    assert not checkpoint['ema_state_dict'][f'module.{CONV1}'][~mask].any()


def test_a_restless_optimizer_feeds_no_pruned_weight_to_the_average(toy_cfg, ticket, tmp_path):
    toy_cfg.optim_wrapper.optimizer = dict(type='NoisySGD', lr=0.1)
    hook, averages = TicketHook(ticket), []
    masks = hook.ticket.masks

    class Look(Hook):
        priority = 'LOWEST'

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            (ema, ) = [each for each in runner.hooks if isinstance(each, EMAHook)]
            state = ema.ema_model.module.state_dict()
            averages.append(not any(state[n][~m].any() for n, m in masks.items()))
    spy = Spy(masks)
    toy_runner(toy_cfg, tmp_path / 'a', hook, spy, Look(),
               custom_hooks=[dict(type='EMAHook')]).train()
    assert len(spy.zero) == 12 + 3 and all(spy.zero)
    assert len(averages) == 12 and all(averages)


def test_the_log_says_both_sparsities(toy_cfg, ticket, tmp_path):
    hook = TicketHook(ticket)
    toy_runner(toy_cfg, tmp_path / 'a', hook, log_level='INFO').train()
    pruned = sum(int((~m).sum()) for m in hook.ticket.masks.values())
    log = next((tmp_path / 'a').glob('*/*.log')).read_text()
    assert f'{pruned / toys.SIZE:.2%} of its scope pruned, {pruned / 1476:.2%} of the' in log


@MODELS.register_module()
class TwoPartNet(toys.ToyNet):
    """Steps one optimizer for the backbone and one for the head."""

    def train_step(self, data, optim_wrapper):
        inputs = self.data_preprocessor(data, True)
        loss, log = self.parse_losses(self(**inputs, mode='loss'))
        loss.backward()
        for part in optim_wrapper.values():
            part.step()
            part.zero_grad()
        return log


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TwoParts:
    def __init__(self, optim_wrapper_cfg, paramwise_cfg=None):
        pass

    def __call__(self, model):
        parts = {name: OptimWrapper(NoisySGD(part.parameters(), 0.1))
                 for name, part in model.named_children() if list(part.parameters())}
        return OptimWrapperDict(**parts)


def test_each_of_two_optimizers_is_guarded(toy_cfg, ticket, tmp_path):
    hook = TicketHook(ticket)
    spy = Spy(hook.ticket.masks)
    parts = dict(model=dict(type='TwoPartNet'), optim_wrapper=dict(constructor='TwoParts'))
    runner = toy_runner(toy_cfg, tmp_path / 'a', hook, spy, **parts)
    runner.train()
    assert isinstance(runner.optim_wrapper, OptimWrapperDict)
    assert len(spy.zero) == 12 + 3 and all(spy.zero)
