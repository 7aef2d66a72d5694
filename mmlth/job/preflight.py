"""The plan of a job: the table of tensors, both denominators of every round, notes of caution."""
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from torch import Tensor

from mmlth.core import criteria, scope, selection
from mmlth.core.collapse import collapsed, describe_collapse
from mmlth.core.masks import Masks, count_kept, dense_masks
from mmlth.core.patterns import check_pattern
from mmlth.core.positions import costs_of, multiply_adds
from mmlth.core.quiet import quiet
from mmlth.core.scope import WeightInfo
from mmlth.core.tables import format_table
from mmlth.engine.net import Net
from mmlth.job.given_ticket import check_ticket
from mmlth.job.notes import notes_of
from mmlth.settings.imp_config import IMPConfig


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """The plan of a job.

    Attributes:
        weights: Every weight tensor of the model.
        names: Tensors in the scope, in order.
        parameters: All parameters of the model.
        densities: Planned density of every round.
        magnitudes: name -> median |w_0|; {} if the model could not be initialised here.
        previews: name -> kept share if w_0 were ranked to the target now; {} if unknown.
        note: What to be careful about, or ''.
        not_loaded: Why the initial weights are unknown, or ''.
        positions: name -> positions an image at which each weight is used, of all that could be
            pruned (:func:`mmlth.core.positions.positions_of`); {} if no image was traced.
        multiply_adds: Of :func:`mmlth.core.positions.multiply_adds`, were w_0 ranked to the target
            now; {} if unknown.
        collapsed: Tensors that would keep next to nothing
            (:func:`mmlth.core.collapse.collapsed`).
        shared, groups: As those of :class:`mmlth.engine.net.Net`.
    """

    weights: tuple[WeightInfo, ...]
    names: tuple[str, ...]
    parameters: int
    densities: tuple[float, ...]
    magnitudes: dict[str, float] = field(default_factory=dict)
    previews: dict[str, float] = field(default_factory=dict)
    note: str = ''
    not_loaded: str = ''
    positions: dict[str, float] = field(default_factory=dict)
    multiply_adds: dict[str, float] = field(default_factory=dict)
    collapsed: dict[str, float] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)

    @property
    def chosen(self) -> list[WeightInfo]:
        """Tensors in the scope."""
        names = set(self.names)
        return [weight for weight in self.weights if weight.name in names]

    @property
    def scope_size(self) -> int:
        """Weights in the scope."""
        return sum(weight.size for weight in self.chosen)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """name -> shape of every tensor in the scope."""
        return {weight.name: weight.shape for weight in self.chosen}

    def sparsity(self, kept: int) -> float:
        """Return the sparsity of the scope where so many of its weights are kept."""
        return 1 - kept / self.scope_size

    def network_sparsity(self, kept: int) -> float:
        """Return the sparsity of the whole network where so many weights of the scope are kept."""
        return scope.network_sparsity(self.scope_size - kept, self.parameters)

    def rounds(self) -> list[dict[str, Any]]:
        """Return round, kept weights, sparsity and network sparsity of every planned round."""
        found = []
        for number, density in enumerate(self.densities):
            kept = round(density * self.scope_size)
            sparsity, network = self.sparsity(kept), self.network_sparsity(kept)
            found.append(
                dict(round=number, kept=kept, sparsity=sparsity, network_sparsity=network))
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as ``preflight.json`` holds it."""
        tensors = [dict(
            asdict(weight),
            size=weight.size,
            pruned=weight.name in self.names,
            median_magnitude=self.magnitudes.get(weight.name),
            kept_if_ranked_now=self.previews.get(weight.name),
            positions=self.positions.get(weight.name),
        ) for weight in self.weights]
        return dict(
            version=1,
            parameters=self.parameters,
            scope_size=self.scope_size,
            tensors=tensors,
            rounds=self.rounds(),
            multiply_adds=self.multiply_adds,
            note=self.note,
            not_loaded=self.not_loaded,
            collapsed=self.collapsed,
        )

    def format(self) -> str:
        """Draw the tables: every tensor, then every planned round."""
        tensors = scope.format_weights(self.weights, self.names, self.magnitudes, self.previews)
        total = (f'scope: {self.scope_size:,} weights in {len(self.names)} tensors; '
                 f'model: {self.parameters:,} parameters')
        rows = [[str(r['round']), f'{r["kept"]:,}', f'{r["sparsity"]:.2%}',
                 f'{r["network_sparsity"]:.2%}'] for r in self.rounds()]
        rounds = format_table(['round', 'kept', 'sparsity of scope', 'of network'], rows)
        cost = ''
        if self.multiply_adds:
            kept, dense = self.multiply_adds['kept'], self.multiply_adds['dense']
            cost = (f'multiply-adds of one image: {dense:,.0f} if dense, {kept / dense:.1%} of '
                    'them if ranked now')
        warning = ''
        if self.collapsed:
            warning = f'warning: if ranked now, {describe_collapse(self.collapsed)}'
        note = f'note: {self.note}' if self.note else ''
        parts = [self.not_loaded, tensors, total, rounds, cost, warning, note]
        return '\n\n'.join(filter(None, parts))


def plan(
    net: Net, settings: IMPConfig, positions: Mapping[str, float] | None = None,
) -> Preflight:
    """Plan every round of a job on a model.

    Args:
        net: With its initial weights.
        settings: Of the job.
        positions: As that of :class:`Preflight`; None or {} if no image was traced.

    Raises:
        ValueError: The scope is empty or unknown, a minimum can't be met, or a given ticket is of
            another scope.
    """
    names = net.choose(settings)
    found = Preflight(
        weights=net.weights,
        names=names,
        parameters=net.parameters,
        densities=settings.densities(),
        shared=net.shared,
        groups=net.groups,
        positions=dict(positions or {}),
        note='; '.join(notes_of(net, settings, names, positions or {})),
        not_loaded=net.note,
    )
    check_pattern(settings.allocation, found.densities, found.shapes, settings.min_kept)
    if settings.ticket:
        check_ticket(settings, found.shapes, net.model.state_dict())
    if net.note:
        return found
    return _with_initial(found, net, settings)


def _with_initial(found: Preflight, net: Net, settings: IMPConfig) -> Preflight:
    """Measure w_0: fresh heads look small beside pretrained convolutions and may be emptied."""
    state = net.state
    # numpy's median partitions, which is several times faster than torch's.
    magnitudes = {w.name: float(np.median(state[w.name].abs().float().numpy()))
                  for w in found.weights}
    masks = ranked_now(found, state, settings, found.densities[-1])
    previews = {name: count_kept(mask) / mask.numel() for name, mask in masks.items()}
    sizes = {weight.name: weight.size for weight in found.weights}
    costs = multiply_adds(found.positions, sizes, masks) if masks else {}
    return replace(found, magnitudes=magnitudes, previews=previews, multiply_adds=costs,
                   collapsed=collapsed(previews, found.densities[-1]))


def ranked_now(
    found: Preflight, state: Mapping[str, Tensor], settings: IMPConfig, density: float,
) -> Masks:
    """Return the masks that pruning the initial weights to a density would give.

    Args:
        found: The plan.
        state: Initial weights by name.
        settings: Of the job.
        density: Kept share of the scope, in (0, 1].

    Returns:
        {} where the criterion scores changes, of which there are none yet, or takes costs and no
        image was traced.

    Raises:
        ValueError: A minimum can't be met, or a weight isn't finite.
    """
    weights = scope.weights_of(state, found.names)
    costs = costs_of(found.positions, weights)
    if not costs and criteria.takes(settings.criterion, 'costs'):
        return {}
    scores = criteria.score(settings.criterion, weights, weights, settings.seed, costs=costs,
                            cost_exponent=settings.cost_exponent)
    if not any(score.any() for score in scores.values()):
        return {}
    with quiet():
        return selection.select(scores, dense_masks(weights), density,
                                allocation=settings.allocation, min_kept=settings.min_kept)
