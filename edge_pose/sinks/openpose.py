"""OpenPose's JSON: a folder with one file a frame."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.errors import OutputError
from edge_pose.frames import Frame
from edge_pose.poses import Poses
from edge_pose.sinks.base import Sink
from edge_pose.sinks.files import prepare_folder, write_whole
from edge_pose.sinks.names import Names

# OpenPose's own documentation, "Keypoint Ordering in C++/Python", POSE_COCO_BODY_PARTS: 18 joints.
ORDER = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye",
    "right_ear", "left_ear",
)  # fmt: skip


class OpenposeSink(Sink):
    """Writes NAME_keypoints.json for a picture and NAME_000000000000_keypoints.json for a frame of a video.

    People are `{"person_id":[-1],"pose_keypoints_2d":[x,y,score,...]}` in OpenPose's COCO order of 18 joints: the neck
    is the middle of the shoulders with the lower of their scores; a joint without score, or not finite, is 0, 0, 0, as
    OpenPose writes what it did not find. Coordinates are pixels of the frame.
    """

    def __init__(self, folder: Path, *, stills: bool = False) -> None:
        if folder.suffix.lower() == ".json":
            raise OutputError(f"cannot write {folder}: this format is one file a frame; give the name of a folder")
        self._folder = prepare_folder(folder)
        self._names = Names(stills=stills)

    def write(self, frame: Frame, poses: Poses, timings_ms: Mapping[str, float]) -> None:
        """Write the frame's file."""
        people = [
            {"person_id": [int(i)], "pose_keypoints_2d": joints.ravel().tolist()}
            | {f"{part}_keypoints_2d": [] for part in ("face", "hand_left", "hand_right")}
            for i, joints in zip(poses.ids, openpose_joints(poses), strict=True)
        ]
        content: dict[str, Any] = {"version": 1.3, "people": people}
        path = self._folder / f"{self._names.of(frame)}_keypoints.json"
        write_whole(path, json.dumps(content, separators=(",", ":"), allow_nan=False).encode())

    def close(self) -> None:
        """Nothing is left to do: every file was whole when it was written."""


def openpose_joints(poses: Poses) -> NDArray[np.float64]:
    """Return (N, 18, 3): x, y in pixels and score. Raises OutputError for a skeleton without the joints of COCO."""
    own = poses.skeleton.joints
    if lacking := [name for name in ORDER if name != "neck" and name not in own]:
        raise OutputError(f"the openpose format needs the joints of COCO; {poses.skeleton.name} lacks {lacking[0]}")
    triples = np.concatenate([poses.xy, poses.scores[..., None]], axis=2).astype(np.float64)
    left, right = triples[:, own.index("left_shoulder")], triples[:, own.index("right_shoulder")]
    neck = np.concatenate([(left + right)[:, :2] / 2, np.minimum(left, right)[:, 2:]], axis=1)
    joints = np.stack([neck if name == "neck" else triples[:, own.index(name)] for name in ORDER], axis=1)
    found = np.isfinite(joints).all(axis=2) & (joints[..., 2] > 0)
    joints[~found] = 0
    rounded: NDArray[np.float64] = np.round(joints, 3)
    return rounded
