"""PyTorch definitions of the networks and a reader of their published checkpoints; needs torch."""

if __name__ != "edge_pose.models":
    raise ImportError("import edge_pose.models, not models: the folder is only a source location (see setup.py)")
