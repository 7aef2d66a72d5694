"""The scope ``mmlth``: MMEngine imports this for ``type='mmlth.TicketHook'`` and ``mmlth::`` bases.

MMEngine builds what a config takes over from ``_base_ = 'mmlth::...'`` in this scope, so that it
has every registry of MMDet; what isn't found in one is looked for in MMDet's and in MMEngine's.
"""
from mmdet import registry as of_mmdet
from mmengine.registry import Registry

_OWN = dict(HOOKS=['mmlth.engine.hooks', 'mmlth.deploy.hook'])  # registry -> what fills it

for _name, _parent in list(vars(of_mmdet).items()):
    if isinstance(_parent, Registry) and _parent.scope == 'mmdet':
        globals()[_name] = Registry(
            _parent.name, parent=_parent, scope='mmlth',
            locations=[*_OWN.get(_name, []), *_parent._locations])
