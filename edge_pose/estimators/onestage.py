"""Networks that see everybody at once: YOLO-pose (image -> Poses) and YOLO detectors (image -> Boxes)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edge_pose.decode import yolo
from edge_pose.errors import ShapeError, SpecError
from edge_pose.estimators.base import Detector, Estimator, Network
from edge_pose.estimators.decoding import unfit
from edge_pose.frames import Image, check_image
from edge_pose.poses import Boxes, Poses
from edge_pose.spec import YoloDecode


@dataclass(frozen=True, slots=True)
class Limits:
    """What of a network's findings is kept; None means what the model's specification says.

    confidence: least score of a person. iou: overlap from which two findings are one person.
    max_people: the best so many; None keeps all, up to 300.
    """

    confidence: float | None = None
    iou: float | None = None
    max_people: int | None = None

    def __post_init__(self) -> None:
        for name in ("confidence", "iou"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise SpecError(f"{name} must be between 0 and 1, got {value}")
        if self.max_people is not None and self.max_people < 1:
            raise SpecError(f"max_people must be at least 1, got {self.max_people}")


class _Yolo:
    """What both have in common: fit, run, decode with non-maximum suppression."""

    def __init__(self, network: Network, limits: Limits, joints: int) -> None:
        decode = network.spec.decode
        assert isinstance(decode, YoloDecode)  # load() checked task and family
        self.networks: tuple[Network, ...] = (network,)
        self.network = network
        self.options: dict[str, Any] = {
            "classes": decode.classes,
            "keypoints": joints,
            "conf": decode.confidence if limits.confidence is None else limits.confidence,
            "max_det": limits.max_people or 300,
            "keep_classes": [decode.person_class],
        }
        self.decode = yolo.end2end if decode.end_to_end else yolo.anchors
        if not decode.end_to_end:
            iou = decode.iou if limits.iou is None else limits.iou
            self.options |= {"iou": iou, "objectness": decode.objectness}

    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Input sizes (height, width) that it can work with, largest first."""
        if len(self.networks) == 1:
            self.networks = (self.network, *self.network.smaller())
        return tuple(network.spec.input.hw for network in self.networks)

    def __call__(self, image: Image) -> yolo.Detections:
        image = check_image(image)
        self.network.timings.last_ms.clear()
        batch, affine = self.network.fit_frame(image)
        outputs = self.network.run(batch)
        with self.network.timings.stage("decode"):
            try:
                return self.decode(outputs[0][0], affine.frame_from_input[0], image.shape[:2], **self.options)
            except ShapeError as err:
                raise unfit(self.network.spec, err) from err


class _OfYolo:
    """What can be asked of both, whoever they answer to."""

    _yolo: _Yolo

    @property
    def confidence(self) -> float:
        """Least score of a person."""
        return float(self._yolo.options["conf"])

    @confidence.setter
    def confidence(self, least: float) -> None:
        self._yolo.options["conf"] = least

    def input_sizes(self) -> tuple[tuple[int, int], ...]:
        """Return the sizes (height, width) that the network can look at, largest first; mostly one."""
        return self._yolo.sizes()

    def use_input(self, number: int) -> None:
        """Look at one of these sizes from now on: 0 is the specification's."""
        self._yolo.network = self._yolo.networks[number]

    @property
    def timings_ms(self) -> dict[str, float]:
        """Milliseconds by stage of the last frame."""
        return dict(self._yolo.network.timings.last_ms)

    def close(self) -> None:
        """Give the engine's memory back."""
        self._yolo.network.close()


class OneStage(_OfYolo, Estimator):
    """Everybody's joints from one pass of a YOLO-pose network."""

    def __init__(self, network: Network, limits: Limits) -> None:
        self.skeleton = network.spec.skeleton
        self._yolo = _Yolo(network, limits, len(self.skeleton))

    def __call__(self, image: Image) -> Poses:
        """Return everybody in the image, best first."""
        found = self._yolo(image)
        return Poses.unchecked(found.xy, found.joint_scores, found.boxes, found.scores, self.skeleton)


class YoloDetector(_OfYolo, Detector):
    """Where people are, from one pass of a YOLO detector, or of a YOLO-pose network whose joints are left aside."""

    def __init__(self, network: Network, limits: Limits) -> None:
        self._yolo = _Yolo(network, limits, len(network.spec.skeleton) if network.spec.task == "pose" else 0)

    def __call__(self, image: Image) -> Boxes:
        """Return people's boxes, best first."""
        found = self._yolo(image)
        return Boxes(found.boxes, found.scores)
