"""People as arrays: `Boxes` where they are, `Poses` how they stand. Frozen, checked once, selected by rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from edge_pose.errors import MissingDependencyError, ShapeError
from edge_pose.skeleton import COCO17, Skeleton

if TYPE_CHECKING:
    import supervision

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
Rows = slice | list[int] | list[bool] | NDArray[Any]
T = TypeVar("T", bound="_Rows")


def array_of(name: str, value: Any, dtype: type, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """Return value as an array of this dtype; ShapeError unless its shape fits, where None stands for any size."""
    array = np.asarray(value)
    if array.size == 0 and shape and shape[0] is None and array.ndim != len(shape):
        array = np.empty((0, *(n or 0 for n in shape[1:])), dtype)  # [] is how one writes "nobody"
    fits = array.ndim == len(shape) and all(n is None or n == got for n, got in zip(shape, array.shape, strict=True))
    if not fits or array.dtype.kind not in "fiu":
        wanted = f"{np.dtype(dtype).name} of shape ({', '.join('N' if n is None else str(n) for n in shape)})"
        raise ShapeError(f"{name} must be {wanted}, got {array.dtype} of shape {array.shape}")
    return array.astype(dtype, copy=False)


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """A struct of arrays with one row a person. Selection moves all of them together."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def _select(self: T, rows: Any) -> T:
        picked = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{k: v[rows] for k, v in picked.items() if isinstance(v, np.ndarray)})


@dataclass(frozen=True, slots=True, eq=False)
class Boxes(_Rows):
    """Where people are: xyxy (N, 4) float32 pixels of the frame, scores (N,) in [0, 1]. Nobody is (0, 4)."""

    xyxy: F32
    scores: F32

    def __post_init__(self) -> None:
        object.__setattr__(self, "xyxy", array_of("xyxy", self.xyxy, np.float32, (None, 4)))
        object.__setattr__(self, "scores", array_of("scores", self.scores, np.float32, (len(self.xyxy),)))

    @classmethod
    def empty(cls) -> Boxes:
        """Nobody."""
        return cls(np.empty((0, 4), np.float32), np.empty(0, np.float32))

    @classmethod
    def whole(cls, image: NDArray[np.uint8]) -> Boxes:
        """One box around the whole image, score 1: how one asks for "the picture shows one person"."""
        height, width = image.shape[:2]
        return cls(np.array([[0, 0, width, height]], np.float32), np.ones(1, np.float32))

    def __getitem__(self, rows: Rows) -> Boxes:
        return self._select(rows)


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """One person: xy (K, 2) float32 pixels, scores (K,), box (4,) xyxy, box_score, id (-1 when untracked)."""

    xy: F32
    scores: F32
    box: F32
    box_score: float
    id: int


