"""Model names: which file that is, where it comes from, under which licence, and what the network wants.

All of it is in zoo.toml, which is read when it is first needed. Files are looked for in the folders of
$EDGE_POSE_MODELS, then in the cache ($EDGE_POSE_CACHE, else $XDG_CACHE_HOME/edge-pose, else ~/.cache/edge-pose), then
in the package itself, then fetched from their publisher, unless $EDGE_POSE_OFFLINE is set.
"""

from __future__ import annotations

import difflib
import functools
import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from edge_pose.errors import ModelNotFoundError, OutputError, SpecError
from edge_pose.spec import READERS, ModelSpec
from edge_pose.strict import nearest, read, toml_values

Kind = Literal["onnx", "torch", "tflite", "paddle"]
State = Literal["ready", "not fetched", "needs export"]
Progress: TypeAlias = "Callable[[int, int | None], None]"
Name: TypeAlias = "str | os.PathLike[str]"
SUFFIXES = (".onnx", ".engine")
BUNDLED = Path(__file__).with_name("bundled")  # what the package carries: a model, and what its demo looks at
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model.

    names: what it may be called; the first is its name in the cache. kind: "onnx" runs as it is, "torch" and "tflite"
    are what `edge-pose export` reads, "paddle" needs paddle2onnx. urls: where its publisher keeps it; with member,
    these are zip archives that hold it. sha256: hex, or its first digits (at least 8) where no more is known. size: in
    bytes, 0 when unknown. dtype: of the input, where this file differs from the entry's spec.
    """

    names: tuple[str, ...]
    kind: Kind
    urls: tuple[str, ...] = ()
    member: str = ""
    sha256: str = ""
    size: int = 0
    dtype: Literal["", "float32", "float16", "uint8"] = ""
    note: str = ""

    def __post_init__(self) -> None:
        if not self.names or any(Path(name).name != name for name in self.names):
            raise SpecError(f"names must be plain file names, got {list(self.names)}")
        if self.sha256 and not re.fullmatch("[0-9a-f]{8,64}", self.sha256):
            raise SpecError(f"{self.names[0]}: sha256 must be 8 to 64 lower-case hex digits, got {self.sha256!r}")
        if self.member and not self.urls:
            raise SpecError(f"{self.names[0]}: member needs the urls of the archive that it is in")


@dataclass(frozen=True, slots=True)
class ZooEntry:
    """A model by name. license: of the weights. spec: of its ONNX file. howto: how to make it, where export cannot.

    advice: what who uses it should be told once.
    """

    name: str
    summary: str
    homepage: str
    license: str
    spec: ModelSpec
    files: tuple[ModelFile, ...]
    howto: str = ""
    advice: str = ""

    @property
    def file_names(self) -> tuple[str, ...]:
        """What its ready-to-run file may be called in a models folder."""
        names = (name for file in self.files if file.kind == "onnx" for name in file.names)
        return tuple(dict.fromkeys((*names, f"{self.name}.onnx")))

    def downloads(self, kind: Kind | None = None) -> tuple[ModelFile, ...]:
        """Return the files with an address: of one kind, or of all, those that are ready to run first."""
        files = [file for file in self.files if file.urls and kind in (None, file.kind)]
        return tuple(sorted(files, key=lambda file: file.kind != "onnx"))


@dataclass(frozen=True, slots=True)
class Status:
    """Where a model stands on this machine.

    path: the local ONNX file or None. size: its bytes, else those of the download; 0 when unknown. known: whether the
    local file is byte for byte one that the zoo lists, None where it lists none (another one is used all the same).
    """

    entry: ZooEntry
    state: State
    path: Path | None
    size: int
    known: bool | None


def entries() -> Mapping[str, ZooEntry]:
    """Return all models by name."""
    return MappingProxyType({name: entry for name in _tables() if (entry := get(name))})


def get(name: str) -> ZooEntry | None:
    """Return one model, or None if the zoo has no such name."""
    return _shipped(name) if name in _tables() else None


def find(name_or_path: Name) -> Path | None:
    """Return the local file of a model, or None. Never uses the network."""
    given = os.fspath(name_or_path)
    if _is_file(Path(given)):
        return Path(given)
    return None if _is_path(given) else _local(given)


def resolve(
    name_or_path: Name, *, fetch: bool = True, progress: Progress | None = None
) -> tuple[Path, ModelSpec | None]:
    """Return a model's file, fetching it where that is needed and allowed, and the specification the zoo has for it.

    A path stands for itself; the zoo knows it by its sum. The specification is None for a file unknown to the zoo.
    progress(bytes there, bytes in all or None) is called while fetching.
    Raises ModelNotFoundError saying where was looked and what to do; DownloadError, ChecksumError, OutputError.
    """
    given = os.fspath(name_or_path)
    if _is_file(Path(given)):
        return Path(given), _spec_by_sum(Path(given))
    if _is_path(given):
        close = difflib.get_close_matches(Path(given).stem, _tables(), n=1)
        what = "no ordinary file:" if os.path.exists(given) else "no file"  # noqa: PTH110 - any string
        raise ModelNotFoundError(f"{what} {given}" + (f"; the zoo has a model {close[0]!r}" if close else ""))
    entry, path = get(given), _local(given)
    if entry is None:
        if path is None:
            raise ModelNotFoundError(f"no model {given!r}: {nearest(given, _tables())}; {_looked_for(given)}")
        return path, _spec_by_sum(path)
    if path is None:
        if not entry.downloads("onnx"):
            raise ModelNotFoundError(
                f"{given} is not here and not published ready to run ({_looked_for(given)}): {how_to(entry)}"
            )
        if not fetch or _is_offline():
            why = "$EDGE_POSE_OFFLINE is set" if fetch else "nothing may be fetched"
            mend = f"run `edge-pose models fetch {given}`, or put it into a folder of $EDGE_POSE_MODELS"
            raise ModelNotFoundError(f"{given} is not here ({_looked_for(given)}), and {why}: {mend}")
        path = fetch_model(given, kind="onnx", progress=progress)
    return path, _spec_of(entry, path)


def fetch_model(name: str, *, kind: Kind | None = None, progress: Progress | None = None) -> Path:
    """Fetch a file of a model into the cache and return it; one that is there already is checked, not fetched.

    kind: None for the ready-to-run file, or the weights to export from where there is no such.
    Raises ModelNotFoundError, DownloadError, ChecksumError, OutputError.
    """
    entry = get(name)
    if entry is None:
        raise ModelNotFoundError(f"no model {name!r}: {nearest(name, _tables())}")
    files = entry.downloads(kind)
    if not files:
        raise ModelNotFoundError(f"{name} has no {kind or 'published'} file to fetch: {how_to(entry)}")
    target = cache_folder() / files[0].names[0]
    if _is_offline():
        if _is_file(target):
            return target
        raise ModelNotFoundError(f"{target} is not there, and $EDGE_POSE_OFFLINE is set")
    from edge_pose import download  # here, because it costs 20 ms that a model on the disk need not pay

    log.info("fetching %s into %s", target.name, target.parent)
    sums = (files[0].sha256,) if files[0].sha256 else ()
    return download.fetch(files[0].urls, target, sha256=sums, member=files[0].member or None, progress=progress)


def status(entry: ZooEntry) -> Status:
    """Say where a model stands on this machine. Reads its local file whole, to compare the sum."""
    path, ready = _local(entry.name), entry.downloads("onnx")
    if path is not None:
        comparable = any(file.sha256 for file in entry.files if file.kind == "onnx")
        return Status(entry, "ready", path, path.stat().st_size, _is_listed(path, entry) if comparable else None)
    sizes = [file.size for file in ready or entry.downloads()]
    return Status(entry, "not fetched" if ready else "needs export", None, sizes[0] if sizes else 0, None)


def how_to(entry: ZooEntry) -> str:
    """Say how one comes by the ONNX file of a model that is not published as such."""
    mend = entry.howto or f"make it with `edge-pose export {entry.name}`"
    return f"{mend} ({entry.homepage}), or put {entry.file_names[0]} into a folder of $EDGE_POSE_MODELS"


def folders() -> tuple[Path, ...]:
    """Return where model files are looked for, first to last."""
    named = os.environ.get("EDGE_POSE_MODELS", "").split(os.pathsep)
    return (*(Path(folder) for folder in named if folder), cache_folder())


def cache_folder() -> Path:
    """Return where fetched files go; it may not exist yet. Raises OutputError if there is no home folder."""
    own, shared = os.environ.get("EDGE_POSE_CACHE"), os.environ.get("XDG_CACHE_HOME", "")
    if own:
        return Path(own)
    try:
        return (Path(shared) if Path(shared).is_absolute() else Path.home() / ".cache") / "edge-pose"
    except RuntimeError as err:
        raise OutputError("there is no home folder to keep models in; set $EDGE_POSE_CACHE to a folder") from err


def read_entry(name: str, table: object) -> ZooEntry:
    """Read one table of zoo.toml; its spec takes name, license and source from it. Raises SpecError."""
    if isinstance(table, Mapping):
        table = {"name": name, **table}
        if isinstance(table.get("spec"), Mapping):
            same = {"name": name, "license": table.get("license", ""), "source": table.get("homepage", "")}
            table["spec"] = {**same, **table["spec"]}
    return read(ZooEntry, table, name, READERS)


@functools.cache
def _tables() -> dict[str, Any]:
    return toml_values(Path(__file__).with_name("zoo.toml").read_text(encoding="utf-8"))


@functools.cache
def _shipped(name: str) -> ZooEntry:
    return read_entry(name, _tables()[name])  # one at a time: a start needs one, and all of them cost 20 ms


def _is_path(given: str) -> bool:
    return os.sep in given or given.endswith(SUFFIXES)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as err:  # a folder that may not be entered, a name that is too long
        raise ModelNotFoundError(f"cannot look for {path}: {err.strerror}") from err


def _is_offline() -> bool:
    return os.environ.get("EDGE_POSE_OFFLINE", "0") not in ("", "0")


def _names(name: str) -> tuple[str, ...]:
    entry = get(name)
    return entry.file_names if entry else (f"{name}.onnx",)


def _local(name: str) -> Path | None:
    places = (*folders(), BUNDLED)
    return next((path for folder in places for n in _names(name) if _is_file(path := folder / n)), None)


def _looked_for(name: str) -> str:
    return f"looked for {' or '.join(_names(name))} in {', '.join(map(str, folders()))}"


def _spec_of(entry: ZooEntry, path: Path) -> ModelSpec:
    """Return the entry's specification as it is for this file, which its size tells: that costs nothing to look at."""
    size = path.stat().st_size
    files = [file for file in entry.files if file.kind == "onnx"]
    same = [file for file in files if file.size == size] or [file for file in files if file.names[0] == path.name]
    if not any(file.size in (0, size) for file in files):
        log.info("%s is none of the files that the zoo lists for %s", path, entry.name)
    dtypes = {file.dtype for file in same}
    dtype = dtypes.pop() if len(dtypes) == 1 else ""
    return replace(entry.spec, input=replace(entry.spec.input, dtype=dtype)) if dtype else entry.spec


def _spec_by_sum(path: Path) -> ModelSpec | None:
    return next((_spec_of(entry, path) for entry in entries().values() if _is_listed(path, entry)), None)


def _is_listed(path: Path, entry: ZooEntry) -> bool:
    size = path.stat().st_size
    files = [file for file in entry.files if file.kind == "onnx" and file.sha256 and file.size in (0, size)]
    if path.suffix != ".onnx" or not files:
        return False
    return _sum(path, size, path.stat().st_mtime_ns).startswith(tuple(file.sha256 for file in files))


@functools.lru_cache(maxsize=8)
def _sum(path: Path, size: int, mtime_ns: int) -> str:
    """Return the sha256; size and time only make sure that another file is another question."""
    from edge_pose import download

    try:
        return download.sha256_of(path)
    except OSError as err:
        raise ModelNotFoundError(f"cannot read {path}: {err.strerror}") from err
