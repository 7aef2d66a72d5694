"""Hooks that put a ticket into an MMEngine training; importing them registers them."""
from mmlth.engine.hooks.capture_hook import CaptureHook, CaptureStateHook
from mmlth.engine.hooks.early_bird_hook import EarlyBirdHook
from mmlth.engine.hooks.evaluation_state_hook import EvaluationStateHook
from mmlth.engine.hooks.progress_hook import ProgressHook
from mmlth.engine.hooks.step_seed_hook import StepSeedHook
from mmlth.engine.hooks.ticket_hook import TicketHook

__all__ = ['CaptureHook', 'CaptureStateHook', 'EarlyBirdHook', 'EvaluationStateHook',
           'ProgressHook', 'StepSeedHook', 'TicketHook']
