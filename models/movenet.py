"""MoveNet single-pose, Lightning and Thunder: MobileNetV2, a feature pyramid, and four CenterNet heads.

Architecture: Google's published TFLite graphs (Apache-2.0). Parameter names: lee-man/movenet-pytorch, whose checkpoints
load as they are. Batch normalisation is folded: every convolution has a bias, as in the published files.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_pose.errors import ShapeError, SpecError
from edge_pose.models.blocks import tracing
from edge_pose.models.construct import construct
from edge_pose.models.movenet_plan import (
    CONFIGS,
    FALL_OFF,
    HEAD,
    JOINTS,
    LAST,
    PYRAMID,
    STAGES,
    STRIDE,
    TABLES,
    TAPS,
    MoveNetConfig,
    exact_tables,
)

Decode = Literal["inside", "outside"]
Layout = Literal["nhwc", "nchw"]
Heads = tuple[Tensor, Tensor, Tensor, Tensor]
OWN_VOTE = 1e-6  # of a joint's cell beside its score: the votes are never nothing


def build_movenet(
    variant: str,
    *,
    decode: Decode = "inside",
    layout: Layout = "nhwc",
    input_hw: tuple[int, int] | None = None,
    init: bool = False,
) -> "MoveNet":
    """Build "lightning" (192 px) or "thunder" (256 px) in eval mode.

    input_hw: another height and width, multiples of 32. Weights are NaN until a checkpoint is loaded, random with
    `init`. Raises SpecError for other words or sizes.
    """
    if variant not in CONFIGS:
        raise SpecError(f"variant must be one of {', '.join(CONFIGS)}, got {variant!r}")
    config = CONFIGS[variant] if input_hw is None else replace(CONFIGS[variant], input_hw=input_hw)
    net = construct(lambda: MoveNet(config, decode=decode, layout=layout), init)
    assert isinstance(net, MoveNet)
    return net


class Config(Protocol):
    """What every single-person network says of itself; a dataclass."""

    @property
    def input_hw(self) -> tuple[int, int]:
        """Height and width of the pictures."""


class SinglePose(nn.Module):
    """Pictures to one person's joints each, or to the raw maps that hold them.

    forward: pictures (N, H, W, 3) RGB with values 0..255, uint8 or float, of config.input_hw, with layout="nchw"
    (N, 3, H, W); N may be 0. Raises ShapeError for others.
    decode="inside": (N, 1, 17, 3) float32 rows (y, x, score), y and x as fractions of the input, score in 0..1.
    decode="outside": logits of the centre map (N, 1, h, w), regression (N, 34, h, w), logits of the joint heatmaps
    (N, 17, h, w) and offsets (N, 34, h, w), h = H/stride, w = W/stride. Regression and offsets are (y, x) per joint, in
    cells of `stride` pixels. fall_off, votes: see Decoder.
    """

    def __init__(
        self,
        config: Config,
        backbone: nn.Module,
        head: Callable[[int], nn.Module],
        *,
        decode: Decode = "inside",
        layout: Layout = "nhwc",
        stride: int = STRIDE,
        fall_off: float = FALL_OFF,
        votes: bool = False,
    ) -> None:
        super().__init__()
        if decode not in ("inside", "outside") or layout not in ("nhwc", "nchw"):
            raise SpecError(f"decode must be inside or outside, layout nhwc or nchw, got {decode!r} and {layout!r}")
        if any(side < 32 or side % 32 for side in config.input_hw):
            raise SpecError(f"input_hw must be positive multiples of 32, got {config.input_hw}")
        self.config = config
        self.decode = decode
        self.layout = layout
        self.backbone = backbone
        self.hm = head(1)
        self.hps = head(2 * JOINTS)
        self.hm_hp = head(JOINTS)
        self.hp_offset = head(2 * JOINTS)
        self.decoder = Decoder(config.input_hw[0] // stride, config.input_hw[1] // stride, fall_off, votes=votes)

    def forward(self, pictures: Tensor) -> Tensor | Heads:
        """Run the network; see the class for shapes and units."""
        (height, width), nhwc = self.config.input_hw, self.layout == "nhwc"
        wanted = (height, width, 3) if nhwc else (3, height, width)
        if not tracing() and pictures.shape[1:] != wanted:
            raise ShapeError(
                f"pictures must be (N, {', '.join(map(str, wanted))}) in layout {self.layout}, "
                f"got {tuple(pictures.shape)}; build the network with another input_hw or layout"
            )
        if nhwc:
            pictures = pictures.permute(0, 3, 1, 2)
        kind = next(self.parameters()).dtype
        features = self.backbone(pictures.to(kind) * (1 / 127.5) - 1)
        heads = self.hm(features), self.hps(features), self.hm_hp(features), self.hp_offset(features)
        if self.decode == "outside":
            return heads
        joints: Tensor = self.decoder(*heads)
        return joints


class MoveNet(SinglePose):
    """MoveNet's trunk and heads; SinglePose says what goes in and what comes out."""

    def __init__(self, config: MoveNetConfig, *, decode: Decode = "inside", layout: Layout = "nhwc") -> None:
        super().__init__(config, Backbone(config), head, decode=decode, layout=layout)


