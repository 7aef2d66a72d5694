"""Find layers that a pruning all but empties, while others hardly lose a weight."""
from collections.abc import Mapping

COLLAPSED = 0.01  # of the share that a tensor would keep if all kept alike
_SHOWN = 5
WAYS_OUT = ("min_kept keeps a share of each, allocation='erk' or 'layerwise' deals densities out, "
            'exclude leaves tensors whole')


def collapsed(densities: Mapping[str, float], density: float) -> dict[str, float]:
    """Return name -> kept share of the tensors that keep next to nothing of their fair share.

    Args:
        densities: name -> kept share of a tensor, in [0, 1].
        density: Kept share of all of them together, in (0, 1]: the fair share.

    >>> collapsed({'conv': 0.5, 'rpn': 0.001, 'fc': 0.0}, density=0.2)
    {'rpn': 0.001, 'fc': 0.0}
    """
    return {name: share for name, share in densities.items() if share < COLLAPSED * density}


def describe_collapse(found: Mapping[str, float]) -> str:
    """Name collapsed tensors (:func:`name_collapsed`) and the ways out."""
    return f'{name_collapsed(found)}. Ways out: {WAYS_OUT}'


def name_collapsed(found: Mapping[str, float]) -> str:
    """Name collapsed tensors, the emptiest first.

    Args:
        found: From :func:`collapsed`; at least one.

    >>> name_collapsed({'rpn': 0.001, 'fc': 0.0})
    '2 tensors keep less than 1% of their fair share: fc (nothing), rpn (0.1%)'
    """
    emptiest = sorted(found, key=lambda name: found[name])
    shown = [f'{name} ({_percent(found[name])})' for name in emptiest[:_SHOWN]]
    more = f' and {len(found) - _SHOWN} more' if len(found) > _SHOWN else ''
    tensors = '1 tensor keeps' if len(found) == 1 else f'{len(found)} tensors keep'
    fair = 'its' if len(found) == 1 else 'their'
    return f'{tensors} less than {COLLAPSED:.0%} of {fair} fair share: {", ".join(shown)}{more}'


def _percent(share: float) -> str:
    return f'{100 * share:.2g}%' if share else 'nothing'