@dataclass(frozen=True, slots=True, eq=False)
class Poses(_Rows):
    """Everybody in one frame.

    xy (N, K, 2) float32 pixels of the frame, x first; scores (N, K) in [0, 1]; boxes (N, 4) xyxy pixels;
    box_scores (N,): how sure the model is of the person; ids (N,) int64, -1 when untracked.
    Nobody is N = 0. Raises ShapeError when the arrays do not belong together.
    """

    xy: F32
    scores: F32
    boxes: F32
    box_scores: F32
    ids: I64 = None  # type: ignore[assignment]  # filled in below
    skeleton: Skeleton = COCO17

    def __post_init__(self) -> None:
        joints = len(self.skeleton)
        put = object.__setattr__
        put(self, "xy", array_of("xy", self.xy, np.float32, (None, joints, 2)))
        n = len(self.xy)
        put(self, "scores", array_of("scores", self.scores, np.float32, (n, joints) if n else (None, joints)))
        put(self, "boxes", array_of("boxes", self.boxes, np.float32, (n, 4) if n else (None, 4)))
        put(self, "box_scores", array_of("box_scores", self.box_scores, np.float32, (n,)))
        ids = np.full(n, -1, np.int64) if self.ids is None else self.ids
        put(self, "ids", array_of("ids", ids, np.int64, (n,)))
        if n == 0 and (len(self.scores) or len(self.boxes)):
            raise ShapeError(f"xy has no rows, but scores has {len(self.scores)} and boxes {len(self.boxes)}")

    @classmethod
    def unchecked(
        cls, xy: F32, scores: F32, boxes: F32, box_scores: F32, skeleton: Skeleton, ids: I64 | None = None
    ) -> Poses:
        """Return people from arrays that our own code made, whose types and shapes are known; without ids untracked."""
        poses = object.__new__(cls)
        put = object.__setattr__
        put(poses, "xy", xy)
        put(poses, "scores", scores)
        put(poses, "boxes", boxes)
        put(poses, "box_scores", box_scores)
        if ids is None:
            ids = np.array([-1], np.int64) if len(xy) == 1 else np.full(len(xy), -1, np.int64)
        put(poses, "ids", ids)
        put(poses, "skeleton", skeleton)
        return poses

    def with_ids(self, ids: I64) -> Poses:
        """Return the same people with these ids (N,) int64. Raises ShapeError when they are not one for each."""
        ids = array_of("ids", ids, np.int64, (len(self.xy),))
        return Poses.unchecked(self.xy, self.scores, self.boxes, self.box_scores, self.skeleton, ids)

    @classmethod
    def empty(cls, skeleton: Skeleton = COCO17) -> Poses:
        """Nobody: the ordinary answer of an empty room."""
        k = len(skeleton)
        none = np.empty(0, np.float32)
        return cls(none.reshape(0, k, 2), none.reshape(0, k), none.reshape(0, 4), none, skeleton=skeleton)

    @overload
    def __getitem__(self, rows: int | np.integer[Any]) -> Pose: ...
    @overload
    def __getitem__(self, rows: Rows) -> Poses: ...
    def __getitem__(self, rows: Any) -> Pose | Poses:
        if isinstance(rows, (int, np.integer)):
            score, identity = float(self.box_scores[rows]), int(self.ids[rows])
            return Pose(self.xy[rows], self.scores[rows], self.boxes[rows], score, identity)
        return self._select(rows)

    def __iter__(self) -> Iterator[Pose]:
        return (self[i] for i in range(len(self)))

    def to_supervision(self) -> supervision.KeyPoints:
        """Return the same people as supervision.KeyPoints. Raises MissingDependencyError where it is not installed."""
        try:
            import supervision
        except ModuleNotFoundError as err:
            if err.name != "supervision":
                raise
            raise MissingDependencyError("supervision is not installed; run: pip install supervision") from err
        people = {"xy": self.xy, "class_id": np.zeros(len(self), int)}
        try:  # newer versions call the per-joint values keypoint_confidence
            return supervision.KeyPoints(
                **people, keypoint_confidence=self.scores, detection_confidence=self.box_scores
            )
        except TypeError:
            return supervision.KeyPoints(**people, confidence=self.scores)

    def to_coco(self, image_id: int) -> list[dict[str, Any]]:
        """Return COCO keypoint results, one dict a person; score = box score x mean joint score.

        The joint scores go into the third value of each triple, as every peer writes them. Nobody is [].
        """
        triples = np.concatenate([self.xy, self.scores[..., None]], axis=2).reshape(len(self), 3 * len(self.skeleton))
        joint_means = self.scores.mean(axis=1) if len(self) else self.box_scores
        corners = self.boxes.astype(float)
        corners[:, 2:] -= corners[:, :2]
        return [
            {
                "image_id": int(image_id),
                "category_id": 1,
                "keypoints": [round(float(v), 3) for v in row],
                "score": float(box_score * mean),
                "bbox": [round(v, 3) for v in box],
            }
            for row, box_score, mean, box in zip(triples, self.box_scores, joint_means, corners.tolist(), strict=True)
        ]
