"""Weights out of files: .pt and .pth (both containers, whole pickled modules too), .safetensors, .onnx, .tflite.

Files are untrusted: no class or function that a file names is imported or run (models.unpickle), and every size is
checked before memory is taken.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edge_pose.models.contents import Entry
from edge_pose.models.weight_files import read_contents


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Tensors by name, in the file's own types; what the file says about itself; what it could not give."""

    tensors: dict[str, Tensor]
    format: str
    metadata: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def load_checkpoint(path: str | Path, *, part: str | None = None) -> Checkpoint:
    """Read all weights of a file into memory, once.

    part: which of several networks a training checkpoint holds, such as "state_dict_ema"; by default averaged weights
    before others (metadata["part"] says which were taken). Raises ModelNotFoundError where there is no file,
    CheckpointError for an unknown, damaged or hostile one.
    """
    contents = read_contents(Path(path), part)
    loaded: dict[int, Tensor] = {}
    tensors = {name: load_entry(name, entry, loaded) for name, entry in contents.tensors.items()}
    return Checkpoint(tensors, contents.format, contents.metadata, contents.warnings)


def load_entry(name: str, entry: Entry, loaded: dict[int, Tensor]) -> Tensor:
    """Read one tensor; tensors that share data in the file share memory. loaded: the storages read so far."""
    data = loaded.get(id(entry.storage))
    if data is None:
        data = torch.empty(entry.storage.size, dtype=torch.uint8)
        entry.storage.read_into(data.numpy().data)
        loaded[id(entry.storage)] = data
    dtype = getattr(torch, entry.dtype)
    elements = data[: len(data) // dtype.itemsize * dtype.itemsize].view(dtype)
    if entry.stride is None:
        return elements.view(entry.shape)
    return elements.as_strided(entry.shape, entry.stride, entry.offset)
