"""From raw head tensors to boxes and keypoints in input pixels: the arithmetic that all YOLO heads share.

Sizes go into reshapes as plain numbers (with -1 for the batch), so that an exported graph computes no shapes.
"""

import warnings
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

STRIDES = (8, 16, 32)


def sizes(x: Tensor) -> tuple[int, ...]:
    """Return the sizes of x behind the batch as plain numbers.

    A traced export bakes them in, on purpose: an engine is built for one size, and anchors that are constants cost
    nothing at run time. An engine with another size then fails by its shapes; it cannot be silently wrong.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        return tuple(int(size) for size in x.shape[1:])


def flatten(branches: Iterable[nn.Module], maps: Sequence[Tensor]) -> Tensor:
    """Run one branch on each map and join the cells: (N, C, A), finest map first, row by row."""
    parts = []
    for branch, x in zip(branches, maps, strict=True):
        y = branch(x)
        channels, height, width = sizes(y)
        parts.append(y.reshape(-1, channels, height * width))
    return torch.cat(parts, 2)


def corners(x: Tensor) -> Tensor:
    """Return the upper left corner of each cell of a map in cells: (H, W, 2), x first."""
    _, height, width = sizes(x)
    rows = torch.arange(height, dtype=x.dtype, device=x.device)
    columns = torch.arange(width, dtype=x.dtype, device=x.device)
    return torch.stack((columns.expand(height, width), rows[:, None].expand(height, width)), 2)


def cell_centers(maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the centre of each cell in cells, (2, A) with x first, and the stride of each cell, (A,)."""
    cells = [corners(x).reshape(-1, 2) + 0.5 for x in maps]
    strides = [torch.full_like(c[:, 0], stride) for c, stride in zip(cells, STRIDES, strict=True)]
    return torch.cat(cells).T, torch.cat(strides)


class Dfl(nn.Module):
    """Expected value of a distribution over `bins` distances (Li et al. 2020, "Generalized Focal Loss")."""

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins
        # The published files hold the distances 0..bins-1 as the weight of a convolution.
        self.conv = nn.Conv2d(bins, 1, 1, bias=False).requires_grad_(False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.arange(bins, dtype=torch.float32).view(1, bins, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, 4 * bins, A) logits to (N, 4, A) distances in cells."""
        anchors = sizes(x)[1]
        logits = x.reshape(-1, 4, self.bins, anchors).transpose(1, 2)
        y: Tensor = self.conv(logits.softmax(1)).reshape(-1, 4, anchors)
        return y


def decode_boxes(distances: Tensor, centers: Tensor, strides: Tensor, *, xyxy: bool = False) -> Tensor:
    """Turn (N, 4, A) distances to left, top, right, bottom in cells into boxes in input pixels.

    Returns (N, 4, A): centre and size, or the two corners with xyxy.
    """
    left_top, right_bottom = torch.split(distances, 2, 1)
    low, high = centers - left_top, centers + right_bottom
    boxes = (low, high) if xyxy else ((low + high) / 2, high - low)
    return torch.cat(boxes, 1) * strides


def decode_keypoints(raw: Tensor, centers: Tensor, strides: Tensor, *, scale: float, offset: float) -> Tensor:
    """Turn (N, 3K, A) raw keypoints into x, y in input pixels and a visibility in [0, 1], same shape.

    x = (scale * raw + centre + offset) * stride.
    """
    values, anchors = sizes(raw)
    points = raw.reshape(-1, values // 3, 3, anchors)
    xy = (points[:, :, :2] * scale + (centers + offset)) * strides
    return torch.cat((xy, points[:, :, 2:].sigmoid()), 2).reshape(-1, values, anchors)
