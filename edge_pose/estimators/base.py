"""What all estimators share: an opened model with its specification, the input buffer, and stage timings."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_pose import geometry, kernels
from edge_pose.backends import Backend
from edge_pose.errors import SpecError
from edge_pose.frames import Image
from edge_pose.geometry import Affine
from edge_pose.poses import Boxes, Poses
from edge_pose.skeleton import Skeleton
from edge_pose.spec import ModelSpec

E = TypeVar("E", bound="Estimator")

GREY = 114  # the letterbox margin that the YOLO family was trained with


class Timings:
    """Milliseconds that the stages of the last frame took; stages that ran several times add up."""

    def __init__(self) -> None:
        self.last_ms: dict[str, float] = {}
        self._name, self._start = "", 0.0

    def stage(self, name: str) -> Timings:
        """Add the time spent inside a `with` to a stage; stages do not nest."""
        self._name = name
        return self

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        spent = (time.perf_counter() - self._start) * 1e3
        self.last_ms[self._name] = self.last_ms.get(self._name, 0.0) + spent


class Estimator(ABC):
    """Image -> Poses. One per thread: it owns its buffers, and some remember the frame before.

    skeleton: what the joints are. timings_ms: milliseconds by stage of the last frame. confidence: least score of a
    person; may be set between frames, and is 0 where everybody is kept. follows: it looks where somebody was in the
    frame before, so that no other picture may come between.
    """

    skeleton: Skeleton
    confidence: float = 0.0
    follows: bool = False

    @abstractmethod
    def __call__(self, image: Image) -> Poses:
        """Return everybody in a (H, W, 3) uint8 BGR image, best first. Raises ImageError, BackendError."""

    @property
    @abstractmethod
    def timings_ms(self) -> dict[str, float]:
        """Milliseconds by stage of the last frame."""

    def reset(self) -> None:  # noqa: B027 - most remember nothing
        """Forget the frame before: the next one is not its successor."""

    @abstractmethod
    def close(self) -> None:
        """Give the engine's memory back."""

    def __enter__(self: E) -> E:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()


class Detector(ABC):
    """Image -> Boxes of people, best first. confidence: least score of a box; may be set between frames."""

    confidence: float = 0.0

    @abstractmethod
    def __call__(self, image: Image) -> Boxes:
        """Return where people are in a (H, W, 3) uint8 BGR image. Raises ImageError, BackendError."""

    @property
    @abstractmethod
    def timings_ms(self) -> dict[str, float]:
        """Milliseconds by stage of the last frame."""

    @abstractmethod
    def close(self) -> None:
        """Give the engine's memory back."""


