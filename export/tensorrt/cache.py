"""Where engines and timings are kept: an engine is a cache of its ONNX file, and its document is the key."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge_pose import zoo
from edge_pose.backends.engine_document import EngineDocument, Shapes, document_path, read_document
from edge_pose.backends.tensorrt_library import Library, Target
from edge_pose.errors import SpecError
from edge_pose.export.files import written
from edge_pose.spec import ModelSpec

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EngineKey:
    """All that decides what an engine is. Two builds with equal keys give engines that replace each other."""

    onnx_sha256: str
    target: Target
    version: str
    capabilities: tuple[str, ...]
    precision: str
    profiles: tuple[tuple[str, Shapes], ...]
    hardware: str = ""
    version_compatible: bool = False
    dla_core: int = -1
    workspace_mib: int = 0
    optimization_level: int = -1

    @classmethod
    def of(cls, document: EngineDocument) -> EngineKey:
        """Return the key of an engine that is there."""
        values = {name: getattr(document, name) for name in cls.__slots__ if name != "profiles"}
        return cls(**values, profiles=tuple(sorted(document.profiles.items())))

    @property
    def digest(self) -> str:
        """Return 16 hex digits that stand for the key in a file name."""
        values = [f"{name}={getattr(self, name)}" for name in self.__slots__]
        return hashlib.sha256("\n".join(values).encode()).hexdigest()[:16]


def engine_folder() -> Path:
    """Return where engines go that nobody named a place for."""
    return zoo.cache_folder() / "engines"


def keyed_path(onnx: Path, key: EngineKey) -> Path:
    """Return the place of an engine in the cache."""
    return engine_folder() / f"{onnx.stem}-{key.digest}.engine"


def is_current(engine: Path, key: EngineKey, spec: ModelSpec | None) -> bool:
    """Whether a whole engine with this key, and with this specification beside it, is there."""
    try:
        document = read_document(engine)
    except SpecError as err:
        log.info("%s", err)  # it is built again
        return False
    if document is None or not engine.is_file() or EngineKey.of(document) != key:
        return False
    if document.spec is None or spec is None:
        if document.spec is not spec:
            return False
    elif replace(document.spec, agreement=spec.agreement) != spec:  # its own has what was measured of the engine, too
        return False
    return engine.stat().st_size == document.plan_bytes


def write_engine(engine: Path, plan: Any, document: EngineDocument) -> None:
    """Write plan and document; the document, which knows the plan's size, takes its place last.

    Raises OutputError; then what was there before stays.
    """
    with written(document_path(engine)) as text, written(engine) as part:
        text.write_text(document.to_json(), encoding="utf-8")
        with part.open("wb") as stream:
            stream.write(plan)  # straight from TensorRT's memory


def timing_path(library: Library, capability: str) -> Path:
    """Return the file with the timings of layers: of one version on one kind of GPU."""
    return engine_folder() / f"timings-{library.version}-{capability}.cache"


def load_timings(path: Path) -> bytes:
    """Return the timings of earlier builds; nothing when there are none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as err:
        log.info("timings are measured anew: cannot read %s: %s", path, err)
        return b""


def save_timings(path: Path, data: Any) -> None:
    """Keep the timings for the next build; that they cannot be kept costs minutes, not the engine."""
    try:
        with written(path) as part:
            part.write_bytes(bytes(data))
    except OSError as err:
        log.warning("timings are not kept for the next build: %s", err)
