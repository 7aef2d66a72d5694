"""How often a detector uses each of its weights for one image."""
from collections import Counter
from typing import Any

from torch import Tensor, nn

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


class PositionCounter:
    """Count, over the images of a test, at how many positions every weight is used.

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
        model.register_forward_hook(self._after_model)
        for name, module in model.named_modules():
            weight = getattr(module, 'weight', None)
            if not isinstance(weight, nn.Parameter) or isinstance(module, nn.Embedding):
                continue
            if weight.dim() > 1:
                self._watch(f'{name}.weight', module, weight)

    def _watch(self, name: str, module: nn.Module, weight: Tensor) -> None:
        self._sizes[name] = weight.numel()
        channels = weight.shape[0]

        def after(module: nn.Module, inputs: Any, output: Any) -> None:
            places = inputs[0] if isinstance(module, _TRANSPOSED) else output
            if isinstance(places, Tensor):
                self._used[name] += places.numel() // channels

        module.register_forward_hook(after)

    def _after_model(self, model: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, (list, tuple)):
            self._images += len(output)

    def mean(self) -> dict[str, list[float]]:
        """Return name -> [positions an image, weights of the tensor] of what was used at all."""
        return {name: [count / self._images, self._sizes[name]]
                for name, count in self._used.items()} if self._images else {}
