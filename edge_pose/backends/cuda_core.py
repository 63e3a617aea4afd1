"""The compiled core's own stream and memory, in a module of its own: `_cuda`, built where a CUDA toolkit is found.

The only importer of `_cuda`. Not run on a GPU by the authors.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.errors import DeviceError, MissingDependencyError

MODULE = "edge_pose._cuda"
REBUILD = "with nvcc on PATH run: EDGE_POSE_CUDA=ON pip install -e ."


def load() -> Any:
    """Return the module, None where the package was built without. Raises MissingDependencyError for a broken one."""
    try:
        return importlib.import_module(MODULE)
    except ModuleNotFoundError as err:
        if err.name != MODULE:
            raise
        return None
    except ImportError as err:
        raise MissingDependencyError(f"the core's CUDA half does not load ({err}): {REBUILD}") from err


def dotted(version: int) -> str:
    """Return "13.0" for CUDA's 13000."""
    return f"{version // 1000}.{version % 1000 // 10}"


class CoreCuda:
    """The provider of the compiled core, on the context that TensorRT, torch and cupy share."""

    name = "edge-pose"

    def __init__(self, module: Any, index: int = 0) -> None:
        try:
            self.device = module.Device(index)
        except DeviceError as err:
            runtime, driver = module.versions()
            why = f"{err}; built with CUDA {dotted(runtime)}, the driver is for {dotted(driver)}"
            said = why if driver else "there is no NVIDIA driver here"
            raise DeviceError(f"there is no usable CUDA device: {said}") from err
        self.stream = int(self.device.stream)

    @contextmanager
    def active(self) -> Iterator[None]:
        """See Cuda."""
        self.device.use()
        yield

    def allocate(self, nbytes: int) -> int:
        """See Cuda."""
        try:
            return int(self.device.allocate(nbytes))
        except DeviceError as err:
            raise DeviceError(f"no {nbytes / 2**20:.1f} MiB of device memory left: {err}") from err

    def free(self, address: int) -> None:
        """See Cuda."""
        self.device.release(address)

    def host(self, nbytes: int) -> NDArray[np.uint8]:
        """See Cuda."""
        found: NDArray[np.uint8] = self.device.host(nbytes)[0]
        return found

    def mapped(self, nbytes: int) -> tuple[int, NDArray[np.uint8]] | None:
        """See Cuda. Source: NVIDIA, CUDA for Tegra: pinned memory is cached by the processor, not by the GPU."""
        if not self.device.shares_memory:
            return None
        values, address = self.device.host(nbytes, mapped=True)
        return int(address), values

    def upload(self, address: int, array: NDArray[Any]) -> None:
        """See Cuda."""
        self.device.upload(address, array)

    def download(self, array: NDArray[Any], address: int) -> None:
        """See Cuda."""
        self.device.download(array, address)

    def copy(self, target: int, source: int, nbytes: int) -> None:
        """See Cuda."""
        self.device.copy(target, source, nbytes)

    def wait_for_others(self) -> None:
        """See Cuda."""
        self.device.wait_for_others()

    def synchronize(self) -> None:
        """See Cuda."""
        try:
            self.device.synchronize()
        except DeviceError as err:
            raise DeviceError(f"the GPU failed: {err}") from err

    def close(self) -> None:
        """See Cuda."""
        self.device.close()
