"""What a round starts from: the policies for weights, optimizer state and learning rates."""
import re

# Weights that survivors start from; besides, a number of steps k, epoch_K, or P% of the training.
REWINDS = dict(
    init='w_0, before the first step',
    lr='the trained weights of the round before; the learning rate starts again',
    none='the trained weights of the round before; the learning rate stays at its last value',
    reinit='newly drawn weights, a control')
OPTIMIZERS = ('fresh', 'rewound')
LR_SCHEDULES = ('restart', 'continue')
_EPOCH = re.compile(r'epoch_([1-9]\d*)')
_SHARE = re.compile(r'(\d+(?:\.\d+)?)%')


def check_rewind(rewind: str | int, optimizer: str, lr_schedule: str, setting: str = 'rewind') -> None:
    """Raise ValueError for an unknown policy or policies that contradict each other."""
    late = _late(rewind)
    if not late and (rewind not in REWINDS and rewind != 0 or rewind is False):
        raise ValueError(f'{setting}={rewind!r}: allowed are {", ".join(REWINDS)}, a number of steps k, at '
                         'least 0, epoch_K, or P% of the training, above 0 and at most 100')
    for name, value, allowed in (('optimizer', optimizer, OPTIMIZERS),
                                 ('lr_schedule', lr_schedule, LR_SCHEDULES)):
        if value not in allowed:
            raise ValueError(f'{name}={value!r}: allowed are {", ".join(allowed)}')
        if value in ('rewound', 'continue') and not late:
            raise ValueError(f'{name}={value!r} needs the state of a step k, but rewind={rewind!r} has none. '
                             'Set rewind to a number of steps, epoch_K or P%')


def _late(rewind: str | int) -> bool:
    """Tell whether weights of a later step k are what is rewound to."""
    if isinstance(rewind, str):
        share = _SHARE.fullmatch(rewind)
        return bool(_EPOCH.fullmatch(rewind)) or share is not None and 0 < float(share[1]) <= 100
    return isinstance(rewind, int) and not isinstance(rewind, bool) and rewind > 0


def capture_point(rewind: str | int) -> dict[str, int | float]:
    """Return when w_k is captured: ``dict(step=k)``, ``dict(epoch=K)`` or ``dict(share=P / 100)``.

    >>> capture_point('epoch_2'), capture_point('25%'), capture_point('init')
    ({'epoch': 2}, {'share': 0.25}, {'step': 0})
    """
    if isinstance(rewind, str):
        epoch, share = _EPOCH.fullmatch(rewind), _SHARE.fullmatch(rewind)
        return dict(epoch=int(epoch[1])) if epoch else dict(share=float(share[1]) / 100) if share else dict(step=0)
    return dict(step=rewind)


def capture_name(rewind: str | int) -> str:
    """Return a name for the point that w_k is captured at; policies that need only w_0 share one.

    >>> capture_name('lr'), capture_name(600), capture_name('2.5%')
    ('step_0', 'step_600', 'share_0.025')
    """
    (kind, when), = capture_point(rewind).items()
    return f'{kind}_{when}'
