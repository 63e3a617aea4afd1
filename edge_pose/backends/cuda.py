"""A CUDA stream and memory behind one small protocol, so that the engine does not care who provides them.

Not run on a GPU by the authors.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_pose.errors import DeviceError, MissingDependencyError

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
    """Return a provider. Raises MissingDependencyError when none is installed, DeviceError without a usable GPU."""
    return PyCuda()


class PyCuda:
    """The provider where the compiled core has no CUDA in it: pycuda, on the context that others share, too."""

    name = "pycuda"

    def __init__(self) -> None:
        self._driver = driver = _import()
        try:
            driver.init()
            # The primary context is the one of the CUDA runtime, and so TensorRT's, torch's and cupy's.
            self._context = driver.Device(0).retain_primary_context()
            self._memory: dict[int, Any] = {}
            with self.active():
                self._stream = driver.Stream()
        except driver.Error as err:
            raise DeviceError(f"there is no usable CUDA device: {err}") from err
        self.stream = int(self._stream.handle)

    @contextmanager
    def active(self) -> Iterator[None]:
        """See Cuda."""
        self._context.push()
        try:
            yield
        finally:
            self._driver.Context.pop()

    def allocate(self, nbytes: int) -> int:
        """See Cuda."""
        try:
            memory = self._driver.mem_alloc(nbytes)
        except self._driver.Error as err:
            raise DeviceError(f"no {nbytes / 2**20:.1f} MiB of device memory left: {err}") from err
        self._memory[int(memory)] = memory
        return int(memory)

    def free(self, address: int) -> None:
        """See Cuda."""
        self._memory.pop(address).free()

    def host(self, nbytes: int) -> NDArray[np.uint8]:
        """See Cuda."""
        found: NDArray[np.uint8] = self._driver.pagelocked_empty(nbytes, np.uint8)
        return found

    def upload(self, address: int, array: NDArray[Any]) -> None:
        """See Cuda."""
        self._driver.memcpy_htod_async(address, array, self._stream)

    def download(self, array: NDArray[Any], address: int) -> None:
        """See Cuda."""
        self._driver.memcpy_dtoh_async(array, address, self._stream)

    def copy(self, target: int, source: int, nbytes: int) -> None:
        """See Cuda."""
        self._driver.memcpy_dtod_async(target, source, nbytes, self._stream)

    def wait_for_others(self) -> None:
        """See Cuda."""
        self._driver.Context.synchronize()

    def synchronize(self) -> None:
        """See Cuda."""
        try:
            self._stream.synchronize()
        except self._driver.Error as err:
            raise DeviceError(f"the GPU failed: {err}") from err

    def close(self) -> None:
        """See Cuda."""
        if self._context is None:
            return
        with self.active():
            for address in list(self._memory):
                self.free(address)
            self._stream = None
        self._context.detach()
        self._context = None


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


def _import() -> Any:
    try:
        return importlib.import_module("pycuda.driver")
    except ModuleNotFoundError as err:
        if (err.name or "").partition(".")[0] != "pycuda":
            raise
        raise MissingDependencyError(
            "TensorRT engines need a CUDA stream and memory, and pycuda is not installed; run: pip install pycuda "
            "(it is compiled on the spot: nvcc must be on PATH)"
        ) from err
    except (ImportError, OSError) as err:
        raise MissingDependencyError(
            f"pycuda is installed, but cannot be loaded ({err}): run: pip install --force-reinstall --no-cache-dir "
            "pycuda, with nvcc of this machine's CUDA on PATH"
        ) from err
