"""Reads pickles without running them: a small machine over the opcodes that builds plain values only.

Nothing of the file is imported and nothing of it is called. A name of the file (`posix.system`, `models.yolo.Model`)
is a Global, an inert pair of strings. Only the pure rebuilders that the caller passes are ever called; an instance of
any class becomes a Record of its state; any other call is refused with the name of what it asked for. Python's own
unpickler is not used: even with a restricted find_class it runs __reduce__, __setstate__ and attribute assignments.
The opcodes are told apart by the standard library's pickletools.genops, which executes nothing.
"""

import pickletools
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable, Mapping
from typing import IO, Any, Protocol, cast

from edge_pose.errors import CheckpointError
from edge_pose.models.allowance import ITEM_BYTES, Allowance
from edge_pose.models.contents import Entry, brief
from edge_pose.models.inert import MAX_NAME, Global, Inert, Record, check_nesting, may_be_called, may_be_made

MAX_OPCODES = 2_000_000  # YOLOv5n, pickled as a whole, takes 34,000
MAX_MEMO = 2**32
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
# Opcodes whose argument, as genops read it, is the value itself.
# fmt: off
LITERALS = frozenset({
    "INT", "LONG", "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
})
# fmt: on
# How a class's instance is made without calling the class: (class, arguments...).
NEW_INSTANCE = frozenset({"copyreg.__newobj__", "copyreg.__newobj_ex__", "copyreg._reconstructor"})

Rebuilders = Mapping[str, Callable[..., Any]]


class Readable(Protocol):
    """What a pickle is read from."""

    def read(self, size: int, /) -> bytes:
        """Read bytes; fewer at the end."""

    def readline(self) -> bytes:
        """Read up to the end of a line."""


def unpickle(stream: Readable, rebuilders: Rebuilders, persistent_load: Callable[[Any], Any] | None = None) -> Any:
    """Read one pickle from a stream and leave the stream behind it.

    rebuilders: "module.name" -> a pure function of ours; persistent_load: turns a persistent id into a value.
    Raises CheckpointError for a damaged pickle, a forbidden call, plain containers that hold themselves, or nesting
    deeper than 1000 levels.
    """
    machine = Machine(rebuilders, persistent_load)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(cast("IO[bytes]", stream))):
            if count > MAX_OPCODES:
                raise CheckpointError(f"the pickle has more than {MAX_OPCODES} instructions")
            machine.step(opcode.name, argument)
        (value,) = machine.stack
    except CheckpointError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, Warning) as err:
        raise CheckpointError(f"the pickle is cut off or damaged: {type(err).__name__}: {err}") from err
    check_nesting(value)
    return value


