"""Which layer runs how on one machine: measured once, kept as JSON."""
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from mmlth.deploy.layers import SparseConv2d, SparseLinear
from mmlth.deploy.layers_of import LINEARS, is_conv_module, places, uses
from mmlth.deploy.packing import Blocking
from mmlth.engine.machine import describe_machine, instruction_sets

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class LayerPlan:
    """What was measured of a layer, summed over its calls in one forward pass.

    Attributes:
        kept, weights: Of its weight.
        shapes: Of its inputs, one for each call.
        torch_ms, sparse_ms: The least of a few repetitions; of the fastest blocking.
        tile, block: That blocking (:class:`mmlth.deploy.packing.Blocking`).
        sparse: Whether the sparse kernel runs it.
    """

    kept: int
    weights: int
    shapes: tuple[Shape, ...]
    torch_ms: float
    sparse_ms: float
    tile: int
    block: int
    sparse: bool

    @property
    def blocking(self) -> Blocking:
        return Blocking(tile=self.tile, block=self.block)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The plans of a detector's layers, by name, and what they were measured on."""

    processor: str
    threads: int
    layers: dict[str, LayerPlan]

    @property
    def is_of_this_machine(self) -> bool:
        """Tell whether it was measured on such a processor with as many threads as now."""
        return dict(processor=self.processor, threads=self.threads) == this_machine()

    @property
    def shapes(self) -> dict[str, tuple[Shape, ...]]:
        """name -> shapes of the inputs of its calls."""
        return {name: layer.shapes for name, layer in self.layers.items()}

    def to_json(self) -> dict[str, Any]:
        """Return it as :func:`plan_of_json` reads it."""
        return asdict(self)


def this_machine() -> dict[str, Any]:
    """Return what a plan depends on: ``processor``, with a digest of what it can do; ``threads``.

    Some processors of other instruction sets have the same name.
    """
    found = describe_machine()
    digest = hashlib.sha256(instruction_sets().encode()).hexdigest()[:8]
    return dict(processor=f'{found["processor"]} ({digest})', threads=found['threads'])


def plan_of_json(values: Any) -> Plan:
    """Return the plan that :meth:`Plan.to_json` made values of.

    Raises:
        ValueError: They are other values.
    """
    try:
        layers = {name: _layer_of_json(layer) for name, layer in values['layers'].items()}
        return Plan(processor=str(values['processor']), threads=int(values['threads']),
                    layers=layers)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f'no plan of layers ({type(error).__name__}: {error})') from error


def _layer_of_json(values: dict[str, Any]) -> LayerPlan:
    shapes = tuple(tuple(map(int, shape)) for shape in values['shapes'])
    return LayerPlan(**{**values, 'shapes': shapes})


def follow(model: nn.Module, plans: Mapping[str, LayerPlan]) -> int:
    """Replace the layers that are planned to be sparse; return how many.

    A ReLU that mmcv's ConvModule runs right after such a convolution becomes part of it.

    Args:
        model: Folded; changed in place.

    Raises:
        ValueError: A layer of the plan isn't in the model.
    """
    modules = dict(model.named_modules())
    unknown = sorted(set(plans) - set(modules))
    if unknown:
        raise ValueError(f'the plan has layers that the model lacks: {unknown[:3]}')
    count = uses(model)
    chosen = {id(modules[name]): plan for name, plan in plans.items() if plan.sparse}
    replaced: dict[int, nn.Module] = {}
    for parent, name, child in list(places(model)):
        if id(child) in chosen:
            if id(child) not in replaced:
                relu = count[id(child)] == 1 and _takes_relu(parent, name)
                replaced[id(child)] = sparse_layer(child, chosen[id(child)].blocking, relu)
            parent._modules[name] = replaced[id(child)]
    return len(replaced)


def sparse_layer(
    layer: nn.Module, blocking: Blocking, relu: bool = False,
) -> SparseConv2d | SparseLinear:
    """Return the sparse layer that does the work of a convolution or linear layer."""
    kind: Any = SparseLinear if type(layer) in LINEARS else SparseConv2d
    made: SparseConv2d | SparseLinear = kind(layer, blocking, relu).eval()
    return made


def _takes_relu(parent: Any, name: str) -> bool:
    """Take the ReLU out of a ConvModule that runs it right after this convolution, if it does."""
    if name != 'conv' or not is_conv_module(parent) or not parent.with_activation:
        return False
    between = [part for part in parent.order[parent.order.index('conv') + 1:]
               if part != 'norm' or (parent.with_norm and type(parent.norm) is not nn.Identity)]
    if between[:1] != ['act'] or type(parent.activate) is not nn.ReLU:
        return False
    parent.activate = nn.Identity()
    return True
