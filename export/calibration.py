"""Frames that show what a model will see: some to calibrate with, some of other files to hold the result against."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose import download
from edge_pose.backends.base import TensorInfo
from edge_pose.errors import BackendError, SourceError
from edge_pose.estimators.base import Network
from edge_pose.export.footage import Footage, Take, find_footage, read_take, spread
from edge_pose.frames import Image
from edge_pose.poses import Boxes
from edge_pose.spec import ModelSpec

log = logging.getLogger("edge_pose")
COUNT, HELD_OUT = 64, 48
HELD_SHARE = 1 / 3  # of the files
MOST_PEOPLE = 4  # crops of one frame: a crowd must not stand for the whole set
KEPT_BYTES = 512 << 20  # decoded frames that stay in memory


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One frame: where it is from ("clips/a.mp4#120"; no other frame has that name), and its picture (H, W, 3) BGR."""

    name: str
    image: Image


People = Callable[[Shot], Boxes]


class Frames:
    """Shots that can be gone through again and again, the same ones each time.

    problems: a line for each file that could not be read; looked_at: how many files there were, these among them.
    Decoded pictures stay in memory up to 512 MiB.
    """

    def __init__(
        self, takes: Sequence[Take], problems: Sequence[str] = (), shots: Sequence[Shot] = (), looked_at: int = 0
    ) -> None:
        self.takes, self.problems = tuple(takes), list(problems)
        self.looked_at = max(looked_at, len(self.takes) + len(self.problems))
        self._shots = {shot.name: shot for shot in shots}
        self._bytes = sum(shot.image.nbytes for shot in shots)
        self._fixed = tuple(self._shots)

    @classmethod
    def of(cls, images: Iterable[Image]) -> Frames:
        """Frames of pictures in memory, named by their number."""
        return cls((), (), [Shot(f"#{number}", image) for number, image in enumerate(images)])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the shots, in order."""
        chosen = (take.name_of(index) for take in self.takes for index in take.indices)
        return (*self._fixed, *chosen)

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Shot]:
        yield from (self._shots[name] for name in self._fixed)
        for take in self.takes:
            names = [take.name_of(index) for index in take.indices]
            if all(name in self._shots for name in names):
                yield from (self._shots[name] for name in names)
                continue
            try:
                for index, image in read_take(take):
                    shot = Shot(take.name_of(index), image)
                    if shot.name not in self._shots and self._bytes + image.nbytes <= KEPT_BYTES:
                        self._shots[shot.name] = shot
                        self._bytes += image.nbytes
                    yield shot
            except SourceError as err:
                if str(err) not in self.problems:
                    self.problems.append(str(err))

    def first(self, count: int) -> Frames:
        """Return about `count` of the shots, spread over all of them."""
        names = self.names
        chosen = {names[i] for i in np.linspace(0, len(names) - 1, min(count, len(names))).round().astype(int)}
        return Frames((), self.problems, [shot for shot in self if shot.name in chosen])

    @property
    def digest(self) -> str:
        """What tells this set from any other: 16 hex digits over the files' contents and the frames chosen."""
        whole = hashlib.sha256()
        for take in self.takes:
            whole.update(f"{download.sha256_of(take.footage.path)} {take.indices}\n".encode())
        for name in self._fixed:
            whole.update(np.ascontiguousarray(self._shots[name].image).tobytes())
        return whole.hexdigest()[:16]


def frames_from(
    where: Path | str,
    *,
    count: int = COUNT,
    held_out: int = HELD_OUT,
    seed: int = 0,
    judges: Collection[Path] = (),
) -> tuple[Frames, Frames]:
    """Choose frames of a folder or pattern of pictures and videos: to calibrate with, and held out.

    No file gives to both. The one exception is a single video: its last third is held out. A single picture is both.
    judges: annotated pictures, which nothing is calibrated with while there are others.
    Raises ExportError where nothing can be read.
    """
    rng = np.random.default_rng(seed)
    footage, problems = find_footage(where)
    judging = {path.resolve() for path in judges}
    footage = [item for item in footage if item.path.resolve() not in judging] or footage
    if len(footage) == 1:
        return _cut(footage[0], count, held_out, rng, problems)
    order = rng.permutation(len(footage))
    held = set(order[: max(1, round(len(footage) * HELD_SHARE))].tolist())
    ours = [item for i, item in enumerate(footage) if i not in held]
    theirs = [item for i, item in enumerate(footage) if i in held]
    files = len(footage) + len(problems)
    return (
        Frames(spread(ours, count, rng), problems, looked_at=files),
        Frames(spread(theirs, held_out, rng), problems, looked_at=files),
    )


def _cut(
    item: Footage, count: int, held_out: int, rng: np.random.Generator, problems: list[str]
) -> tuple[Frames, Frames]:
    cut = int(item.frames * (1 - HELD_SHARE))
    log.warning("%s is all there is: what is calibrated with and what is held out look alike", item.path.name)
    (take,) = spread([Footage(item.path, max(1, cut), item.video)], count, rng)
    (rest,) = spread([Footage(item.path, max(1, item.frames - cut), item.video)], held_out, rng)
    later = tuple(min(i + cut, item.frames - 1) for i in rest.indices)
    return Frames([Take(item, take.indices)], problems), Frames([Take(item, later)], problems)


class _Unopened:
    """Stands for the engine where only the preprocessing of an estimator is wanted."""

    engine, device = "none", "cpu"
    outputs: tuple[TensorInfo, ...] = ()
    metadata: Mapping[str, str] = MappingProxyType({})

    def __init__(self, spec: ModelSpec) -> None:
        hw = spec.input.hw
        shape = (None, 3, *hw) if spec.input.layout == "NCHW" else (None, *hw, 3)
        self.inputs: tuple[TensorInfo, ...] = (TensorInfo("image", shape, spec.input.dtype),)

    def run(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """There is nothing to run."""
        raise BackendError("no network is opened where only its preprocessing is wanted")

    def close(self) -> None:
        """Nothing is held."""


def whole_picture(shot: Shot) -> Boxes:
    """The fallback where nobody says where people are: one person fills the picture."""
    return Boxes.whole(shot.image)


def feeds(frames: Iterable[Shot], spec: ModelSpec, people: People | None = None) -> Iterator[NDArray[Any]]:
    """Yield what a network of that specification is fed for each shot, one row at a time, by its own preprocessing.

    people: tells where people are, for networks that look at one at a time; without it, the whole picture is one
    person. At most 4 a shot. A single-pose network gets the whole picture and each person.
    """
    network = Network(spec, _Unopened(spec), MOST_PEOPLE)
    for shot in frames:
        if spec.task != "pose-from-box":
            yield network.fit_frame(shot.image)[0].copy()
        if spec.task == "pose-from-box" or (spec.task == "single-pose" and people is not None):
            boxes = (people or whole_picture)(shot)[:MOST_PEOPLE]
            if len(boxes):
                rows = network.fit_boxes(shot.image, boxes.xyxy)[0]
                yield from (rows[i : i + 1].copy() for i in range(len(boxes)))
