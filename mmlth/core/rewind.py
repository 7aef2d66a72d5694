"""What a round starts from: the policies for weights, optimizer state and learning rates."""
import re

# Weights that survivors start from; besides, a number of steps k, or epoch_K.
REWINDS = dict(
    init='w_0, before the first step',
    lr='the trained weights of the round before; the learning rate starts again',
    none='the trained weights of the round before; the learning rate stays at its last value',
    reinit='newly drawn weights, a control')
OPTIMIZERS = ('fresh', 'rewound')
LR_SCHEDULES = ('restart', 'continue')
_EPOCH = re.compile(r'epoch_([1-9]\d*)')


def check_rewind(rewind: str | int, optimizer: str, lr_schedule: str) -> None:
    """Raise ValueError for an unknown policy or policies that contradict each other."""
    late = _late(rewind)
    if not late and (rewind not in REWINDS and rewind != 0 or rewind is False):
        raise ValueError(f'rewind={rewind!r}: allowed are {", ".join(REWINDS)}, a number of steps k, at '
                         'least 0, or epoch_K')
    for name, value, allowed in (('optimizer', optimizer, OPTIMIZERS),
                                 ('lr_schedule', lr_schedule, LR_SCHEDULES)):
        if value not in allowed:
            raise ValueError(f'{name}={value!r}: allowed are {", ".join(allowed)}')
        if value in ('rewound', 'continue') and not late:
            raise ValueError(f'{name}={value!r} needs the state of a step k, but rewind={rewind!r} has none. '
                             'Set rewind to a number of steps or epoch_K')


def _late(rewind: str | int) -> bool:
    """Tell whether weights of a later step k are what is rewound to."""
    if isinstance(rewind, str):
        return bool(_EPOCH.fullmatch(rewind))
    return isinstance(rewind, int) and not isinstance(rewind, bool) and rewind > 0


def capture_point(rewind: str | int) -> dict[str, int]:
    """Return when w_k is captured: ``dict(step=k)`` or ``dict(epoch=K)``."""
    if isinstance(rewind, str):
        found = _EPOCH.fullmatch(rewind)
        return dict(epoch=int(found[1])) if found else dict(step=0)
    return dict(step=rewind)
