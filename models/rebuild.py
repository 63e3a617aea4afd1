"""The only things that a pickle may have made for it: containers, numbers, NumPy arrays, and views of tensor data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_pose.errors import CheckpointError
from edge_pose.models.allowance import Allowance
from edge_pose.models.contents import ITEM_SIZES, Entry, Storage, brief, checked_sizes
from edge_pose.models.inert import Global, Inert

# A view may repeat elements (stride 0), but not make a small file fill the memory.
MAX_REPEATED = 2**24
MAX_WORD = 100
NUMPY_TYPES = frozenset(["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1", "c8", "c16"])


@dataclass(frozen=True, slots=True, eq=False)
class StorageRef:
    """Tensor data that a pickle refers to; dtype None is a storage of bytes."""

    storage: Storage
    dtype: str | None


@dataclass(slots=True, eq=False)
class NumpyType(Inert):
    """A NumPy dtype; None where it is not a number."""

    dtype: np.dtype[Any] | None

    def build(self, state: Any) -> None:
        """Take the byte order: (version, order, ...)."""
        if self.dtype is not None and isinstance(state, tuple) and state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


@dataclass(slots=True, eq=False)
class NumpyArray(Inert):
    """A NumPy array; None until its state comes, and where its elements are no numbers."""

    array: npt.NDArray[Any] | None = None
    entry: Entry | None = None

    def build(self, state: Any) -> None:
        """Take (version, shape, dtype, Fortran order, bytes)."""
        shape, kind, fortran, data = state[-4:]
        if kind.dtype is not None:
            self.array = np.frombuffer(data, kind.dtype).reshape(checked_sizes(shape), order="F" if fortran else "C")


def rebuilders() -> dict[str, Callable[..., Any]]:
    """What may be called, by name, for one file."""
    allowance = Allowance()

    def encode(text: Any, coding: Any) -> bytes:
        if not isinstance(text, str) or coding not in ("latin1", "latin-1"):
            raise CheckpointError(f"the pickle encodes {brief(text)} as {brief(coding)}")
        allowance.spend(len(text))
        return text.encode("latin-1")

    def copied(data: Any) -> bytearray:
        if not isinstance(data, bytes | bytearray):  # bytearray(10**12) would make some
            raise TypeError("bytes are no bytes")
        allowance.spend(len(data))
        return bytearray(data)

    def new_dict(items: Any = ()) -> dict[Any, Any]:
        pairs = allowance.items(items).items() if isinstance(items, dict) else allowance.items(items)
        return {allowance.key(key): value for key, value in pairs}

    def new_set(items: Any = ()) -> set[Any]:
        return {allowance.key(item) for item in allowance.items(items)}

    found: dict[str, Callable[..., Any]] = {
        "_codecs.encode": encode,
        "builtins.bytearray": lambda data=b"", coding="latin1": copied(
            encode(data, coding) if isinstance(data, str) else data
        ),
        "builtins.bytes": lambda: b"",
        "builtins.complex": lambda real, imag: complex(float(real), float(imag)),
        "builtins.dict": new_dict,
        "builtins.frozenset": new_set,
        "builtins.list": lambda items=(): [*allowance.items(items)],
        "builtins.set": new_set,
        "builtins.slice": new_slice,
        "collections.Counter": new_dict,
        "collections.OrderedDict": new_dict,
        "collections.defaultdict": lambda *_: {},
        "collections.deque": lambda items=(), *_: [*allowance.items(items)],
        "torch.Size": lambda size=(): checked_sizes(size),
        "torch.device": lambda kind, index=None: word(kind) if index is None else f"{word(kind)}:{brief(index)}",
        "torch.serialization._get_layout": word,
        "numpy.dtype": numpy_type,
    }
    for core in ("numpy.core", "numpy._core"):
        found[f"{core}.multiarray._reconstruct"] = lambda *_: NumpyArray()
        found[f"{core}.multiarray.scalar"] = numpy_scalar
        found[f"{core}.numeric._frombuffer"] = numpy_from_buffer
    return found | TENSORS


def word(text: Any) -> str:
    """Return a short text."""
    if not isinstance(text, str) or len(text) > MAX_WORD:
        raise TypeError(f"{brief(text)} is no word")
    return text


def new_slice(*limits: Any) -> slice:
    """Make a slice of numbers; of slices of slices it could not be cleaned up."""
    if any(limit is not None and type(limit) is not int for limit in limits):
        raise TypeError("a slice is not made of numbers")
    return slice(*limits)


def numpy_type(name: Any, *_: Any) -> NumpyType:
    """Make a dtype of a number; others are kept without a meaning."""
    return NumpyType(np.dtype(name) if isinstance(name, str) and name in NUMPY_TYPES else None)


def numpy_scalar(kind: NumpyType, data: Any = None) -> Any:
    """Make a number."""
    if kind.dtype is None or not isinstance(data, bytes):
        return None
    return np.frombuffer(data, kind.dtype, 1)[0].item()


def numpy_from_buffer(data: Any, kind: NumpyType, shape: Any, order: str) -> NumpyArray:
    """Make an array out of bytes that are in the pickle."""
    made = NumpyArray()
    made.build((shape, kind, order == "F", data))
    return made


def tensor(ref: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> Entry:
    """View a storage; gradients and hooks are left out. Every element must lie inside the storage."""
    if isinstance(ref, StorageRef) and ref.dtype is None:
        raise CheckpointError("a tensor of bytes without a type")
    return view(ref, None, offset, shape, stride)


def tensor_of_bytes(
    ref: Any, offset: Any, shape: Any, stride: Any, _grad: Any, _hooks: Any, kind: Any, *_: Any
) -> Entry:
    """View an untyped storage as elements of a type."""
    return view(ref, kind.name if isinstance(kind, Global) and kind.module == "torch" else "?", offset, shape, stride)


def view(ref: Any, dtype: str | None, offset: Any, shape: Any, stride: Any) -> Entry:
    """Check every number of a view and make it."""
    if not isinstance(ref, StorageRef):
        raise CheckpointError(f"a tensor is a view of a {type(ref).__name__}, not of tensor data")
    dtype = dtype or ref.dtype
    if dtype not in ITEM_SIZES:
        raise CheckpointError(f"a tensor of type {dtype} cannot be read; known are {', '.join(ITEM_SIZES)}")
    (start,), shape, stride = checked_sizes((offset,)), checked_sizes(shape), checked_sizes(stride)
    if len(shape) != len(stride):
        raise CheckpointError(f"a tensor has {len(shape)} dimensions and {len(stride)} strides")
    available = ref.storage.size // ITEM_SIZES[dtype]
    entry = Entry(dtype, shape, ref.storage, start, stride)
    end = start + sum((size - 1) * step for size, step in zip(shape, stride, strict=True)) + 1 if entry.count else start
    if end > available:
        raise CheckpointError(
            f"a tensor of shape {shape}, strides {stride}, offset {start} reaches to element {end}, "
            f"storage {ref.storage.name!r} has {available}"
        )
    if entry.count > max(available, MAX_REPEATED):
        raise CheckpointError(f"a tensor of shape {shape} repeats the {available} elements of its storage too often")
    return entry


def parameter(data: Any, *_: Any) -> Entry:
    """Return the tensor of a parameter."""
    if not isinstance(data, Entry):
        raise CheckpointError(f"a parameter holds a {type(data).__name__}, not a tensor")
    return data


def tensor_of_type(rebuild: Any, _type: Any, args: Any, *_: Any) -> Entry:
    """Return the tensor of a subclass, without what the subclass adds."""
    if not isinstance(rebuild, Global) or str(rebuild) not in TENSORS or not isinstance(args, tuple):
        name = rebuild if isinstance(rebuild, Global) else brief(rebuild)
        raise CheckpointError(f"refused: the pickle asks to call {name}; only tensors and plain values are rebuilt")
    made = TENSORS[str(rebuild)](*args)
    assert isinstance(made, Entry)
    return made


TENSORS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": tensor,
    "torch._utils._rebuild_tensor_v2": tensor,
    "torch._utils._rebuild_tensor_v3": tensor_of_bytes,
    "torch._utils._rebuild_parameter": parameter,
    "torch._utils._rebuild_parameter_with_state": parameter,
    "torch._tensor._rebuild_from_type_v2": tensor_of_type,
    "torch._tensor._rebuild_from_type": tensor_of_type,
}
