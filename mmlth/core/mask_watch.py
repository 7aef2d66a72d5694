"""Look at the mask that pruning now would give: compute it, compare it, keep what was seen."""
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from mmlth.core import criteria, mask_history, scope, selection
from mmlth.core.choices import COST_EXPONENT
from mmlth.core.mask_coding import pack_all, unpack_all
from mmlth.core.masks import Masks, Weights, count_each, dense_masks, density as density_of, kept
from mmlth.core.overlap import count_overlap, describe, describe_each
from mmlth.core.positions import costs_of, read_positions
from mmlth.core.quiet import quiet
from mmlth.core.ticket import load_ticket, load_weights

MASK_FILES = 25  # stored by a whole training for the comparison with its final mask


@dataclass(kw_only=True)
class MaskWatch:
    """Score and select as the pruning after a training will, on copies of its weights.

    Only rank 0 watches.

    Attributes:
        folder: Where the looks go (``docs/early_bird.md``).
        density: Kept share of the scope after the pruning to come, in (0, 1).
        names: Tensors of the scope, for a dense training; or None.
        ticket: Ticket file that is trained, whose masks bound the new ones; or None.
        rewind: File of w_k; only criteria that take initial weights need it.
        positions: File of positions (:func:`mmlth.core.positions.read_positions`); only criteria
            that take costs need it.
        criterion, cost_exponent, allocation, min_kept, seed: As the pruning has them.
        patience: Earlier masks that a new one is compared with.
        past: step -> mask of the last ``patience`` looks.

    Raises:
        ValueError: Settings that contradict, or outside what is allowed.
    """

    folder: Path
    density: float
    names: tuple[str, ...] | None = None
    ticket: str | None = None
    rewind: str | None = None
    positions: str | None = None
    criterion: str = 'magnitude'
    cost_exponent: float = COST_EXPONENT
    allocation: str = 'global'
    min_kept: float = 1
    seed: int = 0
    patience: int = 5
    past: dict[int, Masks] = field(default_factory=dict)

    def __post_init__(self) -> None:
        criteria.check_criterion(self.criterion)
        selection.check_allocation(self.allocation)
        if not 0 < self.density < 1:
            raise ValueError(f'early_bird: density={self.density!r} must be in (0, 1): the density '
                             'after pruning')
        if (self.names is None) == (self.ticket is None):
            raise ValueError('early_bird: give either names (of a dense training) or ticket')
        for needed, key in (('initial', 'rewind'), ('costs', 'positions')):
            if criteria.takes(self.criterion, needed) and getattr(self, key) is None:
                raise ValueError(f'early_bird: criterion={self.criterion!r} takes {needed}, so '
                                 f'{key} must name their file')
        self._old: Masks = {}
        self._alive: dict[str, int] = {}
        self._initial: Weights | None = None

    def begin(self, model: nn.Module, done: int) -> None:
        """Find the masks that bound the new ones; start the folder, or cut it back to a resume.

        Args:
            model: The plain model that is trained.
            done: Steps done already; 0 starts anew.

        Raises:
            ValueError: Names, ticket or density don't fit the model.
        """
        weights = dict(model.named_parameters())
        old = load_ticket(self.ticket).masks if self.ticket is not None else None
        missing = [name for name in old or self.names or () if name not in weights]
        if missing:
            raise ValueError(f'early_bird: the model has no parameters {missing[:5]}. Were the '
                             'names or the ticket made for another model?')
        self._old = old or dense_masks({name: weights[name] for name in self.names or ()})
        trained = density_of(self._old)
        if self.density > trained:
            raise ValueError(f'early_bird: density={self.density} is above {trained:.4g}, the '
                             'density of the masks that are trained')
        self._alive = count_each(self._old)
        mask_history.forget_after(self.folder, done or -1)

    def masks(self, model: nn.Module, *, captured: bool) -> Masks:
        """Prune a copy of a model's weights as a checkpoint with them would be pruned.

        Args:
            model: With the weights that would be evaluated.
            captured: Whether w_k is there already, for criteria that compare with it.
        """
        parameters = dict(model.named_parameters())
        weights = {name: parameters[name].detach().cpu() for name in self._old}
        initial = self._w_k(weights) if captured else weights
        scores = criteria.score(self.criterion, weights, initial, self.seed,
                                costs=self._costs(weights), cost_exponent=self.cost_exponent)
        with quiet():
            return selection.select(scores, self._old, self.density, allocation=self.allocation,
                                    min_kept=self.min_kept)

    def compare(self, masks: Masks) -> list[dict[str, Any]]:
        """Compare a mask with those before it.

        Returns:
            A row for each earlier one, the newest last (:func:`mmlth.core.overlap.describe`), with
            its ``step`` and its ``layers``.
        """
        rows = []
        for step, past in self.past.items():
            counts = count_overlap(masks, past, self._alive)
            total = describe(*counts.values())
            rows.append(dict(step=step, **total, layers=describe_each(counts)))
        return rows

    def remember(
        self, masks: Masks, step: int, steps: int, rows: list[dict[str, Any]], *, store: bool,
    ) -> None:
        """Log a mask and keep it for the looks to come.

        Args:
            masks: Of this step.
            step: Optimizer steps done.
            steps: Of the whole training.
            rows: Of :meth:`compare`.
            store: Whether to keep it in a file too.
        """
        previous = [{key: value for key, value in row.items() if key != 'layers'} for row in rows]
        mask_history.append_look(self.folder, dict(
            step=step, max_iters=steps, kept=kept(masks), previous=previous,
            layers=rows[-1]['layers'] if rows else {}))
        if store:
            mask_history.save_masks(self.folder, mask_history.StoredMasks(
                step=step, max_iters=steps, alive=self._alive, masks=masks))
        self.past[step] = masks
        for old in list(self.past)[:-self.patience]:
            del self.past[old]

    def history(self) -> dict[int, dict[str, Any]]:
        """Return the past masks coded, as a checkpoint keeps them."""
        return {step: pack_all(masks) for step, masks in self.past.items()}

    def take_up(self, history: dict[int, dict[str, Any]]) -> None:
        """Take up the past from a checkpoint; after :meth:`begin`."""
        shapes = {name: mask.shape for name, mask in self._old.items()}
        self.past = {step: unpack_all(streams, shapes) for step, streams in history.items()}

    def _costs(self, weights: Weights) -> dict[str, float]:
        if self.positions is None or not criteria.takes(self.criterion, 'costs'):
            return {}
        return costs_of(read_positions(self.positions), weights)

    def _w_k(self, weights: Weights) -> Weights:
        if not criteria.takes(self.criterion, 'initial'):  # spares a copy
            return weights
        if self._initial is None:
            self._initial = scope.weights_of(load_weights(str(self.rewind)), list(weights))
        return self._initial


def is_stored(index: int, looks: int) -> bool:
    """Pick about ``MASK_FILES`` of all looks, evenly."""
    share = MASK_FILES / max(1, looks)
    return int(index * share) > int((index - 1) * share)