class Network:
    """An opened model: fills its own input buffer, runs it, and says what was done to the picture.

    Raises SpecError when the file's input is not what the specification says.
    """

    def __init__(self, spec: ModelSpec, backend: Backend, rows: int = 1) -> None:
        self.spec, self.backend, self.timings = spec, backend, Timings()
        self.rows = self._check_input(rows)
        self._fixed = backend.inputs[0].shape[0] is not None
        hw, planar = spec.input.hw, spec.input.layout == "NCHW"
        shape = (self.rows, 3, *hw) if planar else (self.rows, *hw, 3)
        # An engine on the GPU may bring kernels that fill its input there: those of the core, to the bit.
        own = getattr(backend, "kernels", None)
        self._kernels: Any = own or kernels
        self._buffer: Any = own.zeros(shape, spec.input.dtype) if own else np.zeros(shape, spec.input.dtype)
        mean, std = np.array(spec.input.mean, np.float64), np.array(spec.input.std, np.float64)
        self._values: dict[str, Any] = {
            "scale": tuple((1 / std).tolist()),
            "bias": tuple((-mean / std).tolist()),
            "swap_rb": spec.input.color == "RGB",
            "planar": planar,
        }
        self._order: list[int] | None = None
        self._plan: tuple[tuple[int, int], dict[str, Any], Affine] | None = None

    def smaller(self) -> tuple[Network, ...]:
        """Return this network for smaller inputs, on the same engine: 3/4 and 1/2, where the file leaves the size open.

        Sides are multiples of 32, which every stride of the families divides. Timings are shared.
        """
        shape, hw = self.backend.inputs[0].shape, self.spec.input.hw
        sides = shape[2:4] if self.spec.input.layout == "NCHW" else shape[1:3]
        if self.backend.engine == "tensorrt" or any(side is not None for side in sides):
            return ()  # an engine's profile may allow less than its dimensions say
        found: list[Network] = []
        for share in (0.75, 0.5):
            height, width = (max(32, round(side * share / 32) * 32) for side in hw)
            last = (found[-1] if found else self).spec.input
            if height * width < last.height * last.width:
                spec = replace(self.spec, input=replace(self.spec.input, height=height, width=width))
                found.append(Network(spec, self.backend, self.rows))
                found[-1].timings = self.timings
        return tuple(found)

    def _check_input(self, rows: int) -> int:
        wanted = self.spec.input
        size = (3, *wanted.hw) if wanted.layout == "NCHW" else (*wanted.hw, 3)
        info = self.backend.inputs[0]
        fits = len(info.shape) == 4 and all(a in (None, b) for a, b in zip(info.shape[1:], size, strict=True))
        if len(self.backend.inputs) != 1 or not fits or info.dtype != wanted.dtype:
            got = ", ".join(f"{i.name}: {i.dtype} {i.shape}" for i in self.backend.inputs)
            raise SpecError(
                f"the specification of {self.spec.name} says input {wanted.dtype} (N, {', '.join(map(str, size))}) "
                f"({wanted.layout}), the file takes {got}: the spec belongs to another model or is wrong"
            )
        return info.shape[0] or rows

    def fit_frame(self, image: Image) -> tuple[NDArray[Any], Affine]:
        """Fit the whole frame into the first row of the input; returns that row as a batch, and the record."""
        if self.spec.transform not in ("letterbox", "stretch"):
            return self.fit_boxes(image, Boxes.whole(image).xyxy)
        with self.timings.stage("preprocess"):
            batch, frame_hw = self._buffer[:1], (image.shape[0], image.shape[1])
            if self._plan is None or self._plan[0] != frame_hw:  # frames of a stream have one size
                self._plan = (frame_hw, *self._place(frame_hw))
            self._kernels.letterbox(image, batch, **self._plan[1])
            return batch, self._plan[2]

    def _place(self, frame_hw: tuple[int, int]) -> tuple[dict[str, Any], Affine]:
        """Say where a frame of this size goes in the input."""
        input_hw = self.spec.input.hw
        if self.spec.transform == "stretch":
            place: dict[str, Any] = {"resized_hw": input_hw, "offset_tl": (0, 0)}
            return place | self._values, geometry.stretch(frame_hw, input_hw)
        box = geometry.letterbox(frame_hw, input_hw)
        place = {"resized_hw": box.resized_hw, "offset_tl": box.offset_tl, "fill": GREY}
        return place | self._values, box.affine

    def fit_boxes(self, image: Image, xyxy: NDArray[np.float32]) -> tuple[NDArray[Any], Affine]:
        """Crop up to `rows` boxes (n, 4) out of the frame, by the transform of the specification."""
        spec = self.spec
        width_by_height = spec.input.width / spec.input.height
        center, size = geometry.crop_sizes(xyxy, aspect=width_by_height, padding=spec.crop_padding)
        if spec.transform == "square-pad":
            return self.warp(image, geometry.squares(center, size[:, 0], spec.input.hw))
        return self.warp(image, geometry.crops(center, size, spec.input.hw, udp=spec.transform == "udp"))

    def warp(self, image: Image, affine: Affine) -> tuple[NDArray[Any], Affine]:
        """Sample one crop a row of the record; outside the frame is black."""
        batch = self._buffer[: len(affine)]
        with self.timings.stage("preprocess"):
            matrices, pixel_center = affine.frame_from_input, affine.pixel_center
            self._kernels.warp_affine(image, matrices, batch, pixel_center=pixel_center, **self._values)
        return batch, affine

    def run(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """Run the network on what was fitted; outputs in the order that the specification names, if it does."""
        rows = len(batch)
        with self.timings.stage("network"):
            # A file with a fixed number of rows gets them all; what is left in the others is nobody's.
            outputs = self.backend.run(self._buffer if self._fixed else batch)
        if self._fixed and rows < len(self._buffer):
            outputs = [values[:rows] for values in outputs]
        if not self.spec.outputs:
            return outputs
        if self._order is None:
            self._order = self._find_outputs()
        return [outputs[i] for i in self._order]

    def _find_outputs(self) -> list[int]:
        names = [info.name for info in self.backend.outputs]
        missing = [name for name in self.spec.outputs if name not in names]
        if missing:
            raise SpecError(f"{self.spec.name}: the file has no output {missing[0]!r}; it has {', '.join(names)}")
        return [names.index(name) for name in self.spec.outputs]

    def close(self) -> None:
        """Give the engine's memory back."""
        self.backend.close()
