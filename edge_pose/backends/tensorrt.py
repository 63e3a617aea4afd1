"""TensorRT and TensorRT-RTX engines: one engine and one context per estimator, buffers allocated once and reused.

One shape of code for TensorRT 8.6 to 11.x. Not run on a GPU by the authors: see docs/tensorrt.md for what holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.backends.base import TensorInfo
from edge_pose.backends.cuda import Cuda
from edge_pose.backends.device_array import ALIGNMENT, DeviceArray, as_device_array
from edge_pose.backends.device_kernels import DeviceKernels, proved
from edge_pose.backends.tensorrt_library import Library, logger_of
from edge_pose.errors import BackendError, ShapeError, StaleEngineError

# Names of trt.DataType; INT64 came with TensorRT 10.
DTYPES = {"FLOAT": "float32", "HALF": "float16", "INT32": "int32", "INT64": "int64"}
DTYPES |= {"INT8": "int8", "UINT8": "uint8", "BOOL": "bool"}


@dataclass(slots=True)
class Buffer:
    """Memory of one tensor, on the device and (for outputs) page-locked on the host; it only ever grows.

    mapped: both are the same memory, of a board whose GPU shares it.
    """

    info: TensorInfo
    address: int = 0
    nbytes: int = 0
    host: NDArray[np.uint8] | None = None
    mapped: bool = False


class TensorRT:
    """One engine. Not shared between threads, but it may be opened in one and used in another.

    kernels: what fills its input on the device, None where that is the processor's part.
    """

    engine = "tensorrt"
    device = "cuda"

    def __init__(
        self,
        name: str,
        plan: bytes,
        library: Library,
        cuda: Cuda,
        *,
        metadata: Mapping[str, str] | None = None,
        version_compatible: bool = False,
    ) -> None:
        """Open a plan. cuda is closed with this object, also when opening fails.

        version_compatible: the plan brings its own runtime, whose code is run. Raises StaleEngineError when TensorRT
        refuses the plan, BackendError when it is none of our kind.
        """
        self.name, self.metadata = name, metadata or {}
        self._library, self._cuda, self._trt = library, cuda, library.trt
        self._context: Any = None
        self._engine: Any = None
        self._runtime: Any = None
        self.inputs: tuple[TensorInfo, ...] = ()
        self.outputs: tuple[TensorInfo, ...] = ()
        self._buffers: dict[str, Buffer] = {}
        self._shape: tuple[int, ...] = ()
        self._addresses: dict[str, int] = {}
        self._profiles: list[Any] = []
        self._profile = 0
        self.kernels: DeviceKernels | None = None
        try:
            self._open(plan, version_compatible)
            self.kernels = proved(cuda)
        except BaseException:
            self.close()
            raise

    def _open(self, plan: bytes, version_compatible: bool) -> None:
        trt = self._trt
        self._logger = logger_of(trt)
        with self._cuda.active():
            self._runtime = runtime = trt.Runtime(self._logger)
            if version_compatible:
                runtime.engine_host_code_allowed = True
            engine = runtime.deserialize_cuda_engine(plan)
            if engine is None:
                raise StaleEngineError(f"{self._library} refuses {self.name}: {self._logger.last()}")
            self._engine = engine
            self._context = engine.create_execution_context()
            if self._context is None:
                raise BackendError(f"{self._library} has no memory left to run {self.name}: {self._logger.last()}")
        known = {getattr(trt.DataType, key): value for key, value in DTYPES.items() if hasattr(trt.DataType, key)}
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        inputs = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
        if len(inputs) != 1:
            raise BackendError(f"{self.name} takes {len(inputs)} inputs ({', '.join(inputs)}): a pose model takes one")
        infos: dict[str, TensorInfo] = {}
        for name in names:
            shape = tuple(size if size >= 0 else None for size in tuple(engine.get_tensor_shape(name)))
            kind = engine.get_tensor_dtype(name)
            if kind not in known:
                raise BackendError(f"{self.name}: {name} is of type {kind}; known are {', '.join(known.values())}")
            infos[name] = TensorInfo(name, shape, known[kind])
        taken = infos[inputs[0]]
        self._profiles = [
            tuple(tuple(shape) for shape in engine.get_tensor_profile_shape(inputs[0], index))
            for index in range(engine.num_optimization_profiles)
        ]
        if None not in taken.shape:  # what a profile says of a fixed shape differs between versions
            self._profiles = [(taken.shape, taken.shape, taken.shape)]
        low, high = self.rows
        if taken.shape[:1] == (None,) and low == high:  # open in the file, but not in the profile
            infos[inputs[0]] = taken = TensorInfo(taken.name, (low, *taken.shape[1:]), taken.dtype)
        self.inputs = (taken,)
        self.outputs = tuple(info for name, info in infos.items() if name != inputs[0])
        self._buffers = {name: Buffer(info) for name, info in infos.items()}

    @property
    def rows(self) -> tuple[int, int]:
        """Smallest and largest number of rows that one run takes."""
        return min(low[0] for low, _, _ in self._profiles), max(high[0] for _, _, high in self._profiles)

    def run(self, batch: Any) -> list[NDArray[Any]]:
        """Run the network on a batch: a NumPy array, or any array on the device (`__cuda_array_interface__`).

        More rows than the engine's profile takes go through in parts. The arrays returned are overwritten by the next
        run. Raises ShapeError for a batch that the input does not take, BackendError when the engine fails.
        """
        if self._context is None:
            raise BackendError("this model has been closed: load it again")
        given = as_device_array(batch)
        source: DeviceArray | NDArray[Any] = np.ascontiguousarray(batch) if given is None else given
        self._check(source)
        rows, (low, high) = source.shape[0], self.rows
        if rows == 0:
            return [np.empty((0, *(size or 0 for size in info.shape[1:])), info.dtype) for info in self.outputs]
        if rows < low:
            raise ShapeError(
                f"{self.name} takes {low} to {high} rows, got {rows}: build it with --batch 1:{low}:{high}"
            )
        with self._cuda.active():
            if rows <= high:
                return self._run(source)
            # The rest, too, must be no fewer than the smallest: the last part overlaps the one before.
            starts = [min(start, rows - high) for start in range(0, rows, high)]
            parts = [[values.copy() for values in self._run(source[start : start + high])] for start in starts]
        skip = starts[-2] + high - starts[-1]
        parts[-1] = [values[skip:] for values in parts[-1]]
        return [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]

    def _check(self, batch: DeviceArray | NDArray[Any]) -> None:
        info = self.inputs[0]
        open_rows = (None, *info.shape[1:])
        fits = len(batch.shape) == len(info.shape) and all(
            want in (None, got) for want, got in zip(open_rows, batch.shape, strict=True)
        )
        if not fits or batch.dtype != np.dtype(info.dtype):
            raise ShapeError(
                f"{info.name} must be {info.dtype} of shape {open_rows}, got {batch.dtype} of shape {batch.shape}"
            )

    def _run(self, source: DeviceArray | NDArray[Any]) -> list[NDArray[Any]]:
        cuda, name = self._cuda, self.inputs[0].name
        if source.shape != self._shape:
            self._take_shape(source.shape)
        if isinstance(source, DeviceArray):
            if source.unfinished:
                cuda.wait_for_others()
            if source.address % ALIGNMENT:
                cuda.copy(self._buffers[name].address, source.address, source.nbytes)
                self._bind(name, self._buffers[name].address)
            else:
                self._bind(name, source.address)
        else:
            cuda.upload(self._buffers[name].address, source)
            self._bind(name, self._buffers[name].address)
        if not self._context.execute_async_v3(cuda.stream):
            raise BackendError(f"{self._library} failed on a batch {source.shape}: {self._logger.last()}")
        results = []
        for info in self.outputs:
            buffer = self._buffers[info.name]
            assert buffer.host is not None
            values = buffer.host[: self._sizes[info.name]].view(info.dtype).reshape(self._shapes[info.name])
            if not buffer.mapped:
                cuda.download(values, buffer.address)
            results.append(values)
        cuda.synchronize()
        return results

    def _take_shape(self, shape: tuple[int, ...]) -> None:
        """Tell the context the shape of the next batches, and see that there is room for what comes out."""
        context = self._context
        name, self._shape = self.inputs[0].name, ()  # whatever fails below, the next run starts over
        profile = self._profile_for(shape)
        if profile != self._profile:
            if not context.set_optimization_profile_async(profile, self._cuda.stream):
                raise BackendError(f"{self._library} refuses profile {profile}: {self._logger.last()}")
            self._cuda.synchronize()
            self._profile, self._addresses = profile, {}
        if not context.set_input_shape(name, shape):
            raise BackendError(f"{self._library} refuses a batch {shape}: {self._logger.last()}")
        self._shapes = {info.name: tuple(context.get_tensor_shape(info.name)) for info in self.outputs}
        self._shapes[name] = shape
        self._sizes = {}
        for tensor, sizes in self._shapes.items():
            if any(size < 0 for size in sizes):
                raise BackendError(f"{self.name}: the shape of {tensor} depends on what is in the picture: {sizes}")
            buffer = self._buffers[tensor]
            self._sizes[tensor] = nbytes = int(np.prod(sizes)) * np.dtype(buffer.info.dtype).itemsize
            self._grow(buffer, nbytes, host=tensor != name)
            self._bind(tensor, buffer.address)
        self._shape = shape

    def _profile_for(self, shape: tuple[int, ...]) -> int:
        """Return the first profile that takes a shape; the present one if it does."""
        order = [self._profile, *(i for i in range(len(self._profiles)) if i != self._profile)]
        for index in order:
            low, _, high = self._profiles[index]
            if all(a <= size <= b for a, size, b in zip(low, shape, high, strict=True)):
                return index
        ranges = "; ".join(f"{low} to {high}" for low, _, high in self._profiles)
        raise ShapeError(f"{self.name} takes batches {ranges}, got {shape}")

    def _grow(self, buffer: Buffer, nbytes: int, *, host: bool) -> None:
        nbytes = max(nbytes, 1)  # an empty output has an address, too
        if nbytes <= buffer.nbytes:
            return
        if buffer.address and not buffer.mapped:
            self._cuda.free(buffer.address)
        buffer.address, buffer.nbytes, buffer.mapped = 0, 0, False
        shared = self._cuda.mapped(nbytes) if host else None
        if shared is not None:
            (buffer.address, buffer.host), buffer.mapped = shared, True
        else:
            buffer.address = self._cuda.allocate(nbytes)
            buffer.host = self._cuda.host(nbytes) if host else None
        buffer.nbytes = nbytes

    def _bind(self, name: str, address: int) -> None:
        if self._addresses.get(name) == address:
            return
        if not self._context.set_tensor_address(name, address):
            raise BackendError(f"{self._library} refuses memory for {name}: {self._logger.last()}")
        self._addresses[name] = address

    def close(self) -> None:
        """Give the memory back: what depends on another goes before it. A second time does nothing."""
        with self._cuda.active() if self._runtime is not None else nullcontext():
            self._context = None
            self._engine = None
            self._runtime = None
            for buffer in self._buffers.values():
                if buffer.address and not buffer.mapped:
                    self._cuda.free(buffer.address)
        self._buffers, self.kernels = {}, None
        self._cuda.close()


def load_plan(path: Path) -> bytes:
    """Read a plan. Raises BackendError when there is none."""
    try:
        plan = path.read_bytes()
    except OSError as err:
        raise BackendError(f"cannot read {path}: {err.strerror or err}") from err
    if not plan:
        raise BackendError(f"{path} is empty (0 bytes): copy or build it again")
    return plan
