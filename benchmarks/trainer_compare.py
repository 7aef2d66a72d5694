"""What two trainings of trainer_cell.py showed, side by side."""
import json
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mmlth.core.masks import Masks, Weights, apply


@dataclass
class Seen:
    """What a training showed: states by the place they were seen at, and metrics in order."""

    states: dict[str, Weights] = field(default_factory=dict)
    metrics: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What two trainings came to.

    Attributes:
        revived: Places at which a pruned weight wasn't exactly zero with mmlth.
        difference: Largest difference of any weight or buffer anywhere, in units of the largest of
            its tensor.
        same_metrics: Whether all evaluations gave the same.
        places: How many states were compared.
        evaluations: How many evaluations were compared.
    """

    revived: tuple[str, ...]
    difference: float
    same_metrics: bool
    places: int
    evaluations: int

    @property
    def equal(self) -> bool:
        """Whether both trainings are the same bit for bit, zeros included."""
        return not self.revived and self.difference == 0 and self.same_metrics

    def text(self, tolerance: float) -> str:
        """Say it as the table does."""
        if self.revived:
            return f'REVIVED in {len(self.revived)} places'
        if self.equal:
            return 'equal'
        close = self.difference <= tolerance and (self.same_metrics or tolerance)
        return f'{"<=" if close else "DIFFERS by"} {self.difference:.0e}'


def compare(found: Seen, reference: Seen, masks: Masks) -> Cell:
    """Compare what two trainings showed; pruned weights of the reference count as zero.

    Raises:
        ValueError: They didn't show the same places.
    """
    if found.states.keys() != reference.states.keys():
        raise ValueError(f'only one side saw {found.states.keys() ^ reference.states.keys()}')
    revived = tuple(
        f'{name} {place}' for place, state in found.states.items()
        for name, mask in masks.items() if state[name][~mask].any())
    difference = max(
        _difference(state[name], tensor)
        for place, state in found.states.items()
        for name, tensor in apply(masks, reference.states[place]).items())
    return Cell(
        revived=revived,
        difference=difference,
        same_metrics=json.dumps(found.metrics) == json.dumps(reference.metrics),
        places=len(found.states),
        evaluations=len(found.metrics),
    )


def _difference(a: Tensor, b: Tensor) -> float:
    if torch.equal(a, b):
        return 0.0
    a, b = a.double(), b.double()
    difference = float((a - b).abs().max() / b.abs().max())
    return difference if difference == difference else float('inf')
