"""ONNX -> TensorRT and TensorRT-RTX engines: `engine_from_onnx`. Needs neither torch nor the onnx package."""

from edge_pose.export.tensorrt.engine import engine_from_onnx
from edge_pose.export.tensorrt.flags import BuildOptions

__all__ = ["BuildOptions", "engine_from_onnx"]
