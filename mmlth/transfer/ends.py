"""The two ends of a transfer as values: what is carried, and the model that takes it."""
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from mmlth.core.masks import Masks, Weights, shared_with

UNKNOWN = 'unknown'  # group of a tensor that the source says nothing of


@dataclass(frozen=True, kw_only=True)
class Source:
    """Masks, values and facts of what is carried.

    Attributes:
        masks: name -> bool tensor, True = kept; each tensor once.
        weights: name -> tensor: parameters and buffers; empty if they aren't known.
        judge: Weights that the masks were made from, more or less, for the report to compare them
            with; None takes ``weights``. Trained ones don't do: their pruned weights are zero
            whatever chose them.
        shared: name -> name of the tensor whose mask it takes, as in a ticket.
        groups: name -> group, as in a ticket.
        facts: What the report and the new ticket's provenance say of the source, as JSON.
    """

    masks: Masks
    weights: Weights = field(default_factory=dict)
    judge: Weights | None = None
    shared: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def all_masks(self) -> Masks:
        """Masks under every name of their tensors."""
        return shared_with(self.masks, self.shared)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every name of every tensor, those with a mask first."""
        return tuple(dict.fromkeys([*self.all_masks, *self.weights]))

    def owner(self, name: str) -> str:
        """Return the first name of a tensor."""
        return self.shared.get(name, name)

    def group(self, name: str) -> str:
        """Return the group of a tensor, :data:`UNKNOWN` where the source doesn't tell it."""
        return self.groups.get(self.owner(name), UNKNOWN)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor."""
        found = self.all_masks.get(name)
        return tuple(self.weights[name].shape if found is None else found.shape)


@dataclass(frozen=True, kw_only=True)
class Target:
    """The model that takes a ticket.

    Attributes:
        shapes: name -> shape of its whole state, parameters and buffers, in order.
        scope: Names of the tensors that its ticket has masks for.
        parameters: Number of its parameters.
        groups: name -> group of everything in its state.
        shared: name -> name of the tensor whose mask and values it takes: tied weights, and copies
            that follow another net.

    >>> Target(shapes={'a': (1, ), 'b': (1, )}, scope=('a', ), parameters=1, groups={},
    ...        shared={'b': 'a'}).names
    {'a': ('a', 'b')}
    """

    shapes: Mapping[str, tuple[int, ...]]
    scope: tuple[str, ...]
    parameters: int
    groups: Mapping[str, str]
    shared: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def names(self) -> dict[str, tuple[str, ...]]:
        """First name of every tensor -> all its names, copies that follow it included."""
        found = {name: [name] for name in self.shapes if name not in self.shared}
        for other, owner in self.shared.items():
            found[owner].append(other)
        return {name: tuple(names) for name, names in found.items()}
