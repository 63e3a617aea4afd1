"""Arrays that are on the GPU already, of pycuda, cupy, torch or numba: read through `__cuda_array_interface__`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_pose.errors import ShapeError

ALIGNMENT = 256  # of the tensor addresses that TensorRT takes


@dataclass(frozen=True, slots=True)
class DeviceArray:
    """Contiguous memory on the device, borrowed. unfinished: what writes it may still run on another stream."""

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    unfinished: bool = False

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> DeviceArray:
        start, stop, _ = rows.indices(self.shape[0])
        row = self.nbytes // max(self.shape[0], 1)
        return DeviceArray(self.address + start * row, (stop - start, *self.shape[1:]), self.dtype, self.unfinished)


def as_device_array(array: object) -> DeviceArray | None:
    """Return the view of an array on the device, None for any other object.

    Raises ShapeError for one that is not contiguous. Source: the CUDA Array Interface, version 3 (numba documentation).
    """
    if isinstance(array, DeviceArray):
        return array
    says = getattr(array, "__cuda_array_interface__", None)
    if says is None:
        return None
    shape, dtype = tuple(map(int, says["shape"])), np.dtype(says["typestr"])
    strides, expected = says.get("strides"), contiguous_strides(shape, dtype.itemsize)
    if strides is not None and 0 not in shape:
        steps = zip(shape, strides, expected, strict=True)
        if any(got != want for size, got, want in steps if size > 1):  # of a single row, nobody takes a step
            raise ShapeError(f"the batch on the device must be contiguous, strides {expected}; got {tuple(strides)}")
    return DeviceArray(int(says["data"][0]), shape, dtype, says.get("stream") is not None)


def contiguous_strides(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return the strides in bytes of a C-contiguous array."""
    return tuple(itemsize * math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
