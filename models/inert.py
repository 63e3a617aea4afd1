"""The values that an unpickled file is made of besides numbers, text and containers; none of them can do anything."""

import abc
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from edge_pose.errors import CheckpointError

MAX_DEPTH = 1000
# Classes of these packages are never taken for plain data; the exceptions follow.
GUARDED = frozenset(sys.stdlib_module_names) | {"numpy", "torch", "torchaudio", "torchvision"}
# Standard classes that hold data only.
DATA_CLASSES = frozenset({"argparse.Namespace", "decimal.Decimal", "types.SimpleNamespace", "uuid.UUID"}) | {
    *(f"datetime.{name}" for name in ("date", "datetime", "time", "timedelta", "timezone")),
    *(
        f"{module}.{name}"
        for module in ("pathlib", "pathlib._local")
        for name in ("Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
    ),
}
MAX_NAME = 300


class Inert(abc.ABC):
    """A value that a pickle may give a state."""

    @abc.abstractmethod
    def build(self, state: Any) -> None:
        """Take the state; nothing of it is looked up or run."""


@dataclass(frozen=True, slots=True)
class Global:
    """A name that the file mentions, such as torch.float32 or models.yolo.Model. Never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Record(Inert):
    """An instance of a class: the class's name, what it was made with, its attributes and its items."""

    kind: Global
    args: tuple[Any, ...] = ()
    state: dict[Any, Any] = field(default_factory=dict)
    items: list[Any] = field(default_factory=list)

    def build(self, state: Any) -> None:
        """Keep attributes; a pair is (attributes, slots)."""
        parts = state if isinstance(state, tuple) and len(state) == 2 else (state,)
        for part in parts:
            if isinstance(part, dict):
                self.state.update(part)
            elif part is not None:
                self.state["(state)"] = part


def may_be_called(name: Global) -> bool:
    """Whether calling it can only mean to make an instance: a class of an unknown package, or one that holds data."""
    if str(name) in DATA_CLASSES:
        return True
    return name.module.partition(".")[0] not in GUARDED and looks_like_class(name)


def may_be_made(name: Global) -> bool:
    """Whether its instances, made without a call, may be kept as records: also torch's and the main program's."""
    if name.module.partition(".")[0] in ("torch", "torchvision", "__main__"):
        return looks_like_class(name)
    return may_be_called(name)


def looks_like_class(name: Global) -> bool:
    """Whether the last part of the name is written like a class: Conv2d, _Loss."""
    return name.name.rpartition(".")[2].lstrip("_")[:1].isupper()


def check_nesting(value: Any) -> None:
    """Raise CheckpointError where a list, tuple or dict holds itself, or the nesting is deeper than MAX_DEPTH.

    Records may refer back to each other, as trees of modules do: whoever walks them has to look out.
    """
    path: list[tuple[Any, Iterator[Any]]] = [(value, children(value))]
    records = int(isinstance(value, Record))  # how many are on the path
    place = {id(value): 0}  # what is on the path -> how many records were above it
    heights = {id(value): 1}  # of what has been seen: how deep it goes on below
    while path:
        above, rest = path[-1]
        child = next(rest, path)
        if child is path:
            path.pop()
            del place[id(above)]
            records -= isinstance(above, Record)
            if path:
                heights[id(path[-1][0])] = max(heights[id(path[-1][0])], heights[id(above)] + 1)
            continue
        if not isinstance(child, list | tuple | dict | Record):
            continue
        if id(child) in place:
            if place[id(child)] == records:
                raise CheckpointError(f"the pickle holds a {type(child).__name__} that contains itself")
            continue
        if len(path) + heights.get(id(child), 1) > MAX_DEPTH:
            raise CheckpointError(f"the pickle is nested deeper than {MAX_DEPTH} levels")
        if id(child) in heights:
            heights[id(above)] = max(heights[id(above)], heights[id(child)] + 1)
            continue
        place[id(child)], heights[id(child)] = records, 1
        records += isinstance(child, Record)
        path.append((child, children(child)))


def children(value: Any) -> Iterator[Any]:
    """Yield what a container or a record holds."""
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list | tuple):
        yield from value
    elif isinstance(value, Record):
        yield from (value.args, value.state, value.items)
