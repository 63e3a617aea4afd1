"""A recording stand-in for TensorRT and CUDA: what a version lacks raises, what it has behaves as documented."""
