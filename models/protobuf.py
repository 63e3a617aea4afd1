"""The wire format of Protocol Buffers, checked against the file at every step. Source: protobuf.dev, "Encoding"."""

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_pose.errors import CheckpointError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAX_VARINT_BYTES = 10
MAX_FIELDS = 4_000_000  # of one message


class Message:
    """One message at bytes `start` to `end` of a file; its fields are found by reading it once from end to end.

    A field that is not there is 0, "" or empty, as the format defines. Raises CheckpointError for a damaged message.
    """

    __slots__ = ("_data", "_fields")

    def __init__(self, data: memoryview, start: int, end: int) -> None:
        self._data = data
        self._fields: dict[int, list[tuple[int, Any]]] = {}
        at, count = start, 0
        while at < end:
            count += 1
            if count > MAX_FIELDS:
                raise damaged(f"a message has more than {MAX_FIELDS} fields")
            key, at = self._varint(at, end)
            field, wire = key >> 3, key & 7
            value: Any
            if wire == VARINT:
                value, at = self._varint(at, end)
            elif wire == BYTES:
                size, at = self._varint(at, end)
                value, at = (at, at + size), at + size
            elif wire in (FIXED32, FIXED64):
                size = 4 if wire == FIXED32 else 8
                value, at = (at, at + size), at + size
            else:
                raise damaged(f"byte {at} starts a field of unknown kind {wire}")
            if at > end:
                raise damaged(f"field {field} ends at byte {at}, its message at {end}")
            self._fields.setdefault(field, []).append((wire, value))

    def number(self, field: int) -> int:
        """Return a signed integer; of several, the last one counts."""
        found = [value for wire, value in self._fields.get(field, ()) if wire == VARINT]
        return signed(found[-1]) if found else 0

    def text(self, field: int) -> str:
        """Return a string."""
        return (self.texts(field) or [""])[-1]

    def texts(self, field: int) -> list[str]:
        """Return all strings of a field."""
        return [bytes(self._data[start:end]).decode("utf-8", "replace") for start, end in self.spans(field)]

    def messages(self, field: int) -> "Iterator[Message]":
        """Yield all messages of a field."""
        for start, end in self.spans(field):
            yield Message(self._data, start, end)

    def message(self, field: int) -> "Message":
        """Return a message, an empty one where it is left out."""
        start, end = (self.spans(field) or [(0, 0)])[-1]
        return Message(self._data, start, end)

    def spans(self, field: int) -> list[tuple[int, int]]:
        """Return where the byte strings of a field begin and end in the file."""
        return [value for wire, value in self._fields.get(field, ()) if wire == BYTES]

    def numbers(self, field: int) -> list[int]:
        """Return signed integers, packed or not."""
        found: list[int] = []
        for wire, value in self._fields.get(field, ()):
            if wire == VARINT:
                found.append(signed(value))
            elif wire == BYTES:
                at, end = value
                while at < end:
                    number, at = self._varint(at, end)
                    found.append(signed(number))
        return found

    def floats(self, field: int, dtype: str) -> npt.NDArray[Any]:
        """Return floats of "<f4" or "<f8", packed or not."""
        parts = [self._data[value[0] : value[1]] for wire, value in self._fields.get(field, ()) if wire != VARINT]
        if sum(len(part) for part in parts) % np.dtype(dtype).itemsize:
            raise damaged(f"field {field} is cut off")
        return np.frombuffer(b"".join(parts), dtype)

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        """Read an unsigned integer; return it and where it ends."""
        value = 0
        for index in range(MAX_VARINT_BYTES):
            if at >= end:
                raise damaged(f"a number at byte {at} is cut off")
            byte = self._data[at]
            at += 1
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                return value & 0xFFFF_FFFF_FFFF_FFFF, at
        raise damaged(f"the number that ends at byte {at} is too long")


def signed(value: int) -> int:
    """Return a 64-bit number as protobuf means it: negative ones are stored modulo 2**64."""
    return int(struct.unpack("<q", struct.pack("<Q", value))[0])


def damaged(why: str) -> CheckpointError:
    """Return the error for a message that does not hold together."""
    return CheckpointError(f"the protobuf file is cut off or damaged: {why}")