class Backbone(nn.Module):
    """MobileNetV2 and its pyramid: (N, 3, S, S) in -1..1 to (N, 24, S/4, S/4)."""

    def __init__(self, config: MoveNetConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Sequential(same_padding(), conv(3, config.stem, 3, 2), nn.ReLU6())]
        width = config.stem
        for (expansion, blocks, stride), out in zip(STAGES, config.widths, strict=True):
            for block in range(blocks):
                layers.append(InvertedResidual(width, out, stride if block == 0 else 1, expansion))
                width = out
        layers.append(nn.Sequential(conv(width, LAST), nn.ReLU6()))
        self.body = nn.Sequential(*layers)
        self.fpn = Pyramid((config.widths[1], config.widths[2], config.widths[3], LAST))

    def forward(self, x: Tensor) -> Tensor:
        """Return the finest level of the pyramid."""
        taps = []
        for index, layer in enumerate(self.body):
            x = layer(x)
            if index in TAPS:
                taps.append(x)
        finest: Tensor = self.fpn(taps)
        return finest


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; add the input where the shape allows (Sandler et al. 2018)."""

    def __init__(self, width: int, out: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = width * expansion
        self.residual = stride == 1 and width == out
        layers: list[nn.Module] = [depthwise(inner, stride), conv(inner, out)]
        if expansion > 1:
            layers.insert(0, nn.Sequential(conv(width, inner), nn.ReLU6()))
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the size, or halve it where the stride is 2."""
        y: Tensor = self.conv(x)
        return x + y if self.residual else y


