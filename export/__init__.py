"""From torch to ONNX, FP16 and INT8, and TensorRT engines; needs torch."""

if __name__ != "edge_pose.export":
    raise ImportError("import edge_pose.export, not export: the folder is only a source location (see setup.py)")
