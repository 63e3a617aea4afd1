"""ONNX Runtime: every ONNX file, on any machine; CUDA where the installed build and the machine have it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.backends.base import Device, TensorInfo
from edge_pose.errors import BackendError, DeviceError, MissingDependencyError

CUDA = ("TensorrtExecutionProvider", "CUDAExecutionProvider")
WEIGHTS = (".pt", ".pth", ".safetensors", ".tflite")
DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8", "tensor(int32)": "int32"}


class OnnxRuntime:
    """One session. Its threads stop spinning after every run, so that two models do not fight over the cores."""

    engine = "onnxruntime"

    def __init__(self, path: Path, *, device: Device, threads: int | None) -> None:
        ort = _import()
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or usable_cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what goes wrong is raised; its own lines would only say it again
        # Measured with a detector and a pose model on 2 cores: 76 ms a photo without, 33 ms with, 63 ms where threads
        # never spin; with other work on the machine 92, 50 and 61 ms.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        providers = _providers(ort, device)
        # A device that was asked for is never traded for another one behind the user's back.
        on_gpu = device == "cuda"
        try:
            self._session = ort.InferenceSession(str(path), options, providers=providers)
        except Exception as err:  # ONNX Runtime's own exceptions share no base but Exception
            raise _load_error(path, err) from err
        used = self._session.get_providers()
        if on_gpu and not set(used) & set(CUDA):
            raise DeviceError(f"device='cuda' was asked for, but ONNX Runtime fell back to {used[0]}: {_cuda_mend()}")
        self.device = "cuda" if set(used) & set(CUDA) else "cpu"
        self.inputs = tuple(_info(node) for node in self._session.get_inputs())
        self.outputs = tuple(_info(node) for node in self._session.get_outputs())
        self.metadata: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
        self._input_name = self.inputs[0].name
        self._output_names = [info.name for info in self.outputs]

    def run(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """Run the network; see Backend.run."""
        session = self._session  # another thread may close while this one runs
        if session is None:
            raise BackendError("this model has been closed: load it again")
        try:
            outputs: list[NDArray[Any]] = session.run(self._output_names, {self._input_name: batch})
        except Exception as err:  # as above
            raise BackendError(f"ONNX Runtime failed on a batch {batch.shape} {batch.dtype}: {_line(err)}") from err
        return outputs

    def close(self) -> None:
        """Drop the session."""
        self._session = None


def open_model(path: Path, *, device: Device, threads: int | None) -> OnnxRuntime:
    """Open an ONNX file. Raises BackendError when it is none, DeviceError when there is no such device."""
    return OnnxRuntime(path, device=device, threads=threads)


def usable_cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _import() -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as err:
        if err.name != "onnxruntime":
            raise
        raise MissingDependencyError("onnxruntime is not installed; run: pip install onnxruntime") from err
    except (ImportError, OSError) as err:  # a library of CUDA that is not there, a build for another Python or numpy
        raise MissingDependencyError(
            f"onnxruntime is installed, but cannot be loaded ({err}): run: pip install --force-reinstall onnxruntime"
        ) from err
    return onnxruntime


def _providers(ort: Any, device: Device) -> list[str]:
    available = [name for name in CUDA if name in ort.get_available_providers()]
    if device == "cuda" and not available:
        raise DeviceError(f"device='cuda' was asked for, but this ONNX Runtime has no CUDA provider: {_cuda_mend()}")
    if device == "cpu" or not available:
        return ["CPUExecutionProvider"]
    # TensorRT inside ONNX Runtime builds an engine for minutes at the first run: only for who asks for it.
    return ["CUDAExecutionProvider", "CPUExecutionProvider"]


def _cuda_mend() -> str:
    return "run: pip install onnxruntime-gpu (and see `edge-pose doctor`), or use device='cpu'"


def _load_error(path: Path, err: Exception) -> BackendError:
    size = path.stat().st_size if path.is_file() else None
    if size is None:
        return BackendError(f"{path}: no such file")
    if size == 0:
        return BackendError(f"{path} is empty (0 bytes): copy or download it again")
    if "ShapeInference" not in str(err) and any(word in str(err) for word in ("Protobuf", "protobuf", "ModelProto")):
        if path.suffix.lower() in WEIGHTS:
            return BackendError(f"{path} holds weights, not a network to run: make that with `edge-pose export`")
        return BackendError(f"{path} is no ONNX file, or a damaged one ({size} bytes): copy or download it again")
    return BackendError(f"ONNX Runtime refuses {path}: {_line(err)}")


def _line(err: Exception) -> str:
    return " ".join(str(err).split())[:300]


def _info(node: Any) -> TensorInfo:
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in node.shape)
    return TensorInfo(node.name, shape, DTYPES.get(node.type, node.type))


def zeros_like_input(info: TensorInfo, rows: int = 1) -> NDArray[Any]:
    """Return an all-zero batch that fits an input, for warming up; open dimensions become `rows` or 1."""
    shape = [rows if i == 0 and size is None else size or 1 for i, size in enumerate(info.shape)]
    return np.zeros(shape, info.dtype)
