"""`ModelSpec`: all that a model file must say about itself, so that nobody guesses at run time.

It travels as one JSON document in an ONNX file's metadata_props["edge_pose"], beside an engine as `x.engine.json`,
and as TOML for a foreign model. Unknown fields are refused by naming the nearest known one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args

from edge_pose.errors import SpecError
from edge_pose.skeleton import COCO17, SKELETONS, Skeleton
from edge_pose.strict import from_file, nearest, read, toml_values

SCHEMA = 1
MAX_BYTES = 1 << 20  # a specification is a few kB; anything larger is not one

Transform = Literal["letterbox", "classic", "udp", "stretch", "square-pad"]
Task = Literal["pose", "pose-from-box", "single-pose", "detection"]


@dataclass(frozen=True, slots=True)
class InputSpec:
    """The tensor that the network wants: value = (pixel - mean) / std, per channel in the order of `color`.

    mean and std are in grey levels (0..255); the defaults leave the pixels as they are.
    """

    height: int
    width: int
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    color: Literal["RGB", "BGR"] = "RGB"
    dtype: Literal["float32", "float16", "uint8"] = "float32"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise SpecError(f"input: height and width must be positive, got {self.height} x {self.width}")
        if min(self.std) <= 0:
            raise SpecError(f"input: std must be positive, got {self.std}")

    @property
    def hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.height, self.width


@dataclass(frozen=True, slots=True)
class HeatmapDecode:
    """One score map a joint. refine: how the peak becomes sub-pixel; blur: the Gaussian kernel of DARK, in cells.

    offsets: UDP's combined maps, three a joint (heat, x offset, y offset).
    """

    refine: Literal["none", "quarter", "none-mmpose", "quarter-mmpose", "dark", "dark-udp", "dark-udp-rtmlib"] = (
        "quarter"
    )
    blur: int = 11
    offsets: bool = False
    family: Literal["heatmap"] = "heatmap"

    def __post_init__(self) -> None:
        if not 1 <= self.blur <= 127 or self.blur % 2 == 0:
            raise SpecError(f"decode.blur must be odd and 1 to 127, got {self.blur}")


@dataclass(frozen=True, slots=True)
class SimccDecode:
    """Two 1-D classifications a joint. split_ratio: bins per input pixel; score: how x's and y's peaks combine."""

    split_ratio: float = 2.0
    score: Literal["min", "mean", "max"] = "min"
    softmax: bool = False
    family: Literal["simcc"] = "simcc"

    def __post_init__(self) -> None:
        if self.split_ratio <= 0:
            raise SpecError(f"decode.split_ratio must be positive, got {self.split_ratio}")


@dataclass(frozen=True, slots=True)
class RegressionDecode:
    """Coordinates straight from the network, as fractions of the input from `origin`; sigma: a second output."""

    origin: Literal["corner", "center"] = "corner"
    sigma: bool = False
    family: Literal["regression"] = "regression"


@dataclass(frozen=True, slots=True)
class MovenetDecode:
    """MoveNet.

    heads: the graph ends at its four raw heads (centre, regression, heatmaps, offsets) in `layout`;
    otherwise it has the decoding inside and gives (y, x, score). confidence: least mean joint score of a person (at
    0.2, 96 % of the people in indoor videos are kept, and 29 % of background crops of photos are taken for somebody).
    Of raw heads: stride: input pixels per cell; fall_off: cells, a joint's peaks are divided by their distance from
    where it is expected plus this; votes: the cells around a joint's also say where it is.
    """

    heads: bool = False
    layout: Literal["nchw", "nhwc"] = "nchw"
    confidence: float = 0.2
    stride: float = 4.0
    fall_off: float = 1.8
    votes: bool = False
    family: Literal["movenet"] = "movenet"

    def __post_init__(self) -> None:
        _fraction("decode.confidence", self.confidence)
        for name, value in (("stride", self.stride), ("fall_off", self.fall_off)):
            if not 1e-6 <= value <= 1e6:
                raise SpecError(f"decode.{name} must be between 1e-6 and 1e6, got {value}")


@dataclass(frozen=True, slots=True)
class YoloDecode:
    """A YOLO head of `classes` classes; person_class is the one that is kept.

    objectness: YOLOv5's rows (score = objectness x class). end_to_end: rows that need no NMS (YOLO26).
    confidence and iou are the defaults of `pose(image)`.
    """

    classes: int = 1
    person_class: int = 0
    objectness: bool = False
    end_to_end: bool = False
    confidence: float = 0.25
    iou: float = 0.7
    family: Literal["yolo"] = "yolo"

    def __post_init__(self) -> None:
        _fraction("decode.confidence", self.confidence)
        _fraction("decode.iou", self.iou)
        if not 0 <= self.person_class < self.classes:
            raise SpecError(
                f"decode.person_class must be one of {self.classes} classes from 0, got {self.person_class}"
            )


def _fraction(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise SpecError(f"{name} must be between 0 and 1, got {value}")


Decode = Union[HeatmapDecode, SimccDecode, RegressionDecode, MovenetDecode, YoloDecode]  # noqa: UP007 - read at run time
DECODES: dict[str, type[Any]] = {
    "heatmap": HeatmapDecode,
    "simcc": SimccDecode,
    "regression": RegressionDecode,
    "movenet": MovenetDecode,
    "yolo": YoloDecode,
}
# Which decode families make sense for which task.
FAMILIES: dict[str, tuple[str, ...]] = {
    "pose": ("yolo",),
    "pose-from-box": ("heatmap", "simcc", "regression", "movenet"),
    "single-pose": ("movenet",),
    "detection": ("yolo",),
}
# Which ways into the input there are: whoever looks at a box crops, MoveNet's own crops are squares.
TRANSFORMS: dict[str, tuple[str, ...]] = {
    "pose": get_args(Transform),
    "pose-from-box": ("classic", "udp", "square-pad"),
    "single-pose": ("square-pad",),
    "detection": get_args(Transform),
}


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What one model file is.

    task: "pose" (image -> everybody), "single-pose" (image -> one person, tracked by its crop),
    "pose-from-box" (image and boxes -> poses) or "detection" (image -> boxes). crop_padding enlarges a person's box
    before cropping. batch: (min, opt, max) rows the network takes. precision: node group -> type.
    license: of the weights. agreement: what was measured against the float model at export.
    """

    name: str
    task: Task
    input: InputSpec
    transform: Transform
    decode: Decode
    skeleton: Skeleton = COCO17
    crop_padding: float = 1.25
    batch: tuple[int, int, int] = (1, 1, 1)
    license: str = ""
    source: str = ""
    checkpoint_sha256: str = ""
    exporter: str = ""
    calibration: str = ""
    engine: str = ""
    precision: Mapping[str, str] = field(default_factory=dict)
    agreement: Mapping[str, float] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise SpecError(
                f"schema must be {SCHEMA}, got {self.schema}: the file is from another release of edge-pose"
            )
        if self.decode.family not in FAMILIES[self.task]:
            wanted = " or ".join(FAMILIES[self.task])
            raise SpecError(f"decode.family must be {wanted} for task {self.task!r}, got {self.decode.family!r}")
        if self.transform not in TRANSFORMS[self.task]:
            wanted = " or ".join(TRANSFORMS[self.task])
            raise SpecError(f"transform must be {wanted} for task {self.task!r}, got {self.transform!r}")
        low, opt, high = self.batch
        if not 1 <= low <= opt <= high:
            raise SpecError(f"batch must be 1 <= min <= opt <= max, got {self.batch}")
        if self.crop_padding <= 0:
            raise SpecError(f"crop_padding must be positive, got {self.crop_padding}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON or TOML."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelSpec:
        """Build a spec from plain values. Raises SpecError naming the field, what it wants and what it got."""
        return read(cls, values, readers=READERS)

    def to_json(self) -> str:
        """Return the document that goes into an ONNX file's metadata."""
        return json.dumps(self.to_dict(), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ModelSpec:
        """Read what to_json wrote. Raises SpecError."""
        if len(text) > MAX_BYTES:
            raise SpecError(f"a model specification has at most {MAX_BYTES} bytes, this one {len(text)}")
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as err:
            raise SpecError(f"the model specification is no valid JSON: {err}") from err
        return cls.from_dict(values)

    def to_toml(self) -> str:
        """Return the document as TOML, the form for people."""
        import tomli_w

        return tomli_w.dumps(self.to_dict())

    @classmethod
    def from_toml(cls, text: str) -> ModelSpec:
        """Read what to_toml wrote, or a person. Raises SpecError."""
        if len(text) > MAX_BYTES:
            raise SpecError(f"a model specification has at most {MAX_BYTES} bytes, this one {len(text)}")
        return cls.from_dict(toml_values(text))

    @classmethod
    def from_file(cls, path: Path) -> ModelSpec:
        """Read a .toml or .json file. Raises SpecError, also when there is no such file."""
        return from_file(path, "specification", cls.from_json if path.suffix == ".json" else cls.from_toml, MAX_BYTES)


def _plain(value: Any) -> Any:
    if isinstance(value, Skeleton):
        return value.name if SKELETONS.get(value.name) == value else _plain_fields(value)
    if is_dataclass(value):
        return _plain_fields(value)
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return dict(value) if isinstance(value, Mapping) else value


def _plain_fields(value: Any) -> dict[str, Any]:
    return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.init}


def _decode(value: Any, where: str) -> Decode:
    family = value.get("family") if isinstance(value, Mapping) else None
    if family not in DECODES:
        raise SpecError(f"{where}.family must be one of {', '.join(DECODES)}, got {family!r}")
    decode: Decode = read(DECODES[family], value, where)
    return decode


def _skeleton(value: Any, where: str) -> Skeleton:
    if isinstance(value, str):
        if value not in SKELETONS:
            raise SpecError(f"{where} {value!r} is unknown: {nearest(value, SKELETONS)}")
        return SKELETONS[value]
    return read(Skeleton, value, where)


READERS = {Decode: _decode, Skeleton: _skeleton}
