"""What a study says of a transfer of a ticket or a dense net between its jobs."""
from collections.abc import Mapping
from typing import Any

from mmlth.transfer.choices import BACKBONE, LEFT_OUT, VALUES
from mmlth.transfer.mapping import Choice

TRANSFER = ('values', 'sparsity', 'scope', 'groups', 'prefixes', 'leave_out')


def read_choice(transfer: Mapping[str, Any]) -> Choice:
    """Return which tensors a transfer may carry.

    Args:
        transfer: Options of :data:`TRANSFER`.

    Raises:
        ValueError: An unknown option or group, ``values`` or ``sparsity``; says what is allowed.
    """
    _check_options(transfer)
    ranked = transfer.get('sparsity') is not None
    prefixes = transfer.get('prefixes', [BACKBONE] if ranked else [])
    return Choice(
        values=transfer.get('values') != 'none',
        groups=tuple(transfer.get('groups', ())),
        leave_out=tuple(transfer.get('leave_out', LEFT_OUT)),
        prefixes=tuple(prefixes))


def _check_options(transfer: Mapping[str, Any]) -> None:
    unknown = sorted(set(transfer) - set(TRANSFER))
    if unknown:
        raise ValueError(f'transfer has unknown settings {unknown}; known are source, '
                         f'{", ".join(TRANSFER)}')
    values = transfer.get('values', 'initial')
    if values not in VALUES:
        raise ValueError(f'transfer: values={values!r}; allowed are {", ".join(VALUES)}')
    sparsity = transfer.get('sparsity')
    if sparsity is None:
        return
    in_range = isinstance(sparsity, float) and 0 < sparsity < 1
    if not in_range or 'values' in transfer:
        raise ValueError(f'transfer: sparsity={sparsity!r} must be a number in (0, 1) and goes '
                         "without values: it prunes the source's dense net, which keeps its values")
