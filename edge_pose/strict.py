"""Reading documents of others into frozen dataclasses, strictly: nothing unknown, nothing missing, nothing guessed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from edge_pose.errors import SpecError

T = TypeVar("T")
Readers = Mapping[Any, Callable[[Any, str], Any]]  # annotated type -> reader(value, where) for types that need one


def toml_values(text: str) -> dict[str, Any]:
    """Parse TOML with the standard library, or its forerunner on Python 3.10. Raises SpecError."""
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib
    try:
        values: dict[str, Any] = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as err:
        raise SpecError(f"no valid TOML: {err}") from err
    return values


def from_file(path: Path, what: str, parse: Callable[[str], T], max_bytes: int) -> T:
    """Parse a UTF-8 file of at most so many bytes.

    what: that it should be, for messages. Raises SpecError that names the file, also where parse raises it.
    """
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as err:
        raise SpecError(f"cannot read the {what} {path}: {err.strerror or err}") from err
    if len(data) > max_bytes:
        raise SpecError(f"{path} is larger than {max_bytes} bytes: that is no {what}")
    try:
        return parse(data.decode())
    except UnicodeDecodeError as err:
        raise SpecError(f"cannot read the {what} {path}: {err}") from err
    except SpecError as err:
        raise SpecError(f"{path}: {err}") from err


def check_numbers(
    config: Any,
    error: type[Exception],
    *,
    above_zero: Iterable[str] = (),
    shares: Iterable[str] = (),
    most: float = math.inf,
) -> None:
    """Raise `error` unless all fields of a configuration are finite numbers from 0 on.

    above_zero: fields that must not be 0; shares: fields that must not exceed 1; most: all are less.
    """
    for field in fields(config):
        value, positive = getattr(config, field.name), field.name in above_zero
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if not number or value < 0 or value >= most or (positive and not value):
            raise error(f"{field.name} must be a number {'above 0' if positive else 'from 0 on'}, got {value!r}")
        if field.name in shares and value > 1:
            raise error(f"{field.name} must be between 0 and 1, got {value}")


def nearest(name: str, known: Iterable[object]) -> str:
    """Say which known name was probably meant, and which there are."""
    names = [str(k) for k in known]
    by_case = {known.casefold(): known for known in names}
    close = [by_case[found] for found in difflib.get_close_matches(name.casefold(), by_case, n=3, cutoff=0.5)]
    return f"did you mean {' or '.join(map(repr, close))}?" if close else f"known are {', '.join(sorted(names))}"


def read(cls: type[T], values: Any, where: str = "", readers: Readers | None = None) -> T:
    """Build the dataclass `cls` from a table: every field known, of its type, and none missing that has no default.

    where: name of the table, for messages. readers: own readers for some field types.
    Raises SpecError naming the field, what it wants, what it got and the nearest known name.
    """
    if not isinstance(values, Mapping):
        raise SpecError(f"{where or 'the document'} must be a table of fields, got {type(values).__name__}")
    known = {f.name: f for f in fields(cls) if f.init}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise SpecError(f"unknown field {_join(where, str(key))}: {nearest(str(key), known)}")
    for name, f in known.items():
        if name not in values and f.default is MISSING and f.default_factory is MISSING:
            raise SpecError(f"missing field {_join(where, name)}; a {cls.__name__} has {', '.join(known)}")
    types = get_type_hints(cls)
    return cls(**{k: _value(types[k], v, _join(where, k), readers or {}) for k, v in values.items()})


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _value(kind: Any, value: Any, where: str, readers: Readers) -> Any:
    """Return value as the annotated type of its field, or raise SpecError."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in readers:
        return readers[kind](value, where)
    if is_dataclass(kind):
        return read(kind, value, where, readers)  # type: ignore[arg-type]
    if origin is Literal:
        if value not in arguments:
            raise SpecError(f"{where} must be one of {', '.join(map(str, arguments))}, got {value!r}")
        return value
    if origin is tuple:
        return _tuple(arguments, value, where, readers)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise SpecError(f"{where} must be a table, got {value!r}")
        return {str(k): _value(arguments[1], v, _join(where, str(k)), readers) for k, v in value.items()}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError as err:
            raise SpecError(f"{where} must be a finite number, got an integer of {value.bit_length()} bits") from err
    if type(value) is not kind:
        raise SpecError(f"{where} must be {kind.__name__}, got {value!r}")
    if kind is float and not math.isfinite(value):
        raise SpecError(f"{where} must be a finite number, got {value!r}")
    return value


def _tuple(arguments: tuple[Any, ...], value: Any, where: str, readers: Readers) -> tuple[Any, ...]:
    items = arguments[:1] * len(value) if isinstance(value, (list, tuple)) and arguments[-1] is ... else arguments
    if not isinstance(value, (list, tuple)) or len(value) != len(items):
        raise SpecError(f"{where} must be a list of {len(items)} values, got {value!r}")
    return tuple(
        _value(item, v, f"{where}[{i}]", readers) for i, (item, v) in enumerate(zip(items, value, strict=True))
    )
