"""``type='mmlth.TicketHook'`` in any config: MMEngine imports this and finds the hooks."""
from mmengine.registry import HOOKS as MMENGINE_HOOKS, Registry

HOOKS = Registry('hook', parent=MMENGINE_HOOKS, scope='mmlth', locations=['mmlth.engine.hooks'])
