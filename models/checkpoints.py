"""Published weights: read any file safely (`load_checkpoint`), put them into a network (`load_into`)."""

from edge_pose.models.fitting import LoadReport, load_into
from edge_pose.models.loading import Checkpoint, load_checkpoint
from edge_pose.models.onnx_structure import load_nameless_onnx

__all__ = ["Checkpoint", "LoadReport", "load_checkpoint", "load_into", "load_nameless_onnx"]
