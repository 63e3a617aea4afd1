"""What reading one pickle may cost. A few bytes of a file can ask for a copy of megabytes, again and again."""

from typing import Any

from edge_pose.errors import CheckpointError
from edge_pose.models.contents import Entry, brief
from edge_pose.models.inert import Global, Record

PLAIN_KEYS = (str, int, float, bytes, type(None))
CONTAINERS = (list, tuple, dict, set, frozenset)
MAX_COPIED = 2**28
# Roughly what one item of a container takes.
ITEM_BYTES = 128
# Hashes of numbers are no secret, and those of tuples of numbers can be made equal: n of them take n * n steps.
MAX_TUPLE_KEYS = 5000
KEY_BITS = 64


class Allowance:
    """Counts what is copied and which keys are used while one file is read."""

    def __init__(self) -> None:
        self.copied = 0
        self.tuples = 0

    def spend(self, size: int) -> None:
        """Count bytes that are about to be taken. Raises CheckpointError where they are too many in all."""
        self.copied += size
        if self.copied > MAX_COPIED:
            raise CheckpointError(f"the pickle asks for copies of its values, more than {MAX_COPIED} bytes in all")

    def items(self, value: Any) -> Any:
        """Return a container of which a copy is about to be made."""
        if not isinstance(value, CONTAINERS):
            raise TypeError(f"a {type(value).__name__} is no container")
        self.spend(ITEM_BYTES * len(value))
        return value

    def key(self, key: Any) -> Any:
        """Return a key whose hash is cheap: a tuple of tuples of tuples, or numbers made to collide, are not."""
        flat = key if isinstance(key, tuple) else (key,)
        self.tuples += flat is key
        if self.tuples > MAX_TUPLE_KEYS or len(flat) > MAX_TUPLE_KEYS:
            raise CheckpointError(f"the pickle uses tuples as keys, more than {MAX_TUPLE_KEYS} times")
        for part in flat:
            if not isinstance(part, (*PLAIN_KEYS, Entry, Global, Record)):
                raise CheckpointError(
                    f"the pickle uses a {type(key).__name__} as a key; only numbers, text and names can be one"
                )
            if isinstance(part, int) and part.bit_length() > KEY_BITS:
                raise CheckpointError(f"the pickle uses {brief(part)} as a key")
        return key
