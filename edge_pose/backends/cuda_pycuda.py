"""pycuda: stream and memory where the package was built without a CUDA toolkit. Not run on a GPU by the authors."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.errors import DeviceError, MissingDependencyError


class PyCuda:
    """A provider, on the context that others share, too."""

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

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Let what the driver says come out as our own error."""
        try:
            yield
        except self._driver.Error as err:
            raise DeviceError(f"{what}: {err}") from err

    def allocate(self, nbytes: int) -> int:
        """See Cuda."""
        with self._told(f"no {nbytes / 2**20:.1f} MiB of device memory left"):
            memory = self._driver.mem_alloc(nbytes)
        self._memory[int(memory)] = memory
        return int(memory)

    def free(self, address: int) -> None:
        """See Cuda."""
        self._memory.pop(address).free()

    def host(self, nbytes: int) -> NDArray[np.uint8]:
        """See Cuda."""
        with self._told(f"no {nbytes / 2**20:.1f} MiB of page-locked memory left"):
            found: NDArray[np.uint8] = self._driver.pagelocked_empty(nbytes, np.uint8)
        return found

    def mapped(self, nbytes: int) -> None:
        """See Cuda: pycuda's side of it differs between its releases, so it is left alone."""
        return None

    def upload(self, address: int, array: NDArray[Any]) -> None:
        """See Cuda."""
        with self._told("the GPU failed"):
            self._driver.memcpy_htod_async(address, array, self._stream)

    def download(self, array: NDArray[Any], address: int) -> None:
        """See Cuda."""
        with self._told("the GPU failed"):
            self._driver.memcpy_dtoh_async(array, address, self._stream)

    def copy(self, target: int, source: int, nbytes: int) -> None:
        """See Cuda."""
        with self._told("the GPU failed"):
            self._driver.memcpy_dtod_async(target, source, nbytes, self._stream)

    def wait_for_others(self) -> None:
        """See Cuda."""
        with self._told("the GPU failed"):
            self._driver.Context.synchronize()

    def synchronize(self) -> None:
        """See Cuda."""
        with self._told("the GPU failed"):
            self._stream.synchronize()

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


def _import() -> Any:
    try:
        return importlib.import_module("pycuda.driver")
    except ModuleNotFoundError as err:
        if (err.name or "").partition(".")[0] != "pycuda":
            raise
        raise MissingDependencyError(
            "TensorRT engines need a CUDA stream and memory, and this edge-pose was built without a CUDA toolkit: with "
            "nvcc on PATH install edge-pose again, or run: pip install pycuda (nvcc must be on PATH, too)"
        ) from err
    except (ImportError, OSError) as err:
        raise MissingDependencyError(
            f"pycuda is installed, but cannot be loaded ({err}): run: pip install --force-reinstall --no-cache-dir "
            "pycuda, with nvcc of this machine's CUDA on PATH"
        ) from err
