"""`x.engine.json`: what the plan beside it was built from, by what and for which GPU. The plan itself is NVIDIA's.

An engine is a cache of its ONNX file, and these are the keys of that cache: ONNX sha256, TensorRT version, compute
capability, precision, profile. One that does not fit is built again, never guessed around.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from edge_pose.backends.tensorrt_library import TITLES, Library, Target
from edge_pose.errors import SpecError
from edge_pose.spec import MAX_BYTES, ModelSpec
from edge_pose.strict import read

SCHEMA = 1
MAKERS: dict[bytes, Target] = {b"ftrt": "tensorrt", b"vtrt": "tensorrt-rtx"}  # the first bytes of a plan
VERSION_AT = 24  # four bytes of a plan: the version that wrote it
Shapes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class EngineDocument:
    """What one engine is.

    capabilities: compute capabilities it was built for, such as "8.7"; hardware: "" or the name of TensorRT's
    compatibility level that widens them. profiles: input name -> smallest, best and largest shape. onnx: name of the
    file it was built from. plan_bytes: size of the plan, so that a half-copied one is seen. built_s: seconds it took.
    agreement: its answers against those of the ONNX file on ONNX Runtime, by measure; not_compared: why there is none.
    """

    target: Target
    version: str
    capabilities: tuple[str, ...]
    precision: str
    profiles: Mapping[str, Shapes]
    onnx: str
    onnx_sha256: str
    plan_bytes: int
    hardware: str = ""
    version_compatible: bool = False
    dla_core: int = -1
    workspace_mib: int = 0
    optimization_level: int = -1
    built_s: float = 0.0
    exporter: str = ""
    agreement: Mapping[str, float] = field(default_factory=dict)
    not_compared: str = ""
    schema: int = SCHEMA
    spec: ModelSpec | None = field(default=None)

    @property
    def batch(self) -> tuple[int, int, int]:
        """Smallest, best and largest number of rows."""
        low, best, high = next(iter(self.profiles.values()))
        return low[0], best[0], high[0]

    def to_json(self) -> str:
        """Return the document as text."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        values["spec"] = self.spec.to_dict() if self.spec else None
        values["profiles"], values["agreement"] = dict(self.profiles), dict(self.agreement)
        return json.dumps(values, indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> EngineDocument:
        """Read what to_json wrote. Raises SpecError."""
        if len(text) > MAX_BYTES:
            raise SpecError(f"an engine's document has at most {MAX_BYTES} bytes, this one {len(text)}")
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as err:
            raise SpecError(f"the engine's document is no valid JSON: {err}") from err
        if not isinstance(values, dict):
            raise SpecError(f"the engine's document must be a table of fields, got {type(values).__name__}")
        spec = values.pop("spec", None)
        document = read(cls, values)
        if document.schema != SCHEMA:
            raise SpecError(f"schema must be {SCHEMA}, got {document.schema}: from another release of edge-pose")
        shapes = [shape for profile in document.profiles.values() for shape in profile]
        triples = all(len(profile) == 3 for profile in document.profiles.values())
        if not document.profiles or not triples or not all(shapes):
            raise SpecError("profiles must name at least one input, each with a smallest, best and largest shape")
        return document if spec is None else replace(document, spec=ModelSpec.from_dict(spec))

    def misfit(self, library: Library, capability: str | None, onnx_sha256: str | None) -> str:
        """Say why this engine is not for this machine or no longer that of its ONNX file; "" when it is.

        capability: of the GPU here. onnx_sha256: of the file beside, None when there is none. Names both sides.
        """
        built = f"built by {TITLES[self.target]} {self.version} for compute capability {', '.join(self.capabilities)}"
        if self.target != library.target:
            return f"{built}, this is {library}"
        # A version-compatible plan is for later minor releases of the same major one.
        same = self.version == library.version
        if not same and not (self.version_compatible and self.version.split(".")[0] == library.version.split(".")[0]):
            return f"{built}, this machine has {library}"
        if capability is not None and not self._runs_on(capability):
            return f"{built}, this GPU has {capability}"
        if onnx_sha256 is not None and onnx_sha256 != self.onnx_sha256:
            return f"{built} from another {self.onnx} (sha256 {self.onnx_sha256[:12]}, beside it is {onnx_sha256[:12]})"
        return ""

    def _runs_on(self, capability: str) -> bool:
        if self.hardware == "ampere+":
            return int(capability.partition(".")[0]) >= 8
        return capability in self.capabilities

    def summary(self) -> dict[str, str]:
        """Return what it is in a few words, for people."""
        batch = ":".join(map(str, self.batch))
        gpus = f"compute capability {', '.join(self.capabilities)}"
        said = ", ".join(f"{name} {value:g}" for name, value in self.agreement.items())
        agreement = said or f"not compared with ONNX Runtime: {self.not_compared or 'built by an older release'}"
        return {
            "precision": self.precision, "batch": batch, "built for": gpus, "built from": self.onnx,
            "agreement": agreement,
        }  # fmt: skip

    def arguments(self) -> list[str]:
        """Return the options of `python -m edge_pose.export.tensorrt` that build this engine again."""
        low, best, high = self.batch
        chosen = {
            "--target": self.target,
            "--batch": f"{low}:{best}:{high}",
            "--hardware": self.hardware,
            "--workspace": str(self.workspace_mib or ""),
            "--optimization-level": str(self.optimization_level) if self.optimization_level >= 0 else "",
            "--dla": str(self.dla_core) if self.dla_core >= 0 else "",
            "--compute-capabilities": ",".join(self.capabilities) if self.target == "tensorrt-rtx" else "",
        }
        words = [word for option, value in chosen.items() if value for word in (option, value)]
        return words + ["--version-compatible"] * self.version_compatible


def document_path(engine: Path) -> Path:
    """Return where the document of an engine is: x.engine.json."""
    return engine.with_name(engine.name + ".json")


def read_document(engine: Path) -> EngineDocument | None:
    """Return the document beside an engine; None where there is none. Raises SpecError for a damaged one."""
    path = document_path(engine)
    if not path.is_file():
        return None
    try:
        return EngineDocument.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as err:
        raise SpecError(f"cannot read {path}: {err}") from err
    except SpecError as err:
        raise SpecError(f"{path}: {err}") from err


def maker(plan: bytes) -> tuple[Target, str] | None:
    """Tell from a plan's first bytes who wrote it and which version, None for a file that is no plan."""
    if plan[:4] not in MAKERS or len(plan) < VERSION_AT + 4:
        return None
    return MAKERS[plan[:4]], ".".join(map(str, plan[VERSION_AT : VERSION_AT + 4]))
