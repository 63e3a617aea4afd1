"""The numbers that make a MoveNet, for the network and for the reader of Google's files. Needs no torch."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

JOINTS = 17
STRIDE = 4  # pixels of the input per cell of the heads
# expansion, blocks, stride of each MobileNetV2 stage (Sandler et al. 2018, table 2).
STAGES = ((1, 1, 1), (6, 2, 2), (6, 3, 2), (6, 4, 2), (6, 3, 1), (6, 3, 2), (6, 1, 1))
# body[3], body[6], body[10] and the last layer feed the pyramid.
TAPS = (3, 6, 10, 18)
PYRAMID = (24, 24, 32, 64)
# Scores are divided by the distance in cells + FALL_OFF: how far a peak may be from where it is expected.
FALL_OFF = 1.8
TABLES = ("nearness", "rows", "cols")
TABLE_NAMES = frozenset(f"decoder.{name}" for name in TABLES)


@dataclass(frozen=True, slots=True)
class MoveNetConfig:
    """Channels of the stem and of the seven stages, and height and width of the input in pixels."""

    stem: int
    widths: tuple[int, int, int, int, int, int, int]
    input_hw: tuple[int, int]


CONFIGS = {
    "lightning": MoveNetConfig(32, (16, 24, 32, 64, 96, 160, 320), (192, 192)),
    "thunder": MoveNetConfig(56, (32, 40, 56, 112, 168, 280, 560), (256, 256)),
}
LAST, HEAD = 1280, 96  # channels of the trunk's last layer, and inside each head


def strides() -> list[int]:
    """Stride of each layer of the trunk: the stem, 17 blocks, the last 1x1 convolution."""
    blocks = [stride if block == 0 else 1 for _, count, stride in STAGES for block in range(count)]
    return [2, *blocks, 1]


def exact_tables(height: int, width: int) -> tuple[npt.NDArray[np.float32], ...]:
    """Nearness of each cell to cell (height/2, width/2), its row, its column: each (height, width) float32."""
    rows, cols = np.mgrid[:height, :width].astype(np.float32)
    nearness = 1 / (np.hypot(rows - height // 2, cols - width // 2) + np.float32(FALL_OFF))
    return nearness, rows, cols
