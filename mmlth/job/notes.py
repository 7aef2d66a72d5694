"""What a user should know of a job before it trains."""
from collections.abc import Mapping, Sequence

from mmlth.core import criteria, scope
from mmlth.core.patterns import Pattern
from mmlth.core.roles import unknown_heads
from mmlth.engine.net import Net
from mmlth.settings.imp_config import IMPConfig


def notes_of(
    net: Net, settings: IMPConfig, names: Sequence[str], positions: Mapping[str, float],
) -> list[str]:
    """List what the user should know before training.

    Args:
        net: With its initial weights.
        settings: Of the job.
        names: Of the tensors in the scope.
        positions: As that of :class:`mmlth.job.preflight.Preflight`.
    """
    chosen = set(names)
    notes = []
    standardised = chosen & set(scope.standardised_weights(net.model))
    if standardised:
        notes.append(f'{len(standardised)} weights of the scope are standardised in every forward '
                     'pass, so that their zeros do not act as zeros; leave them out with exclude')
    transposed = chosen & set(scope.transposed_weights(net.model))
    if transposed and Pattern.parse(settings.allocation):
        notes.append(f'{sorted(transposed)} belong to transposed convolutions: their groups of '
                     f'{settings.allocation} run along outputs, which is of no use to sparse '
                     'hardware; leave them out with exclude')
    unknown = unknown_heads(net.model)
    if unknown:
        notes.append(f'unknown head: all of {", ".join(unknown)} is in the scope, its last layers '
                     'included, unless you leave them out with exclude')
    unused = [name for name in names if not positions.get(name)]
    if positions and unused and criteria.takes(settings.criterion, 'costs'):
        notes.append(f'{len(unused)} tensors of the scope were not used in the images that were '
                     f'traced ({", ".join(unused[:3])}): criterion={settings.criterion!r} takes '
                     'their cost for the average one')
    return notes


def check_costs(
    settings: IMPConfig, names: Sequence[str], positions: Mapping[str, float],
) -> None:
    """Raise ValueError where the criterion takes costs and no image used a tensor of the scope.

    Args:
        settings: As those of :func:`notes_of`.
        names: Likewise.
        positions: Likewise.
    """
    used = any(positions.get(name) for name in names)
    if criteria.takes(settings.criterion, 'costs') and not used:
        raise ValueError(
            f'criterion={settings.criterion!r} takes costs, but no image of val_dataloader could '
            'be traced through the scope. Give the config a val_dataloader with a dataset, or '
            'choose another criterion')
