"""A small reader of FlatBuffers that trusts no offset of the file. Format: flatbuffers.dev, "FlatBuffer Internals"."""

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_pose.errors import CheckpointError

# How often all that a file says may be read, and how much a small file may be read more often than that.
MAX_REPEATED = 4
SMALL = 2**16
TABLE_BYTES = 64


class Table:
    """One table at byte `position` of `data`; fields are numbered as in the schema.

    A field that the file leaves out is its default, as the format defines: 0, "", an empty list, None for a table.
    Every position and length is checked against the file before it is used: CheckpointError otherwise.
    """

    __slots__ = ("_count", "_data", "_left", "_position", "_vtable")

    def __init__(self, data: memoryview, position: int, left: list[int]) -> None:
        self._data = data
        self._left = left  # how much may still be read; all tables of a file share it
        self._position = position
        self._vtable = position - int(self._unpack("<i", position))
        size = int(self._unpack("<H", self._vtable))
        if size < 4 or size % 2:
            raise damaged(f"the table at byte {position} has a field list of {size} bytes")
        self._count = size // 2 - 2
        self._bytes(self._vtable, size)

    @classmethod
    def root(cls, data: bytes | memoryview) -> "Table":
        """Return the table that the file starts with."""
        view = memoryview(data).cast("B")
        if len(view) < 8:
            raise damaged(f"it has {len(view)} bytes")
        return cls(view, struct.unpack_from("<I", view)[0], [MAX_REPEATED * len(view) + SMALL])

    def number(self, field: int, form: str, default: int = 0) -> int:
        """Return an integer; `form` is its struct letter: b, B, i, I, q, Q."""
        at = self._at(field)
        return default if at is None else int(self._unpack("<" + form, at))

    def text(self, field: int) -> str:
        """Return a string; bytes that are no UTF-8 are replaced."""
        return bytes(self._vector(field, 1)).decode("utf-8", "replace")

    def table(self, field: int) -> "Table | None":
        """Return a table inside this one, None where it is left out."""
        at = self._at(field)
        return None if at is None else Table(self._data, self._follow(at), self._left)

    def tables(self, field: int) -> "list[Table]":
        """Return a list of tables."""
        offsets = self._vector(field, 4)
        start = 0 if not offsets else self._follow(self._present(field)) + 4
        self._spend(TABLE_BYTES * (len(offsets) // 4))
        return [Table(self._data, self._follow(start + 4 * i), self._left) for i in range(len(offsets) // 4)]

    def array(self, field: int, dtype: str) -> npt.NDArray[Any]:
        """Return a list of numbers as a read-only view of the file; `dtype` is little-endian, such as "<i4"."""
        kind = np.dtype(dtype)
        return np.frombuffer(self._vector(field, kind.itemsize), kind)

    def _at(self, field: int) -> int | None:
        """Where the field's value lies, None when the file leaves it out."""
        offset = int(self._unpack("<H", self._vtable + 4 + 2 * field)) if field < self._count else 0
        return self._position + offset if offset else None

    def _present(self, field: int) -> int:
        at = self._at(field)
        assert at is not None
        return at

    def _follow(self, at: int) -> int:
        """Follow the relative offset at byte `at`; 0 would point at itself."""
        offset = int(self._unpack("<I", at))
        if offset == 0:
            raise damaged(f"the offset at byte {at} is 0")
        return at + offset

    def _vector(self, field: int, item: int) -> memoryview:
        at = self._at(field)
        if at is None:
            return self._data[:0]
        start = self._follow(at)
        found = self._bytes(start + 4, int(self._unpack("<I", start)) * item)
        self._spend(len(found))
        return found

    def _spend(self, size: int) -> None:
        """Count what is read: honest files say each thing about once."""
        self._left[0] -= size
        if self._left[0] < 0:
            raise damaged("its parts lie over each other")

    def _unpack(self, form: str, at: int) -> int:
        return int(struct.unpack(form, self._bytes(at, struct.calcsize(form)))[0])

    def _bytes(self, at: int, count: int) -> memoryview:
        if at < 0 or at + count > len(self._data):
            raise damaged(f"bytes {at} to {at + count} are wanted, it has {len(self._data)}")
        return self._data[at : at + count]


def damaged(why: str) -> CheckpointError:
    """Return the error for a file that points outside itself."""
    return CheckpointError(f"the FlatBuffers file is cut off or damaged: {why}")
