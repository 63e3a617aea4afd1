"""MoveNet SinglePose on a stream: it sees one person, and looks next where that person was."""

from __future__ import annotations

import numpy as np

from edge_pose import geometry
from edge_pose.estimators.base import Estimator, Network
from edge_pose.estimators.decoding import decode_crops
from edge_pose.estimators.movenet_crop import MIN_SCORE, next_square, whole_frame
from edge_pose.frames import Image, check_image
from edge_pose.poses import Poses
from edge_pose.spec import MovenetDecode


class MoveNet(Estimator):
    """The one person of a frame. Frames of one stream, in order; `reset()` when the next one is unrelated.

    confidence: least mean joint score for somebody to be there; below it, nobody is. None: the specification's.
    """

    def __init__(self, network: Network, confidence: float | None = None) -> None:
        decode = network.spec.decode
        assert isinstance(decode, MovenetDecode)  # a ModelSpec of this task has no other
        self.network, self.skeleton = network, network.spec.skeleton
        self.confidence = decode.confidence if confidence is None else confidence
        self._square: tuple[tuple[int, int], geometry.Affine] | None = None

    def __call__(self, image: Image) -> Poses:
        """Return the person, or nobody."""
        image = check_image(image)
        self.network.timings.last_ms.clear()
        frame_hw = (image.shape[0], image.shape[1])
        batch, affine = self.network.warp(image, self._look(frame_hw))
        outputs = self.network.run(batch)
        with self.network.timings.stage("decode"):
            xy, scores = decode_crops(self.network.spec, outputs, affine)
            seen = scores[0] >= MIN_SCORE
            score = float(scores[0].mean())
            if score < self.confidence or seen.sum() < 2:
                self._square = None
                return Poses.empty(self.skeleton)
            square = geometry.squares(*next_square(xy[0], scores[0], frame_hw), self.network.spec.input.hw)
            self._square = (frame_hw, square)
            box = np.concatenate([xy[0, seen].min(axis=0), xy[0, seen].max(axis=0)])
        return Poses(xy, scores, box[None], np.array([score], np.float32), skeleton=self.skeleton)

    def _look(self, frame_hw: tuple[int, int]) -> geometry.Affine:
        """Return where to look: around the person of the frame before if it had the same size, else everywhere."""
        if self._square is not None and self._square[0] == frame_hw:
            return self._square[1]
        return geometry.squares(*whole_frame(frame_hw), self.network.spec.input.hw)

    @property
    def timings_ms(self) -> dict[str, float]:
        """Milliseconds by stage of the last frame."""
        return dict(self.network.timings.last_ms)

    def reset(self) -> None:
        """Look at the whole of the next frame."""
        self._square = None

    def close(self) -> None:
        """Give the engine's memory back."""
        self.network.close()
