"""How often a detector uses each of its weights for one image, and what that costs."""
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mmlth.core.files import read_json
from mmlth.core.masks import Tensors, count_kept

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


class PositionCounter:
    """Count, in a ``with`` block, at how many positions every weight is used.

    A weight of a convolution is used once a position of its output (of its input, if transposed),
    one of a linear layer once a row; a layer that runs several times, on several levels of a
    pyramid or on every proposal, counts each time. Weights that a module other than their own
    multiplies with, such as those inside of torch's ``MultiheadAttention``, aren't counted.

    Args:
        model: A detector, whose ``predict`` returns a list of as many results as images.
    """

    def __init__(self, model: nn.Module) -> None:
        self._used: Counter[str] = Counter()
        self._sizes: dict[str, int] = {}
        self._images = 0
        self._handles: list[RemovableHandle] = [model.register_forward_hook(self._after_model)]
        for name, module in model.named_modules():
            weight = getattr(module, 'weight', None)
            if not isinstance(weight, nn.Parameter) or isinstance(module, nn.Embedding):
                continue
            if weight.dim() > 1:
                self._watch(f'{name}.weight', module, weight)

    def __enter__(self) -> 'PositionCounter':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for handle in self._handles:
            handle.remove()

    def _watch(self, name: str, module: nn.Module, weight: Tensor) -> None:
        self._sizes[name] = weight.numel()
        channels = weight.shape[0]

        def after(module: nn.Module, inputs: Any, output: Any) -> None:
            places = inputs[0] if isinstance(module, _TRANSPOSED) else output
            if isinstance(places, Tensor):
                self._used[name] += places.numel() // channels

        self._handles.append(module.register_forward_hook(after))

    def _after_model(self, model: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, (list, tuple)):
            self._images += len(output)

    def mean(self) -> dict[str, list[float]]:
        """Return name -> [positions an image, weights of the tensor] of what was used at all."""
        return {name: [count / self._images, self._sizes[name]]
                for name, count in self._used.items()} if self._images else {}


def positions_of(
    counted: Mapping[str, Sequence[float]], shared: Mapping[str, str], names: Sequence[str],
) -> dict[str, float]:
    """Return name -> positions an image at which each weight of a tensor is used; 0 if at none.

    Args:
        counted: Of :meth:`PositionCounter.mean`.
        shared: Other names of tied weights, and copies that follow a net -> name that counts.
        names: Of the tensors that are asked for.

    >>> positions_of({'a': [4, 9], 'b': [2, 9], 'c': [1, 5]}, {'b': 'a'}, ['a', 'd'])
    {'a': 6.0, 'd': 0.0}
    """
    found = dict.fromkeys(names, 0.0)
    for name, (count, _) in counted.items():
        owner = shared.get(name, name)
        if owner in found:
            found[owner] += count
    return found


def read_positions(path: str | Path) -> dict[str, float]:
    """Read what a job keeps of :func:`positions_of`.

    Raises:
        ValueError: The file is damaged.
    """
    found = read_json(path)
    if not isinstance(found, dict) or any(type(count) is not float for count in found.values()):
        raise ValueError(f'{path} does not tell positions of weights: damaged or foreign. Remove '
                         'it to have them counted again')
    return found


def costs_of(positions: Mapping[str, float], weights: Tensors) -> dict[str, float]:
    """Return what a weight of each tensor costs, in positions, as criteria take it.

    A tensor that no traced image used counts as the average weight of the others: it is neither
    favoured nor pruned for that.

    Args:
        positions: Of :func:`positions_of`; {} if nothing was traced.
        weights: The tensors of the scope.

    Returns:
        {} where none of them was used.

    >>> import torch
    >>> weights = dict(a=torch.ones(1), b=torch.ones(5), c=torch.ones(2))
    >>> costs_of({'a': 8., 'b': 2., 'c': 0.}, weights)
    {'a': 8.0, 'b': 2.0, 'c': 3.0}
    """
    used = {name: positions[name] for name in weights if positions.get(name)}
    if not used:
        return {}
    total = sum(weights[name].numel() for name in used)
    average = sum(count * weights[name].numel() for name, count in used.items()) / total
    return {name: used.get(name, average) for name in weights}


def multiply_adds(
    positions: Mapping[str, float], sizes: Mapping[str, int], masks: Tensors,
) -> dict[str, float]:
    """Return the multiply-adds of one image, ``dense`` and of ``kept`` weights.

    Args:
        positions: Of :func:`positions_of`.
        sizes: name -> weights of every tensor that was counted.
        masks: name -> bool tensor, True = kept; tensors without one keep all.

    Returns:
        {} where nothing was counted.

    >>> import torch
    >>> multiply_adds(dict(a=10., b=1.), dict(a=2, b=3), dict(a=torch.tensor([True, False])))
    {'kept': 13.0, 'dense': 23.0}
    """
    if not any(positions.values()):
        return {}
    kept = {name: count_kept(mask) for name, mask in masks.items()}
    return dict(
        kept=sum(count * kept.get(name, sizes[name]) for name, count in positions.items()),
        dense=sum(count * sizes[name] for name, count in positions.items()))
