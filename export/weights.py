"""Which weights a model gets: the ones named, else those on this machine, else the published ones. Without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge_pose import __version__, download, zoo
from edge_pose.errors import ModelNotFoundError
from edge_pose.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Origin:
    """Where weights come from: sha256 of their file, their licence and home as far as anybody says so, else ""."""

    path: Path
    sha256: str
    license: str = ""
    source: str = ""


def find_weights(name: str, progress: zoo.Progress | None = None) -> Path:
    """Return the weights of a model: a file of a models folder or the cache, else fetched from their publisher.

    Raises ModelNotFoundError where none are published, DownloadError, ChecksumError.
    """
    entry = zoo.get(name)
    if entry is not None:
        names = [file_name for file in entry.files if file.kind in ("torch", "tflite") for file_name in file.names]
        for folder in zoo.folders():
            for file_name in names:
                if (folder / file_name).is_file():
                    return folder / file_name
        local = zoo.find(name)
        if local is not None:
            return local
        for kind in ("torch", "tflite", "onnx"):
            if entry.downloads(kind):
                return zoo.fetch_model(name, kind=kind, progress=progress)
    raise ModelNotFoundError(f"{name} has no published weights that could be fetched: name your file with --weights")


def origin_of(path: Path, says: dict[str, Any] | None = None) -> Origin:
    """Tell by its sum whose weights a file has; else the licence is what the file itself says."""
    try:
        digest = download.sha256_of(path)
    except OSError as err:
        raise ModelNotFoundError(f"cannot read {path}: {err.strerror}") from err
    for entry in zoo.entries().values():
        if any(file.sha256 and digest.startswith(file.sha256) for file in entry.files):
            return Origin(path, digest, entry.license, entry.homepage)
    return Origin(path, digest, str((says or {}).get("license", "")))


def with_origin(spec: ModelSpec, origin: Origin) -> ModelSpec:
    """Write into a specification which file it was made from, and by whom.

    A file that nobody knows may still be the published one, saved anew: its licence then stands as a guess.
    """
    guess = f"unknown (the published weights of {spec.name}: {spec.license})" if spec.license else ""
    return replace(
        spec,
        license=origin.license or guess,
        source=origin.source or (spec.source if spec.checkpoint_sha256 else ""),
        checkpoint_sha256=spec.checkpoint_sha256 or origin.sha256,  # a graph of ours remembers its checkpoint
        exporter=f"edge-pose {__version__}",
    )
