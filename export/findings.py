"""What a model finds in a shot, whatever its task: rows of joints that two models can be compared by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_pose.errors import SpecError
from edge_pose.estimators.base import Detector, Network
from edge_pose.estimators.movenet_crop import MIN_SCORE
from edge_pose.estimators.onestage import Limits, OneStage, YoloDetector
from edge_pose.estimators.topdown import PoseFromBoxes
from edge_pose.export.calibration import People, Shot, whole_picture
from edge_pose.export.matching import SLIP
from edge_pose.frames import Image
from edge_pose.poses import Boxes, Poses
from edge_pose.skeleton import Skeleton
from edge_pose.spec import ModelSpec, MovenetDecode, YoloDecode

# A box as two joints, so that detectors are compared by the same formula; as loosely as hips.
CORNERS = Skeleton("corners", ("top_left", "bottom_right"), ((0, 1),), (), (0.107, 0.107))
PERSON = 1.225  # side of a person's box to that of the box around the joints: in COCO the area is 1.5 to 1.6 times


def confidence_of(spec: ModelSpec) -> float:
    """Return the score from which the model's user sees somebody; 0 where boxes say who is there."""
    return spec.decode.confidence if isinstance(spec.decode, (MovenetDecode, YoloDecode)) else 0.0


def rows_match(spec: ModelSpec) -> bool:
    """Say whether row i of two models on one shot is the same person: where both were shown the same crops."""
    return spec.task in ("pose-from-box", "single-pose")


def find(network: Network, shot: Shot, people: People | None, floor: float | None = None) -> Poses:
    """Return what the network finds in a shot, also what it doubts; box_scores tell how sure it is.

    people: where people are, for networks that look at one at a time. floor: least score of a finding of networks
    that look at everybody; by default a bit below the model's own. Detections are poses of two corners.
    """
    spec = network.spec
    low = SLIP * confidence_of(spec) if floor is None else floor
    if spec.task == "detection":
        boxes = YoloDetector(network, Limits(confidence=low))(shot.image)
        ones = np.repeat(boxes.scores[:, None], 2, axis=1)
        return Poses(boxes.xyxy.reshape(-1, 2, 2), ones, boxes.xyxy, boxes.scores, skeleton=CORNERS)
    if spec.task == "pose":
        return OneStage(network, Limits(confidence=low))(shot.image)
    found = PoseFromBoxes(network)(shot.image, (people or whole_picture)(shot))
    if spec.task == "single-pose":
        return Poses(found.xy, found.scores, around(extents(found)), found.scores.mean(axis=1), skeleton=found.skeleton)
    return found


def around(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Widen boxes (N, 4) around joints to boxes of people, who go on beyond their joints."""
    centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    return np.concatenate([centre - size * PERSON / 2, centre + size * PERSON / 2], axis=1)


def extents(poses: Poses) -> NDArray[np.float32]:
    """Return boxes (N, 4) around the joints that are seen, around all of them where none is."""
    seen = poses.scores >= MIN_SCORE
    seen |= ~seen.any(axis=1, keepdims=True)
    if not len(poses):
        return poses.boxes
    low = np.where(seen[..., None], poses.xy, np.inf).min(axis=1)
    high = np.where(seen[..., None], poses.xy, -np.inf).max(axis=1)
    return np.concatenate([low, high], axis=1).astype(np.float32)


class Remembered:
    """People of shots by name, asked for once each: the same boxes for every model that is compared."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._known: dict[str, Boxes] = {}

    def __call__(self, shot: Shot) -> Boxes:
        """Return where people are."""
        if shot.name not in self._known:
            self._known[shot.name] = self._people(shot)
        return self._known[shot.name]


def people_of(network: Network, detector: Detector | None) -> People | None:
    """Return what says where people are: the detector given; else a single-pose network itself; else None.

    None means the whole picture for crop networks, and that others need no boxes.
    """
    if network.spec.task not in ("pose-from-box", "single-pose"):
        if detector is not None:
            raise SpecError(f"{network.spec.name} finds people by itself: leave the detector out")
        return None
    if detector is not None:
        chosen = detector
        return Remembered(lambda shot: chosen(shot.image))
    return Remembered(lambda shot: _own_look(network, shot.image)) if network.spec.task == "single-pose" else None


def _own_look(network: Network, image: Image) -> Boxes:
    """Return the box of whom a single-pose network sees in the whole picture: on a stream, it would look there next."""
    found = PoseFromBoxes(network)(image, Boxes.whole(image))
    if found.scores[0].mean() < confidence_of(network.spec):
        return Boxes.empty()
    return Boxes(extents(found), found.scores.mean(axis=1))
