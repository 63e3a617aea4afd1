"""The pictures to learn from, kept on disk: drawn people, video frames with what two models see in them, and both."""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.compose import Row, composed, person_mask
from training.label import labelled_frames

PEOPLE = 3
SIDE = 256
COPIES = 3  # of a person of a video frame, in drawn rooms
HIDDEN = 0.5  # how sure a network should be of a joint that is in the picture behind something


def rendered(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """One rendered picture, its joints (3, 17, 2) and their weights (3, 17); one in twenty shows nobody."""
    from tools.render import render, sample_scene

    cv2.setNumThreads(1)
    picture = render(sample_scene(seed, width=SIDE, height=SIDE, people=0 if seed % 20 == 19 else None))
    joints, weights = np.zeros((PEOPLE, 17, 2), np.float32), np.zeros((PEOPLE, 17), np.float32)
    count = min(len(picture.keypoints), PEOPLE)
    joints[:count] = picture.keypoints[:count]
    weights[:count] = np.array([0, HIDDEN, 1], np.float32)[picture.visibility[:count]]
    return picture.image, joints, weights


class Pool:
    """Pictures as JPEG bytes with joints and weights, whole in memory; keep: also as pixels, once they were read."""

    def __init__(self, path: Path, *, keep: bool = False) -> None:
        self.kept: dict[int, NDArray[np.uint8]] | None = {} if keep else None
        with np.load(path) as file:
            self.bytes, self.ends = file["bytes"], file["ends"]
            self.joints, self.weights = file["joints"], file["weights"]

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
        image = None if self.kept is None else self.kept.get(index)
        if image is None:
            start = self.ends[index - 1] if index else 0
            image = np.asarray(cv2.imdecode(self.bytes[start : self.ends[index]], cv2.IMREAD_COLOR), np.uint8)
            if self.kept is not None:
                self.kept[index] = image
        weights = self.weights[index]
        nowhere = weights.max(axis=1, keepdims=True) <= HIDDEN  # no joint is seen: a network could only invent them
        return image, self.joints[index], np.where(nowhere, np.float32(0), weights)


def write(path: Path, rows: Iterator[Row], say: str) -> int:
    """Write a pool; returns how many pictures it holds."""
    coded, joints, weights = [], [], []
    for number, (image, xy, weight) in enumerate(rows):
        coded.append(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].ravel())
        joints.append(xy)
        weights.append(weight)
        if number % 1000 == 999:
            print(f"{say}: {number + 1}", flush=True)  # noqa: T201
    ends = np.cumsum([len(c) for c in coded])
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part.npz")
    np.savez(partial, bytes=np.concatenate(coded), ends=ends, joints=np.stack(joints), weights=np.stack(weights))
    partial.replace(path)
    return len(coded)


def in_rooms(videos: Pool, drawn: Pool, copies: int) -> Iterator[Row]:
    """Give the people of video frames, each in `copies` of the drawn rooms that nobody is in."""
    rooms = [index for index in range(len(drawn)) if not drawn.weights[index].any()]
    for index in range(len(videos)):
        frame, rng = videos[index], np.random.default_rng(index)
        mask = person_mask(frame[0], frame[1][0], frame[2][0])
        for _ in range(copies if mask is not None else 0):
            yield composed(frame, mask, drawn[int(rng.choice(rooms))][0], rng)


def main() -> None:
    """Make the pools: `python -m training.pool --rendered 40000 --videos DIR --output DIR`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rendered", type=int, default=40_000)
    parser.add_argument("--held-out", type=int, default=500, help="rendered pictures that are never trained on")
    parser.add_argument("--videos", type=Path, help="folder of videos that may be used, with falls.csv")
    parser.add_argument("--never", default="s4_", help="videos whose name begins so are left out")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    with multiprocessing.get_context("spawn").Pool(given.workers) as workers:
        for name, seeds in (
            ("rendered", range(given.rendered)),
            ("held-out", range(10_000_000, 10_000_000 + given.held_out)),
        ):
            path = given.output / f"{name}.npz"
            if not path.exists():
                write(path, workers.imap(rendered, seeds, chunksize=16), name)
    if given.videos is not None and not (given.output / "videos.npz").exists():
        films = [p for p in sorted(given.videos.glob("*.mp4")) if not p.name.startswith(given.never)]
        write(given.output / "videos.npz", labelled_frames(films, PEOPLE), "videos")
    if (given.output / "videos.npz").exists() and not (given.output / "composed.npz").exists():
        videos, drawn = Pool(given.output / "videos.npz"), Pool(given.output / "rendered.npz")
        write(given.output / "composed.npz", in_rooms(videos, drawn, COPIES), "composed")


if __name__ == "__main__":
    main()