class Machine:
    """The stack, the memo, and one method per opcode that does more than push its argument."""

    def __init__(self, rebuilders: Rebuilders, persistent_load: Callable[[Any], Any] | None) -> None:
        self.rebuilders = rebuilders
        self.persistent_load = persistent_load
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.allowance = Allowance()

    def step(self, name: str, argument: Any) -> None:
        """Run one instruction."""
        if name in LITERALS:
            self.push(argument)
        elif name in CONSTANTS:
            self.push(CONSTANTS[name])
        else:
            method = getattr(self, f"_{name.lower()}", None)
            if method is None:
                raise CheckpointError(f"the pickle uses {name}, which no weight file needs")
            method(argument)

    def push(self, value: Any) -> None:
        """Put a value on top of the stack."""
        self.stack.append(value)

    def group(self) -> list[Any]:
        """Return all values above the last mark, and drop the mark."""
        values, self.stack = self.stack, self.marks.pop()
        return values

    def pop(self, count: int) -> list[Any]:
        """Return the topmost values, the top one last."""
        if len(self.stack) < count:
            raise IndexError("the stack is empty")
        values = self.stack[-count:]
        del self.stack[-count:]
        return values

    # Bookkeeping

    def _proto(self, _: int) -> None: ...
    def _frame(self, _: int) -> None: ...
    def _stop(self, _: None) -> None: ...

    def _mark(self, _: None) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def _pop(self, _: None) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.group()

    def _pop_mark(self, _: None) -> None:
        self.group()

    def _dup(self, _: None) -> None:
        self.push(self.stack[-1])

    def _get(self, index: int) -> None:
        self.push(self.memo[index])

    def _put(self, index: int) -> None:
        if not 0 <= index < MAX_MEMO:
            raise CheckpointError(f"the pickle keeps a value under the number {brief(index)}")
        self.memo[index] = self.stack[-1]

    def _memoize(self, _: None) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    _binget = _long_binget = _get
    _binput = _long_binput = _put

    # Containers

    def _empty_list(self, _: None) -> None:
        self.push([])

    def _empty_tuple(self, _: None) -> None:
        self.push(())

    def _empty_dict(self, _: None) -> None:
        self.push({})

    def _empty_set(self, _: None) -> None:
        self.push(set())

    def _list(self, _: None) -> None:
        self.push(self.group())

    def _tuple(self, _: None) -> None:
        self.push(tuple(self.group()))

    def _tuple1(self, _: None) -> None:
        self.push(tuple(self.pop(1)))

    def _tuple2(self, _: None) -> None:
        self.push(tuple(self.pop(2)))

    def _tuple3(self, _: None) -> None:
        self.push(tuple(self.pop(3)))

    def _dict(self, _: None) -> None:
        values = self.group()
        self.push({})
        self.set_items(values)

    def _frozenset(self, _: None) -> None:
        self.push(frozenset(self.allowance.key(value) for value in self.group()))

    def _append(self, _: None) -> None:
        self.extend(self.pop(1))

    def _appends(self, _: None) -> None:
        self.extend(self.group())

    def _additems(self, _: None) -> None:
        values = self.group()
        if not isinstance(self.stack[-1], set):
            raise TypeError("items are added to what is no set")
        self.stack[-1].update(self.allowance.key(value) for value in values)

    def _setitem(self, _: None) -> None:
        self.set_items(self.pop(2))

    def _setitems(self, _: None) -> None:
        self.set_items(self.group())

    def extend(self, values: list[Any]) -> None:
        """Append values to the list or record on top."""
        target = self.stack[-1]
        if isinstance(target, Record):
            target.items.extend(values)
        elif isinstance(target, list):
            target.extend(values)
        else:
            raise TypeError("items are appended to what is no list")

    def set_items(self, values: list[Any]) -> None:
        """Set keys and values, in turn, in the dict or record on top."""
        target, pairs = self.stack[-1], list(zip(values[::2], values[1::2], strict=True))
        if isinstance(target, Record):
            target.items.extend(pairs)
        elif isinstance(target, dict):
            target.update((self.allowance.key(key), value) for key, value in pairs)
        else:
            raise TypeError("items are set in what is no dict")

    # Names, instances, calls

    def _global(self, both: str) -> None:
        module, _, name = both.partition(" ")
        self.push(named(module, name))

    def _stack_global(self, _: None) -> None:
        module, name = self.pop(2)
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("a name is no text")
        self.push(named(module, name))

    def _reduce(self, _: None) -> None:
        called, args = self.pop(2)
        self.push(self.call(called, args))

    def _newobj(self, _: None) -> None:
        kind, args = self.pop(2)
        self.push(self.make(kind, args))

    def _newobj_ex(self, _: None) -> None:
        kind, args, keywords = self.pop(3)
        self.push(self.make(kind, (*self.allowance.items(args), keywords)))

    def _obj(self, _: None) -> None:
        called, *args = self.group()
        self.push(self.call(called, tuple(args)))

    def _inst(self, both: str) -> None:
        args = tuple(self.group())
        self._global(both)
        self.push(self.call(self.stack.pop(), args))

    def _binpersid(self, _: None) -> None:
        if self.persistent_load is None:
            raise CheckpointError("the pickle refers to data outside itself")
        self.push(self.persistent_load(self.stack.pop()))

    def _build(self, _: None) -> None:
        target, state = self.pop(2)
        if isinstance(target, Inert):
            parts = state if isinstance(state, tuple) and len(state) == 2 else (state,)
            self.allowance.spend(sum(ITEM_BYTES * len(part) for part in parts if isinstance(part, dict)))
            target.build(state)
        elif not isinstance(target, dict | Entry):
            # An OrderedDict's or a tensor's attributes (versions, hooks) are left out; anything else has none.
            raise CheckpointError(f"the pickle sets the state of a {type(target).__name__}")
        self.push(target)

    def call(self, called: Any, args: Any) -> Any:
        """Do what REDUCE, OBJ and INST ask for, if it is harmless."""
        if not isinstance(called, Global):
            raise CheckpointError(f"refused: the pickle calls a {type(called).__name__} that it made itself")
        if not isinstance(args, tuple):
            raise TypeError("arguments are no tuple")
        name = str(called)
        if name in NEW_INSTANCE:
            return self.make(args[0], self.allowance.items(args)[1:])
        if name in self.rebuilders:
            return self.rebuilders[name](*args)
        if may_be_called(called):
            return Record(called, args)
        raise CheckpointError(f"refused: the pickle asks to call {name}; only tensors and plain values are rebuilt")

    def make(self, kind: Any, args: Any) -> Any:
        """Make an instance of a class: of a container itself, else a Record."""
        if not isinstance(kind, Global):
            raise CheckpointError(f"refused: the pickle makes an instance of a {type(kind).__name__}")
        if not isinstance(args, tuple):
            raise TypeError("arguments are no tuple")
        if str(kind) in self.rebuilders:
            return self.rebuilders[str(kind)](*args)
        if may_be_made(kind):
            return Record(kind, args)
        raise CheckpointError(f"refused: the pickle asks to make a {kind}; only tensors and plain values are rebuilt")


def named(module: str, name: str) -> Global:
    """Return a name as Python 3 has it: protocols up to 2 write those of Python 2, such as commands for subprocess."""
    if len(module) + len(name) > MAX_NAME or not (module + name).isprintable():
        raise CheckpointError(f"the pickle names {brief(name)} of {brief(module)}")
    module, name = NAME_MAPPING.get((module, name), (module, name))
    return Global(IMPORT_MAPPING.get(module, module), name)
