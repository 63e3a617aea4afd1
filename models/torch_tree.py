"""Finds the weights in whatever was saved: a state dict, a training checkpoint, a whole pickled tree of modules."""

import math
from collections.abc import Iterator
from typing import Any

from edge_pose.errors import CheckpointError
from edge_pose.models.contents import Contents, Entry, brief, entry_from_array
from edge_pose.models.inert import Global, Record
from edge_pose.models.rebuild import NumpyArray

# Where checkpoints keep their weights, the one to prefer first: averaged weights are those that were evaluated.
# fmt: off
PARTS = (
    "ema", "model_ema", "state_dict_ema", "params_ema", "state_dict", "model_state_dict", "model_state", "model",
    "net", "network", "module", "params", "weights",
)
# fmt: on
MAX_MODULES = 200_000
MAX_MODULES_DEEP = 100
MAX_TEXT = 100_000
MAX_PARTS_DEEP = 4
# What a pickled module says about itself.
ATTRIBUTES = ("names", "nc", "yaml", "task", "kpt_shape")
MAX_METADATA = 2000


def find_weights(value: Any, part: str | None = None) -> Contents:
    """Return the weights by name, what else was saved as metadata, and which part of the file they are.

    part: where to look, "state_dict" or "ema.module"; None takes the first of PARTS that has weights. Raises
    CheckpointError where there are none, or several networks and no part was named.
    """
    contents = Contents("")
    if part is None:
        found = choose(value, "", 0, set())
    else:
        inside = value
        for key in part.split("."):
            if not isinstance(inside, dict) or key not in inside:
                raise CheckpointError(
                    f"part {part!r} is not in the file; it has {', '.join(list_parts(value)) or 'none'}"
                )
            inside = inside[key]
        found = choose(inside, part, 0, set())
    if found is None:
        raise CheckpointError(f"the file holds no weights, only {describe(value)}")
    contents.tensors, contents.metadata["part"], holder = found
    others = [name for name in list_parts(value) if name != contents.metadata["part"].partition(".")[0]]
    if others:
        contents.metadata["other_parts"] = others
    contents.metadata |= metadata(value, holder)
    return contents


def choose(value: Any, path: str, deep: int, seen: set[int]) -> tuple[dict[str, Entry], str, Any] | None:
    """Return weights, where they were, and what they were in; None if there are none, or they were seen before."""
    if not isinstance(value, dict | Record) or deep > MAX_PARTS_DEEP or id(value) in seen:
        return None
    seen.add(id(value))
    if isinstance(value, Record):
        tensors = dict(module_tensors(value, "", frozenset(), [MAX_MODULES]))
        return (tensors, path, value) if tensors else None
    for key in PARTS:
        found = choose(value.get(key), f"{path}.{key}".lstrip("."), deep + 1, seen)
        if found is not None:
            return found
    direct = {key: as_entry(key, item) for key, item in value.items() if isinstance(key, str)}
    tensors = {key: entry for key, entry in direct.items() if entry is not None}
    if tensors:
        return tensors, path, value
    inside = [
        found
        for key, item in value.items()
        if isinstance(key, str) and (found := choose(item, f"{path}.{key}".lstrip("."), deep + 1, seen))
    ]
    if len(inside) > 1:
        raise CheckpointError(
            f"the file holds several networks, say which with part=: {', '.join(where for _, where, _ in inside)}"
        )
    return inside[0] if inside else None


def module_tensors(
    module: Record, prefix: str, above: frozenset[int], budget: list[int]
) -> Iterator[tuple[str, Entry]]:
    """Yield parameters and buffers of a pickled module by the names that its state_dict() would have.

    above: the modules that hold this one; budget: how many modules may still be visited, since shared ones count
    under each of their names.
    """
    budget[0] -= 1
    if budget[0] < 0:
        raise CheckpointError(f"the file names more than {MAX_MODULES} modules")
    if len(above) > MAX_MODULES_DEEP:
        raise CheckpointError(f"the file has modules inside modules, more than {MAX_MODULES_DEEP} levels deep")
    if id(module) in above:
        raise CheckpointError(f"module {prefix.rstrip('.')!r} ({module.kind}) contains itself")
    hidden = module.state.get("_non_persistent_buffers_set")
    hidden = hidden if isinstance(hidden, set) else set()
    for group in ("_parameters", "_buffers"):
        for name, value in members(module, group):
            entry = as_entry(prefix + name, value)
            if entry is not None and not (group == "_buffers" and name in hidden):
                yield prefix + name, entry
    for name, child in members(module, "_modules"):
        if isinstance(child, Record):
            yield from module_tensors(child, f"{prefix}{name}.", above | {id(module)}, budget)


def members(module: Record, group: str) -> list[tuple[str, Any]]:
    """List one of a module's dicts; empty where the record is no module."""
    found = module.state.get(group)
    if not isinstance(found, dict):
        return []
    return [(name, value) for name, value in found.items() if isinstance(name, str)]


def as_entry(name: str, value: Any) -> Entry | None:
    """Return a tensor or array of numbers as an Entry, None for anything else."""
    if isinstance(value, NumpyArray) and value.array is not None and value.array.dtype.kind in "fiub":
        value.entry = value.entry or entry_from_array(name, value.array)
        return value.entry
    return value if isinstance(value, Entry) else None


def list_parts(value: Any) -> list[str]:
    """Name the parts of a checkpoint that hold weights."""
    if not isinstance(value, dict):
        return []
    return [key for key in PARTS if key in value and choose(value[key], key, 1, set()) is not None]


def describe(value: Any) -> str:
    """Say in a few words what was saved."""
    if isinstance(value, Record):
        return f"a {value.kind}"
    if isinstance(value, dict):
        keys = (key[:40] if isinstance(key, str) else brief(key) for key in list(value)[:8])
        return f"a dict with {', '.join(keys) or 'nothing'}"
    return f"a {type(value).__name__}"


def metadata(value: Any, holder: Any) -> dict[str, Any]:
    """Return numbers, text and plain dicts beside the weights, and what the pickled module says about itself."""
    budget = [MAX_METADATA]
    known: dict[str, Any] = {}
    if isinstance(value, dict) and value is not holder:
        for key, item in value.items():
            if isinstance(key, str) and key not in PARTS and (made := plain(item, budget)) is not None:
                known[key] = made
    if isinstance(holder, Record):
        known["class"] = str(holder.kind)
        for key in ATTRIBUTES:
            if (made := plain(holder.state.get(key), budget)) is not None:
                known[key] = made
    return known


def plain(value: Any, budget: list[int], deep: int = 0) -> Any:
    """Return a copy made of numbers, text, lists and dicts; None for what has no such form, or is too much."""
    budget[0] -= 1
    if budget[0] < 0 or deep > 6:
        return None
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, int):
        return value if value.bit_length() <= 64 else None
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else None
    if isinstance(value, Global):
        return str(value)
    if isinstance(value, NumpyArray) and value.array is not None and value.array.size <= 32:
        return value.array.tolist()
    if isinstance(value, list | tuple):
        return [made for item in value if (made := plain(item, budget, deep + 1)) is not None]
    if isinstance(value, dict):
        pairs = (
            (str(key), plain(item, budget, deep + 1))
            for key, item in value.items()
            if isinstance(key, str | int | float) and plain(key, [1]) is not None
        )
        return {key: made for key, made in pairs if made is not None}
    return None
