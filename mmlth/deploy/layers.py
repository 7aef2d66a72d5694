"""Layers that skip the zeros of their weights: for inference, in float32, on the CPU."""
import torch
from torch import Tensor, nn

from mmlth.deploy.kernel import operators
from mmlth.deploy.packing import Blocking, Geometry, geometry_of, geometry_of_linear, pack

_MOST_WIDTHS = 32  # of inputs whose offsets are remembered; images of a data set have few


class SparseConv2d(nn.Module):
    """A convolution with many zeros, as ``nn.Conv2d`` computes it up to rounding.

    Gives no gradients. May be called by several threads at once.

    Args:
        conv: What to compute; its weight is copied.
        blocking: How to cut the work.
        relu: Whether to follow it with max(0, x).

    Raises:
        ValueError: The kernel doesn't serve ``conv`` (:func:`mmlth.deploy.packing.geometry_of`).
    """

    def __init__(self, conv: nn.Conv2d, blocking: Blocking, relu: bool = False):
        super().__init__()
        geometry = geometry_of(conv)
        if geometry is None:
            raise ValueError(f'no sparse kernel for {conv}: it is depthwise or padded otherwise')
        self.kernel = SparseKernel(conv.weight, conv.bias, geometry, blocking)
        self.in_channels, self.out_channels = conv.in_channels, conv.out_channels
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        """Return N x O x H' x W' of N x C x H x W, float32.

        Raises:
            RuntimeError: Another type, device or number of channels, or an empty output.
        """
        return self.kernel(x, self.relu)

    def extra_repr(self) -> str:
        return f'{self.in_channels}, {self.out_channels}, relu={self.relu}'


class SparseLinear(nn.Module):
    """A linear layer with many zeros, as ``nn.Linear`` computes it up to rounding.

    Gives no gradients. May be called by several threads at once.
    """

    def __init__(self, linear: nn.Linear, blocking: Blocking, relu: bool = False):
        super().__init__()
        weight = linear.weight[..., None, None]
        self.kernel = SparseKernel(weight, linear.bias, geometry_of_linear(linear), blocking)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        """Return ... x O of ... x C, float32; raises RuntimeError for others."""
        shape = (*x.shape[:-1], self.out_features)
        if not x.numel():
            return x.new_zeros(shape)
        out: Tensor = self.kernel(x.reshape(-1, x.shape[-1]), self.relu)
        return out.t().contiguous().view(shape)  # heads of MMDet take views of it

    def extra_repr(self) -> str:
        return f'{self.in_features}, {self.out_features}, relu={self.relu}'


class SparseKernel(nn.Module):
    """Packed weights and the call of the kernel; what both layers have in common.

    Args:
        weight: O x I / groups x rows x columns, float32.
        bias: O, float32, or None.
    """

    values: Tensor
    taps: Tensor
    starts: Tensor
    order: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None, geometry: Geometry, blocking: Blocking):
        super().__init__()
        self.geometry, self.blocking = geometry, blocking
        packed = pack(weight.detach(), geometry.groups, blocking.block)
        self.register_buffer('values', packed.values)
        self.register_buffer('taps', packed.taps)
        self.register_buffer('starts', packed.starts)
        self.register_buffer('order', packed.order)
        biases = weight.new_zeros(len(weight)) if bias is None else bias.detach().clone()
        self.register_buffer('bias', biases)
        self._offsets: dict[int, Tensor] = {}

    @torch.no_grad()
    def forward(self, x: Tensor, relu: bool) -> Tensor:
        """Return N x O x H' x W' of N x C x H x W, or O x R of the matrix R x C."""
        is_matrix = x.dim() == 2
        lanes = operators().lanes()
        out_width = x.shape[0] if is_matrix else self.geometry.out_width(x.shape[-1])
        row = self.geometry.row(max(out_width, 1), lanes)  # the kernel refuses empty outputs
        numbers = self.geometry.numbers(self.blocking, row, lanes)
        # Rows of a single tap don't reach into others, so their length doesn't matter.
        key = row if self.geometry.kernel[0] > 1 else 0
        offsets = self._offsets.get(key)
        if offsets is None:
            offsets = operators().offsets(self.taps, numbers)
            if len(self._offsets) >= _MOST_WIDTHS:
                self._offsets = {}
            self._offsets[key] = offsets
        run = operators().linear if is_matrix else operators().conv2d
        result: Tensor = run(
            x, self.values, offsets, self.starts, self.order, self.bias, numbers, relu)
        return result
