"""What a weight file holds, before any of it is turned into torch tensors. Needs no torch."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

# Bytes of one element, by torch's name of the type.
ITEM_SIZES = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
}


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """Bytes of the file, still on disk, that one or more tensors look into.

    read_into fills a writable buffer of exactly `size` bytes; it raises CheckpointError where the file cannot.
    """

    name: str
    size: int
    read_into: Callable[[memoryview], None]


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One tensor: a view of a storage, offset and stride in elements. stride None is row by row without gaps."""

    dtype: str
    shape: tuple[int, ...]
    storage: Storage
    offset: int = 0
    stride: tuple[int, ...] | None = None

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(eq=False)
class Contents:
    """All tensors of a file by name, in the file's order, and what else it says about itself."""

    format: str
    tensors: dict[str, Entry] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def entry_from_array(name: str, array: npt.NDArray[Any]) -> Entry:
    """Wrap an array that is in memory already; its type must be one of ITEM_SIZES."""
    values = np.ascontiguousarray(array)

    def read_into(buffer: memoryview) -> None:
        np.frombuffer(buffer, np.uint8)[:] = values.reshape(-1).view(np.uint8)

    return Entry(values.dtype.name, array.shape, Storage(name, values.nbytes, read_into))
