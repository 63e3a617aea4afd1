"""What the tests of the keypoint decoders share: matrices."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def identity(n: int) -> NDArray[np.float64]:
    """(n, 2, 3): the decoder's own coordinates come out."""
    return np.tile(np.eye(2, 3), (n, 1, 1))


def crops(center: ArrayLike, scale: ArrayLike, size_wh: ArrayLike) -> NDArray[np.float64]:
    """(N, 2, 3): point / size * scale + center - scale / 2, the way home of an upright crop of `scale` pixels."""
    center, scale = np.asarray(center, np.float64), np.asarray(scale, np.float64)
    matrices = np.zeros((len(center), 2, 3))
    matrices[:, [0, 1], [0, 1]] = scale / np.asarray(size_wh, np.float64)
    matrices[:, :, 2] = center - scale / 2
    return matrices
