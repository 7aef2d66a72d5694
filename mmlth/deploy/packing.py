"""Kept weights in the order in which the kernel streams them, and the shape of its work."""
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Pair = tuple[int, int]

# Floats of the input's copy and of the sums that stay in the second level of a core's cache.
_NEAR_FLOATS = 1 << 18
_MOST_CHUNK = 64
# Longer than the output a row may be to begin at a register, or at half of one; found by trial.
_MOST_ROW, _MOST_HALF_ROW = 1.15, 1.3


@dataclass(frozen=True, kw_only=True)
class Blocking:
    """How the work is cut; no result depends on it beyond rounding.

    Attributes:
        tile: Vector registers of positions that stay in registers, at least 1.
        block: Input channels copied at once, at least 1.
    """

    tile: int
    block: int


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """What a convolution is besides its weights, as ``nn.Conv2d`` calls it."""

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int
    channels: int
    out_channels: int

    def out_width(self, width: int) -> int:
        """Return the columns of the output of an input ``width`` columns wide."""
        reach = self.dilation[1] * (self.kernel[1] - 1) + 1
        return (width + 2 * self.padding[1] - reach) // self.stride[1] + 1

    def row(self, out_width: int, lanes: int) -> int:
        """Return the positions that a row of the output takes while it is computed.

        Some that the output hasn't got cost less than reading across the ends of registers, as
        rows above each other do where their length is no multiple of a register's.

        Args:
            out_width: Columns of the output.
            lanes: Floats of a register.
        """
        if self.kernel[0] == 1:
            return out_width
        for multiple, most in ((lanes, _MOST_ROW), (lanes // 2, _MOST_HALF_ROW)):
            length = -(-out_width // multiple) * multiple
            if length <= most * out_width:
                return length
        return out_width

    def numbers(self, blocking: Blocking, row: int, lanes: int) -> list[int]:
        """List what ``sparse.cpp`` takes as its geometry."""
        return [*self.kernel, *self.stride, *self.padding, *self.dilation, self.groups,
                self.channels, self.out_channels, blocking.block, blocking.tile,
                self._chunk(blocking, row, lanes), row]

    def _chunk(self, blocking: Blocking, row: int, lanes: int) -> int:
        """Return of how many tiles the input is copied at once: as the cache holds, sums too."""
        phases = self.stride[0] if self.kernel[0] > 1 else 1
        lines = min(blocking.block, self.channels // self.groups) * self.kernel[1] * phases
        halo = (self.kernel[0] - 1) * self.dilation[0] // self.stride[0] * row
        outs = self.out_channels // self.groups
        tiles = (_NEAR_FLOATS - lines * halo) // ((lines + outs) * blocking.tile * lanes)
        return min(max(tiles, 1), _MOST_CHUNK)


@dataclass(frozen=True, kw_only=True)
class Packed:
    """The kept weights of a convolution.

    Within a group and block, output channels stand in the order of how many weights they keep: a
    processor foretells the end of a loop that ran as often before.

    Attributes:
        values: float32 vector, ordered by group, block of input channels, output channel.
        taps: int32 vector: (channel in its block * rows + row) * columns + column of each.
        starts: int64 vector: where the values of each (group, block, output channel) begin, and
            the end of all.
        order: int32 vector, likewise: which output channel of its group that is.
    """

    values: Tensor
    taps: Tensor
    starts: Tensor
    order: Tensor


def geometry_of(conv: nn.Conv2d) -> Geometry | None:
    """Return the geometry of a convolution, or None where the kernel doesn't serve it.

    It doesn't serve depthwise ones, which have nothing to skip, nor paddings by other than zeros.
    """
    if conv.padding_mode != 'zeros' or isinstance(conv.padding, str):
        return None
    if conv.groups > 1 and conv.groups == conv.in_channels:
        return None
    return Geometry(
        kernel=_pair(conv.kernel_size), stride=_pair(conv.stride), padding=_pair(conv.padding),
        dilation=_pair(conv.dilation), groups=conv.groups, channels=conv.in_channels,
        out_channels=conv.out_channels)


def geometry_of_linear(linear: nn.Linear) -> Geometry:
    """Return the geometry of a linear layer: a 1x1 convolution over its rows."""
    return Geometry(kernel=(1, 1), stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1,
                    channels=linear.in_features, out_channels=linear.out_features)


def _pair(values: tuple[int, ...]) -> Pair:
    first, second = values
    return first, second


def pack(weight: Tensor, groups: int, block: int) -> Packed:
    """Take the weights that aren't zero out of a convolution's weight.

    Args:
        weight: O x I / groups x rows x columns, float32.
        groups: Of the convolution; divides O.
        block: Input channels of a block (:class:`Blocking`).

    >>> packed = pack(torch.tensor([[6., 5.], [7., 0.]])[..., None, None], groups=1, block=2)
    >>> packed.values.tolist(), packed.taps.tolist()
    ([7.0, 6.0, 5.0], [0, 0, 1])
    >>> packed.starts.tolist(), packed.order.tolist()
    ([0, 1, 3], [1, 0])
    """
    outs, channels, rows, columns = weight.shape
    blocks = -(-channels // block)
    whole = weight.new_zeros(outs, blocks * block, rows, columns)
    whole[:, :channels] = weight
    split = whole.reshape(groups, outs // groups, blocks, block * rows * columns).transpose(1, 2)
    order = split.count_nonzero(-1).argsort(dim=-1, stable=True)  # groups x blocks x outs
    lines = split.gather(2, order[..., None].expand_as(split)).flatten(0, 2)
    line, taps = lines.nonzero(as_tuple=True)
    counts = torch.bincount(line, minlength=len(lines))
    starts = torch.zeros(len(lines) + 1, dtype=torch.int64)
    starts[1:] = counts.cumsum(0)
    return Packed(values=lines[line, taps].contiguous(), taps=taps.int(), starts=starts,
                  order=order.flatten().int())
