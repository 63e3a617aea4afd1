"""What lies in a calibration folder, and which frames of it are looked at: spread over files and over each clip."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_pose.errors import ExportError, SourceError
from edge_pose.frames import Image
from edge_pose.sources import VideoSource, read_image
from edge_pose.sources.kinds import IMAGE_SUFFIXES, VIDEO_SUFFIXES, first_bytes, is_picture, natural_key

UNKNOWN_LENGTH = 300  # frames that are expected in a video which does not say
APART = 5  # frames of a clip that lie closer together show the same


@dataclass(frozen=True, slots=True)
class Footage:
    """One readable file: a picture, or a video of about `frames` frames."""

    path: Path
    frames: int = 1
    video: bool = False

    @property
    def worth(self) -> int:
        """How many different frames it can give."""
        return max(1, self.frames // APART)


@dataclass(frozen=True, slots=True)
class Take:
    """The frames of one file that are used, by index, in increasing order."""

    footage: Footage
    indices: tuple[int, ...]

    def name_of(self, index: int) -> str:
        """Return what tells a frame from all others: files of two folders may have one name."""
        return f"{self.footage.path}#{index}"


def find_footage(where: Path | str) -> tuple[list[Footage], list[str]]:
    """Return the readable files of a folder or pattern in natural order, and a line for each that is none.

    What is neither picture nor video by name or content (lists, licences) is passed over.
    Raises ExportError where nothing can be read.
    """
    found: list[Footage] = []
    problems: list[str] = []
    paths = listed(where)
    for path in paths:
        try:
            if is_picture(first_bytes(path)):
                read_image(path)
                found.append(Footage(path))
            elif path.suffix.lower() in VIDEO_SUFFIXES:
                with VideoSource(path.name, path) as video:
                    found.append(Footage(path, video.declared or UNKNOWN_LENGTH, video=True))
            elif path.suffix.lower() in IMAGE_SUFFIXES:
                problems.append(f"{path.name} is no image that can be decoded")
        except SourceError as err:
            problems.append(str(err))
    if not found:
        why = f"; {problems[0]}" if problems else ""
        raise ExportError(
            f"{where} has no pictures or videos that can be read (of {len(paths)} files){why}: "
            "give a folder or a pattern of what the model will see"
        )
    return found, problems


def listed(where: Path | str) -> list[Path]:
    """Return the files of a folder or pattern, or the one file, in natural order. Raises ExportError for neither."""
    path = Path(where)
    if path.is_dir():
        paths = [p for p in path.iterdir() if not p.name.startswith(".")]
    elif path.is_file():
        return [path]
    else:
        paths = [Path(name) for name in glob.glob(str(where), recursive=True)]  # noqa: PTH207 - absolute patterns
        if not paths:
            raise ExportError(f"{where} does not exist: give a folder or a pattern of pictures and videos")
    return sorted((p for p in paths if p.is_file()), key=natural_key)


def spread(footage: Sequence[Footage], count: int, rng: np.random.Generator) -> list[Take]:
    """Choose about `count` frames: of every file as many as of any other, evenly spaced in a clip.

    With more files than frames, some files are drawn. Where in its stretch a frame lies is drawn, too.
    """
    if len(footage) > count:
        footage = [footage[i] for i in sorted(rng.choice(len(footage), count, replace=False))]
    shares = np.ones(len(footage), int)
    worth = np.array([item.worth for item in footage], int)
    while shares.sum() < count and (shares < worth).any():
        open_ = np.flatnonzero(shares < worth)
        shares[open_[: count - shares.sum()]] += 1
    takes = []
    for item, share in zip(footage, shares.tolist(), strict=True):
        places = (np.arange(share) + rng.uniform(0.1, 0.9)) / share * item.frames
        takes.append(Take(item, tuple(sorted({min(int(place), item.frames - 1) for place in places}))))
    return takes


def read_take(take: Take) -> Iterator[tuple[int, Image]]:
    """Decode the frames of one file; those that a video does not deliver are left out. Raises SourceError."""
    path = take.footage.path
    if not take.footage.video:
        yield 0, read_image(path)
        return
    with VideoSource(path.name, path) as video:
        for index in take.indices:
            video.skip(index - video.taken)
            frame = next(video, None)
            if frame is None:
                return
            yield index, frame.image
