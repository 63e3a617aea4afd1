"""One picture of a stream, and what an image must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.errors import ImageError

Image = NDArray[np.uint8]
MENDS = {
    "u": "16-bit: pass (image // 257).astype('uint8')",
    "f": "0..1: pass (image * 255).astype('uint8')",
}


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """image (H, W, 3) uint8 BGR; time_s: seconds since the stream began; index: from 0; source: file or address."""

    image: Image
    time_s: float
    index: int
    source: str = ""


def check_image(image: Any) -> Image:
    """Return the image unchanged if it is (H, W, 3) uint8 with contiguous pixels, else say how to make it so.

    Rows may have any stride (cropped or flipped views are fine). A view whose pixels are not contiguous is copied.
    Raises ImageError for anything else: nothing is converted by guessing.
    """
    if not isinstance(image, np.ndarray):
        raise ImageError(f"image must be a numpy array of shape (H, W, 3), got {type(image).__name__}")
    if image.dtype != np.uint8:
        raise ImageError(
            f"image must be uint8 (0..255), got {image.dtype}; {MENDS.get(image.dtype.kind, 'convert it')}"
        )
    if image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1):
        raise ImageError(f"image must be (H, W, 3) BGR, got greyscale {image.shape}; use cv2.COLOR_GRAY2BGR")
    if image.ndim == 3 and image.shape[2] == 4:
        raise ImageError(f"image must be (H, W, 3) BGR, got 4 channels {image.shape}; pass image[:, :, :3]")
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ImageError(f"image must be (H, W, 3) with H, W >= 1, got shape {image.shape}")
    if image.strides[2] != 1 or image.strides[1] != 3:
        return np.ascontiguousarray(image)
    return image
