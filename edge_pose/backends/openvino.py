"""OpenVINO: ONNX files on CPUs. The fastest INT8 there, and always in the precision that the file says.

By itself OpenVINO computes float32 layers in bfloat16 where the CPU has it, which moves joints by pixels; here the
precision is pinned to float32, so that only what the file quantises is quantised.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.backends.base import Device, TensorInfo
from edge_pose.backends.onnxruntime import usable_cores
from edge_pose.errors import BackendError, DeviceError, MissingDependencyError

DTYPES = {"f32": "float32", "f16": "float16", "u8": "uint8", "i32": "int32", "i64": "int64"}
METADATA = ("framework", "edge_pose")  # where OpenVINO keeps what an ONNX file says about itself
SHAPES = 4  # compiled forms that are kept, one a number of rows


class OpenVino:
    """One compiled model a number of rows: fixed shapes are faster than open ones."""

    engine = "openvino"
    device = "cpu"

    def __init__(self, path: Path, *, threads: int | None) -> None:
        openvino = import_openvino()
        if not path.is_file():
            raise BackendError(f"{path}: no such file")
        self._core = openvino.Core()
        self._settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads or usable_cores(),
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        }
        try:
            self._model = self._core.read_model(path)
        except Exception as err:  # OpenVINO raises RuntimeError and its own classes
            raise BackendError(f"OpenVINO refuses {path}: {_line(err)}") from err
        self.inputs = tuple(_info(port) for port in self._model.inputs)
        self.outputs = tuple(_info(port) for port in self._model.outputs)
        self.metadata: Mapping[str, str] = _metadata(self._model)
        self._requests: dict[tuple[int, ...], Any] = {}
        if None not in self.inputs[0].shape:
            self._request(tuple(size or 1 for size in self.inputs[0].shape))  # refuses here what cannot be compiled

    def run(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """Run the network; see Backend.run."""
        if self._model is None:
            raise BackendError("this model has been closed: load it again")
        info = self.inputs[0]
        fits = batch.ndim == len(info.shape) and all(
            a in (None, b) for a, b in zip(info.shape, batch.shape, strict=True)
        )
        if not fits or batch.dtype != info.dtype:  # OpenVINO would convert in silence
            raise BackendError(
                f"{info.name} must be {info.dtype} {info.shape}, got {batch.dtype} {batch.shape} (None: any size)"
            )
        try:
            request = self._request(batch.shape)
            request.infer([np.ascontiguousarray(batch)], share_inputs=True, share_outputs=True)
        except BackendError:
            raise
        except Exception as err:  # as above
            raise BackendError(f"OpenVINO failed on a batch {batch.shape} {batch.dtype}: {_line(err)}") from err
        return [request.get_output_tensor(i).data for i in range(len(self.outputs))]

    def _request(self, shape: tuple[int, ...]) -> Any:
        """Return what runs inputs of that shape, compiled when it is first needed."""
        if shape not in self._requests:
            if len(self._requests) >= SHAPES:
                self._requests.pop(next(iter(self._requests)))
            try:
                fixed = self._model.clone()
                fixed.reshape({fixed.input(0): list(shape)})
                compiled = self._core.compile_model(fixed, "CPU", self._settings)
            except Exception as err:  # as above
                raise BackendError(f"OpenVINO cannot compile the model for {shape}: {_line(err)}") from err
            self._requests[shape] = compiled.create_infer_request()
        return self._requests[shape]

    def close(self) -> None:
        """Drop the compiled models."""
        self._requests.clear()
        self._model = None


def open_model(path: Path, *, device: Device, threads: int | None) -> OpenVino:
    """Open an ONNX file on the CPU. Raises BackendError when it is none, DeviceError for any other device."""
    if device == "cuda":
        raise DeviceError("device='cuda' was asked for, but OpenVINO runs on CPUs: leave engine='openvino' out")
    return OpenVino(path, threads=threads)


def import_openvino() -> Any:
    """Return the module. Raises MissingDependencyError with the command that mends it."""
    try:
        import openvino
    except ModuleNotFoundError as err:
        if err.name != "openvino":
            raise
        raise MissingDependencyError(
            "openvino is not installed; run: pip install 'edge-pose[openvino]', or use engine='onnxruntime'"
        ) from err
    except (OSError, ImportError) as err:  # libraries that do not load on this machine
        raise MissingDependencyError(
            f"openvino does not load on this machine ({_line(err)}); use engine='onnxruntime'"
        ) from err
    return openvino


def _metadata(model: Any) -> dict[str, str]:
    if not model.has_rt_info(list(METADATA)):
        return {}
    return {METADATA[-1]: str(model.get_rt_info(list(METADATA)).astype(str))}


def _line(err: Exception) -> str:
    return " ".join(str(err).split())[:300]


def _info(port: Any) -> TensorInfo:
    shape = tuple(None if size.is_dynamic else size.get_length() for size in port.get_partial_shape())
    kind = port.get_element_type().get_type_name()
    return TensorInfo(port.get_any_name(), shape, DTYPES.get(kind, kind))
