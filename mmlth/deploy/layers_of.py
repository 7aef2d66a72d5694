"""Find, in any detector, the layers that the engine may take over."""
from collections import Counter
from collections.abc import Iterator
from typing import Any

from mmcv.cnn import Conv2d, ConvModule, Linear
from torch import nn

from mmlth.deploy.packing import geometry_of

# Exact types: subclasses of torch's compute something else, or hand their weight to others.
CONVOLUTIONS = (nn.Conv2d, Conv2d)
LINEARS = (nn.Linear, Linear)
_LEAST_SPARSITY = 0.3  # with fewer zeros than these no kernel has gained anything


def sparse_candidates(model: nn.Module) -> dict[str, nn.Module]:
    """Return name -> layer, for those that have zeros to skip and a kernel that can.

    A layer with several names comes once, under the first of them.
    """
    return {name: module for name, module in model.named_modules()
            if is_served(module) and sparsity_of(module) >= _LEAST_SPARSITY}


def is_served(module: Any) -> bool:
    """Tell whether a kernel can take over for a layer."""
    if type(module) in CONVOLUTIONS:
        return geometry_of(module) is not None
    return type(module) in LINEARS


def sparsity_of(layer: Any) -> float:
    """Return zeros / weights of a layer."""
    kept: int = layer.weight.count_nonzero().item()
    return 1 - kept / layer.weight.numel()


def uses(model: nn.Module) -> Counter[int]:
    """Count in how many places every module stands, by id."""
    return Counter(id(child) for _, _, child in places(model))


def places(model: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    """Yield (parent, name in it, module) for every place in which a module stands."""
    for parent in model.modules():
        for name, child in parent._modules.items():
            if child is not None:
                yield parent, name, child


def is_conv_module(module: nn.Module) -> bool:
    """Tell whether a module runs as mmcv's ConvModule does."""
    return isinstance(module, ConvModule) and type(module).forward is ConvModule.forward


def follows(module: ConvModule, first: str, second: str) -> bool:
    """Tell whether a ConvModule runs one part ('conv', 'norm', 'act') right after another."""
    order = list(module.order)
    return order.index(second) == order.index(first) + 1
