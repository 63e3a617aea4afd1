"""How edge-pose-nano is made, from nothing but this repository and videos that may be used; torch only.

`pool` renders people and labels videos, `train` trains, `measure` tells how good it is, `ship` writes the ONNX file.
"""
