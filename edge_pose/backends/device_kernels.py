"""letterbox and warp_affine on the GPU: the frame goes up as it is, and what the network takes is made where it runs.

The arithmetic is the core's, and before it is used it proves that on this machine. Not run on a GPU by the authors.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose import kernels
from edge_pose.backends.cuda import Cuda
from edge_pose.backends.cuda_core import CoreCuda
from edge_pose.backends.device_array import DeviceArray
from edge_pose.errors import BackendError, DeviceError

log = logging.getLogger("edge_pose")
PROBE_HW, PROBE_OUT_HW = (37, 53), (32, 40)
APART = 0.05  # grey levels: where a crop turns, the core adds up steps in 32 bits of fraction


class DeviceKernels:
    """The two functions of `edge_pose.kernels` that fill a network's input, with that input on the device.

    Everything is queued on the provider's stream, before the network that is queued next.
    """

    def __init__(self, cuda: CoreCuda) -> None:
        self._cuda = cuda

    def zeros(self, shape: tuple[int, ...], dtype: str) -> DeviceArray:
        """Return a batch of zeros on the device. It is freed when the provider is closed. Raises DeviceError."""
        values = np.zeros(shape, dtype)
        with self._cuda.active():
            made = DeviceArray(self._cuda.allocate(values.nbytes), shape, values.dtype)
            self._cuda.upload(made.address, values)
        return made

    def letterbox(self, image: NDArray[np.uint8], out: DeviceArray, *, planar: bool, **place: Any) -> None:
        """See kernels.letterbox; out: (1, 3, h, w) or (1, h, w, 3). Raises ImageError, ShapeError, DeviceError."""
        address, nhw, element = _where(out, planar)
        self._cuda.device.letterbox(_packed(image), address, nhw, element, planar=planar, **place)

    def warp_affine(
        self, image: NDArray[np.uint8], matrices: NDArray[np.float64], out: DeviceArray, *, planar: bool, **place: Any
    ) -> None:
        """See kernels.warp_affine. Raises ImageError, ShapeError, DeviceError."""
        address, nhw, element = _where(out, planar)
        self._cuda.device.warp_affine(_packed(image), matrices, address, nhw, element, planar=planar, **place)

    def check(self) -> None:
        """Compare with the core on a made-up picture. Raises BackendError where they differ, DeviceError."""
        random = np.random.default_rng(0)
        image = random.integers(0, 256, (*PROBE_HW, 3), np.uint8)
        turned = [[[0.9, -0.4, 8.0], [0.4, 0.9, -3.0]], [[1.5, 0.0, -4.0], [0.0, 1.5, -2.0]]]
        color: dict[str, Any] = {"scale": (1.0, 0.5, 0.25), "bias": (-1.0, 0.0, 2.0), "swap_rb": True, "planar": True}
        boxed = {**color, "resized_hw": (20, 33), "offset_tl": (6, 3), "fill": 114}
        crops = {**color, "pixel_center": 0.5}
        for name, rows, arguments, options, allowed in (
            ("letterbox", 1, (), boxed, 0.0),
            ("warp_affine", 2, (np.array(turned),), crops, APART),
        ):
            shape = (rows, 3, *PROBE_OUT_HW)
            wanted, got = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
            there = self.zeros(shape, "float32")
            getattr(kernels, name)(image, *arguments, wanted, **options)
            getattr(self, name)(image, *arguments, there, **options)
            with self._cuda.active():
                self._cuda.download(got, there.address)
                self._cuda.synchronize()
                self._cuda.free(there.address)
            off = float(np.abs(got - wanted).max())
            if not off <= allowed:
                raise BackendError(f"{name} on the GPU is {off:.3g} grey levels away from the processor's")


def proved(cuda: Cuda) -> DeviceKernels | None:
    """Return the kernels of a provider that has them and that give the core's numbers on this machine, else None."""
    if not isinstance(cuda, CoreCuda):
        return None
    found = DeviceKernels(cuda)
    try:
        found.check()
    except (BackendError, DeviceError) as err:
        log.warning("frames are prepared on the processor: %s", err)
        return None
    return found


def _where(out: DeviceArray, planar: bool) -> tuple[int, tuple[int, int, int], str]:
    height, width = out.shape[2:] if planar else out.shape[1:3]
    return out.address, (out.shape[0], height, width), str(out.dtype)


def _packed(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the image with rows from top to bottom and packed pixels; a copy only where it must be."""
    fits = image.ndim == 3 and image.strides[1:] == (3, 1) and image.strides[0] >= 3 * image.shape[1]
    return image if fits else np.ascontiguousarray(image)
