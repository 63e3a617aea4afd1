"""What a weight file holds, before any of it is turned into torch tensors. Needs no torch."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_pose.errors import CheckpointError

MAX_DIMENSIONS = 32
MAX_SIZE = 2**40  # of one dimension, also of tensors without elements
SHOWN = 60
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
    """All tensors of a file by name, in the file's order, and what else it says about itself.

    beside: bytes of the other files that hold some of its tensors.
    """

    format: str
    tensors: dict[str, Entry] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    beside: int = 0


def entry_from_array(name: str, array: npt.NDArray[Any]) -> Entry:
    """Wrap an array that is in memory already; its type must be one of ITEM_SIZES, in either byte order."""
    values = np.ascontiguousarray(array, array.dtype.newbyteorder("="))

    def read_into(buffer: memoryview) -> None:
        np.frombuffer(buffer, np.uint8)[:] = values.reshape(-1).view(np.uint8)

    return Entry(values.dtype.name, array.shape, Storage(name, values.nbytes, read_into))


def checked_sizes(values: Any) -> tuple[int, ...]:
    """Return the sizes, or strides, that a file claims: few enough and small enough that their product is cheap.

    Raises CheckpointError for anything but up to MAX_DIMENSIONS whole numbers from 0 to MAX_SIZE.
    """
    if not isinstance(values, tuple | list) or any(type(size) is not int or size < 0 for size in values):
        raise CheckpointError(f"sizes must be whole numbers from 0 on, got {brief(values)}")
    if len(values) > MAX_DIMENSIONS:
        raise CheckpointError(f"a tensor has {len(values)} dimensions, at most {MAX_DIMENSIONS} are read")
    if any(size > MAX_SIZE for size in values):
        raise CheckpointError(f"sizes must be at most {MAX_SIZE}, got {brief(values)}")
    return tuple(values)


def brief(value: Any) -> str:
    """Describe a value of a file in a few words; one made of itself many times over costs no more than another."""
    if isinstance(value, int) and value.bit_length() > 128:
        return f"a number of {value.bit_length()} bits"
    if value is None or isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | bytes):
        return repr(value if len(value) <= SHOWN else value[:SHOWN]) + ("..." if len(value) > SHOWN else "")
    if isinstance(value, tuple | list) and not any(isinstance(part, tuple | list) for part in value[:MAX_DIMENSIONS]):
        more = ", ..." if len(value) > MAX_DIMENSIONS else ""
        return f"({', '.join(map(brief, value[:MAX_DIMENSIONS]))}{more})"
    return f"a {type(value).__name__}"