class Pyramid(nn.Module):
    """From coarse to fine: double by bilinear interpolation, add the level's projection, filter."""

    def __init__(self, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        # A level is projected to what the coarser one hands up: 24, 32, 64, and the coarsest to 64.
        sums = (*PYRAMID[1:], PYRAMID[3])
        self.inner_blocks = nn.ModuleList([conv(width, out) for width, out in zip(widths, sums, strict=True)])
        self.layer_blocks = nn.ModuleList([Separable(PYRAMID[i + 1], PYRAMID[i]) for i in range(3)])

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Take four levels, finest first; return the finest, enriched by the rest."""
        x: Tensor = self.inner_blocks[3](levels[3])
        for level in (2, 1, 0):
            x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = self.layer_blocks[level](x + self.inner_blocks[level](levels[level]))
        return x


class Separable(nn.Module):
    """A 3x3 filter per channel, a 1x1 mix of the channels, ReLU."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(conv(width, width, 3, groups=width), conv(width, out), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Keep the size."""
        y: Tensor = self.conv(x)
        return y


def same_padding() -> nn.ZeroPad2d:
    """Pad right and bottom only: TensorFlow's "same" for a 3x3 filter with stride 2 on an even size."""
    return nn.ZeroPad2d((0, 1, 0, 1))


def conv(width: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Return a convolution with bias, padded here only where the stride is 1."""
    padding = kernel // 2 if stride == 1 else 0
    return nn.Conv2d(width, out, kernel, stride, padding, groups=groups)


def depthwise(width: int, stride: int) -> nn.Sequential:
    """Return a 3x3 filter per channel with ReLU6; stride 2 needs its padding as a layer of its own."""
    filters = conv(width, width, 3, stride, groups=width)
    return nn.Sequential(*([same_padding()] if stride == 2 else []), filters, nn.ReLU6())


def head(out: int) -> nn.Sequential:
    """Return one of the four heads: 24 channels to `out` maps."""
    return nn.Sequential(conv(24, 24, 3, groups=24), conv(24, HEAD), nn.ReLU(), conv(HEAD, out))


class Decoder(nn.Module):
    """One person per picture out of the four heads, in operations that ONNX has; computes in float32.

    forward: heads shaped as MoveNet's decode="outside"; returns (N, 1, 17, 3) rows (y, x, score). The person is the
    peak of the centre map, weighed down with the distance from the middle; each joint the peak of its heatmap, weighed
    down with the distance from where the regression expects it: divided by the cells between them plus fall_off. Ties
    go to the first cell in row order. votes: the joint's place is the mean of what that cell and the up to eight around
    it say, weighed by their squared scores.
    The tables are buffers because Google's int8 files carry them rounded; they are no part of the state dict, but a
    state dict may bring them. Source: Google's graph.
    """

    nearness: Tensor
    rows: Tensor
    cols: Tensor

    def __init__(self, height: int, width: int, fall_off: float = FALL_OFF, *, votes: bool = False) -> None:
        super().__init__()
        self.fall_off = fall_off
        self.votes = votes
        for name, table in zip(TABLES, exact_tables(height, width), strict=True):
            self.register_buffer(name, torch.from_numpy(table), persistent=False)

    def forward(self, centre: Tensor, regression: Tensor, heatmaps: Tensor, offsets: Tensor) -> Tensor:
        """Decode; see the class."""
        centre, regression, heatmaps, offsets = (head.float() for head in (centre, regression, heatmaps, offsets))
        batch, joints, height, width = heatmaps.shape
        person = (torch.sigmoid(centre).flatten(1) * self.nearness.flatten()).argmax(1)

        at_person = person.view(batch, 1, 1).expand(batch, 2 * joints, 1)
        expected = regression.flatten(2).gather(2, at_person).view(batch, joints, 2, 1, 1)
        expected_y = expected[:, :, 0] + (person // width).view(batch, 1, 1, 1).float()
        expected_x = expected[:, :, 1] + (person % width).view(batch, 1, 1, 1).float()
        distance = torch.sqrt((self.rows - expected_y) ** 2 + (self.cols - expected_x) ** 2)
        scores = torch.sigmoid(heatmaps)
        peak = (scores / (distance + self.fall_off)).flatten(2).argmax(2, keepdim=True)

        score = scores.flatten(2).gather(2, peak)
        row, column = (peak // width).float(), (peak % width).float()
        places = offsets.view(batch, joints, 2, height * width)
        if self.votes:
            row, column = self._voted(scores, places, row, column)
        else:
            offset = places.gather(3, peak.unsqueeze(2).expand(batch, joints, 2, 1))
            row, column = row + offset[:, :, 0], column + offset[:, :, 1]
        return torch.cat((row / height, column / width, score), 2).unsqueeze(1)

    def _voted(self, scores: Tensor, offsets: Tensor, row: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
        """Return row and column that the cells around (N, 17, 1) rows and columns say on average."""
        batch, joints, height, width = scores.shape
        near = torch.arange(-1.0, 2.0, device=row.device)
        rows, columns = row + near.repeat_interleave(3), column + near.repeat(3)  # (N, 17, 9)
        row, column = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
        inside = (rows == row).float() * (columns == column).float()
        around = (row * width + column).long()
        middle = (near.repeat_interleave(3) == 0).float() * (near.repeat(3) == 0).float()
        vote = (scores.flatten(2).gather(2, around) * inside) ** 2 + OWN_VOTE * middle
        vote = vote / vote.sum(2, keepdim=True)
        offset = offsets.gather(3, around.unsqueeze(2).expand(batch, joints, 2, 9))
        y, x = (row + offset[:, :, 0]) * vote, (column + offset[:, :, 1]) * vote
        return y.sum(2, keepdim=True), x.sum(2, keepdim=True)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        """Take the tables out of a state dict that brings them: torch loads no buffer that is not persistent."""
        for name in TABLES:
            table = state_dict.pop(prefix + name, None)
            if table is not None:
                self.get_buffer(name).copy_(table)
        super()._load_from_state_dict(state_dict, prefix, *rest)
