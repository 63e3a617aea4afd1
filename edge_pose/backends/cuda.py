"""A CUDA stream and memory behind one small protocol, so that the engine does not care who provides them.

Not run on a GPU by the authors.
"""

from __future__ import annotations

import ctypes
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_pose.errors import DeviceError

DRIVERS = ("libcuda.so.1", "libcuda.so")
MAJOR, MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR, CUDA driver API


class Cuda(Protocol):
    """One device, one stream, and memory on both sides. Addresses are plain integers; what was allocated is freed.

    Every call but `active` and `close` is made inside `with cuda.active():`.
    """

    name: str
    stream: int

    def active(self) -> Any:
        """Return a context manager that makes the device current in this thread."""
        ...

    def allocate(self, nbytes: int) -> int:
        """Return the address of so many bytes on the device, aligned to 256. Raises DeviceError."""
        ...

    def free(self, address: int) -> None:
        """Give back what allocate returned."""
        ...

    def host(self, nbytes: int) -> NDArray[np.uint8]:
        """Return page-locked memory that copies need no detour for."""
        ...

    def mapped(self, nbytes: int) -> tuple[int, NDArray[np.uint8]] | None:
        """Return memory that is the GPU's and the processor's, so that nothing is copied; None where there is none.

        Its address there, and the array here; it goes with the array, without `free`.
        """
        ...

    def upload(self, address: int, array: NDArray[Any]) -> None:
        """Copy a contiguous array to the device, on the stream."""
        ...

    def download(self, array: NDArray[Any], address: int) -> None:
        """Copy from the device into a contiguous array, on the stream."""
        ...

    def copy(self, target: int, source: int, nbytes: int) -> None:
        """Copy on the device, on the stream."""
        ...

    def wait_for_others(self) -> None:
        """Wait until what other streams of the device were given is done."""
        ...

    def synchronize(self) -> None:
        """Wait until the stream is done. Raises DeviceError when something on it failed."""
        ...

    def close(self) -> None:
        """Free everything."""
        ...


def open_cuda() -> Cuda:
    """Return a provider: the compiled core where it was built with CUDA, else pycuda.

    Raises MissingDependencyError when neither is there, DeviceError without a usable GPU.
    """
    from edge_pose.backends import cuda_core, cuda_pycuda

    module = cuda_core.load()
    return cuda_pycuda.PyCuda() if module is None else cuda_core.CoreCuda(module)


def compute_capability(device: int = 0) -> str:
    """Return the compute capability of a GPU, such as "8.7" of an Orin, from the driver itself.

    Raises DeviceError when there is no driver or no such GPU.
    """
    driver = _load_driver()
    major, minor, handle = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    calls = (
        ("cuInit", (ctypes.c_uint(0),)),
        ("cuDeviceGet", (ctypes.byref(handle), ctypes.c_int(device))),
        ("cuDeviceGetAttribute", (ctypes.byref(major), ctypes.c_int(MAJOR), handle)),
        ("cuDeviceGetAttribute", (ctypes.byref(minor), ctypes.c_int(MINOR), handle)),
    )
    for name, arguments in calls:
        status = getattr(driver, name)(*arguments)
        if status != 0:
            raise DeviceError(f"there is no usable GPU {device}: {name} of the NVIDIA driver says error {status}")
    return f"{major.value}.{minor.value}"


def _load_driver() -> ctypes.CDLL:
    for name in DRIVERS:
        try:
            return ctypes.CDLL(name)
        except OSError:  # not under this name
            continue
    raise DeviceError(
        "there is no NVIDIA driver here (libcuda.so.1): a TensorRT engine is built and run on the GPU that it is for; "
        "--target tensorrt-rtx builds without one"
    )
