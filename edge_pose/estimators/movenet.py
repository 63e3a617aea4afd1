"""MoveNet SinglePose on a stream: it sees one person, and looks next where that person was."""

from __future__ import annotations

from edge_pose import geometry, kernels
from edge_pose.errors import SpecError
from edge_pose.estimators.base import Estimator, Network
from edge_pose.estimators.decoding import decode_crops
from edge_pose.estimators.movenet_crop import whole_frame
from edge_pose.frames import Image, check_image
from edge_pose.poses import Poses
from edge_pose.skeleton import COCO17
from edge_pose.spec import MovenetDecode


class MoveNet(Estimator):
    """The one person of a frame. Frames of one stream, in order; `reset()` when the next one is unrelated.

    confidence: least mean joint score for somebody to be there; below it, nobody is. None: the specification's.
    """

    follows = True

    def __init__(self, network: Network, confidence: float | None = None) -> None:
        decode = network.spec.decode
        assert isinstance(decode, MovenetDecode)  # a ModelSpec of this task has no other
        self.network, self.skeleton = network, network.spec.skeleton
        self.confidence = decode.confidence if confidence is None else confidence
        if len(self.skeleton) != len(COCO17):
            raise SpecError(
                f"{network.spec.name} follows a person by COCO's 17 joints, its skeleton {self.skeleton.name!r} has "
                f"{len(self.skeleton)}: use it with boxes"
            )
        self._frame_hw = (0, 0)
        self._whole: geometry.Affine | None = None
        self._next: geometry.Affine | None = None

    def __call__(self, image: Image) -> Poses:
        """Return the person, or nobody."""
        image = check_image(image)
        network = self.network
        network.timings.last_ms.clear()
        input_hw = network.spec.input.hw
        batch, affine = network.warp(image, self._look((image.shape[0], image.shape[1]), input_hw))
        outputs = network.run(batch)
        with network.timings.stage("decode"):
            xy, scores = decode_crops(network.spec, outputs, affine)
            found = kernels.movenet_follow(
                xy, scores, frame_hw=self._frame_hw, input_hw=input_hw, confidence=self.confidence
            )
            if found is None:
                self._next = None
                return Poses.empty(self.skeleton)
            boxes, box_scores, frame_from_input, _ = found
            self._next = geometry.Affine(frame_from_input)
            return Poses.unchecked(xy, scores, boxes, box_scores, self.skeleton)

    def _look(self, frame_hw: tuple[int, int], input_hw: tuple[int, int]) -> geometry.Affine:
        """Return where to look: around the person of the frame before if it had the same size, else everywhere."""
        if self._whole is None or frame_hw != self._frame_hw:
            self._frame_hw, self._whole, self._next = frame_hw, whole_frame(frame_hw, input_hw), None
        return self._whole if self._next is None else self._next

    @property
    def timings_ms(self) -> dict[str, float]:
        """Milliseconds by stage of the last frame."""
        return dict(self.network.timings.last_ms)

    def reset(self) -> None:
        """Look at the whole of the next frame."""
        self._next = None

    def close(self) -> None:
        """Give the engine's memory back."""
        self.network.close()
