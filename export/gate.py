"""The accuracy gate: another precision of a model against the float one, in people and pixels, on held-out pictures."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.backends import open_backend
from edge_pose.backends.answers import apart
from edge_pose.errors import SourceError
from edge_pose.estimators.base import Network
from edge_pose.estimators.load import MICRO_BATCH
from edge_pose.evaluate import Annotations, Photo, Results, evaluate
from edge_pose.export.calibration import Frames, People, Shot, feeds
from edge_pose.export.findings import confidence_of, find, rows_match
from edge_pose.export.maps import finds_nobody
from edge_pose.export.matching import Tally
from edge_pose.poses import Poses
from edge_pose.sources import read_image
from edge_pose.spec import HeatmapDecode

FLOOR = 0.001  # AP is measured with nearly everything kept, as the papers do
MAX_DROP = 1.0
ROUNDING = 0.1  # of an output's spread: int8 that works stays below it, and what gives other answers is far above
ASKED = 8  # shots whose raw outputs are compared
BLIND = "the float model finds nobody (its maps have no peaks), so that its outputs are compared and not poses"


@dataclass(frozen=True, slots=True)
class Agreement:
    """How near another model is to the float one.

    mean_oks: of people that either is sure of; a person whom the other model does not see counts 0; NaN where nobody
    was seen. loss: OKS against the truth that the other model is expected to lose (matching.Tally.loss). p95_px: 95th
    percentile of joints' distances in pixels of the picture. people: compared; lost: seen by the float model only;
    extra: by the other only. ap_float, ap_other: COCO AP where annotations are given, else NaN. output_rms: where the
    float model finds nobody (maps.finds_nobody) and all of the above says nothing, the root mean square of the outputs'
    difference in their spreads; else NaN.
    """

    mean_oks: float
    loss: float
    p95_px: float
    people: int
    lost: int
    extra: int
    ap_float: float = math.nan
    ap_other: float = math.nan
    output_rms: float = math.nan

    @property
    def drop(self) -> float:
        """What the other model costs: AP points, or hundredths of expected OKS where there is no AP; NaN if neither.

        Where the float model finds nobody, tenths of the outputs' spread: a tenth is what 8 bits may come to.
        """
        if not math.isnan(self.output_rms):
            return self.output_rms / ROUNDING
        if not math.isnan(self.ap_float):
            return (self.ap_float - self.ap_other) * 100
        return self.loss * 100

    def holds(self, max_drop: float = MAX_DROP) -> bool:
        """Say whether it costs at most max_drop; never where nothing could be compared."""
        return self.drop <= max_drop

    def __str__(self) -> str:
        if not math.isnan(self.output_rms):
            return f"{BLIND}; outputs are {self.output_rms:.3f} of their spread apart"
        ap = "" if math.isnan(self.ap_float) else f"AP {self.ap_float:.3f} -> {self.ap_other:.3f}, "
        return (
            f"{ap}{self.loss * 100:.2f} hundredths of OKS, mean OKS {self.mean_oks:.4f}, "
            f"95 % of joints within {self.p95_px:.2f} px "
            f"({self.people} people, {self.lost} lost, {self.extra} extra)"
        )


class Gate:
    """The float model's answers, asked for once, and others' against them.

    network: the float model, opened. frames: held-out shots. people: where people are, for networks that
    look at one at a time. truth: annotated pictures, for AP.
    """

    def __init__(
        self, network: Network, frames: Frames, people: People | None = None, truth: Annotations | None = None
    ) -> None:
        self.network, self.frames, self.people, self.truth = network, frames, people, truth
        self.spec = network.spec
        self.found = {shot.name: find(network, shot, people) for shot in frames}
        self._outputs = self._answers(network)
        self.blind = bool(self._outputs) and finds_nobody(np.concatenate([a[0] for a in self._outputs]), self.spec)
        self.ap_float = self._precision(network)

    @property
    def sees_nobody(self) -> bool:
        """Whether there is nobody to compare, no annotation, and no map either."""
        sure = confidence_of(self.spec)
        return (
            self.truth is None and not self.blind and not any((p.box_scores >= sure).any() for p in self.found.values())
        )

    def measure(self, path: Path, engine: str = "onnxruntime") -> Agreement:
        """Compare another model file of the same specification. Raises BackendError where the engine refuses it."""
        network = Network(self.spec, open_backend(path, device="cpu", engine=engine), MICRO_BATCH)
        try:
            return self.compare(network)
        finally:
            network.close()

    def compare(self, network: Network) -> Agreement:
        """Compare another opened model of the same specification; it stays open."""
        if self.blind:
            return self._by_outputs(network)
        tally = Tally(confidence_of(self.spec), paired=rows_match(self.spec))
        for shot in self.frames:
            tally.add(self.found[shot.name], find(network, shot, self.people))
        ap = self._precision(network)
        return Agreement(
            tally.mean_oks, tally.loss, tally.p95_px, len(tally.oks), tally.lost, tally.extra, self.ap_float, ap
        )

    def _answers(self, network: Network) -> list[list[NDArray[Any]]]:
        """Return the outputs for the first few inputs of a network that answers with maps, [] of any other."""
        if not isinstance(self.spec.decode, HeatmapDecode):
            return []
        rows = network.backend.inputs[0].shape[0]  # a file with a fixed number of them gets the same one again
        answers = []
        for batch in islice(feeds(self.frames, self.spec, self.people), ASKED):
            whole = np.resize(batch, (rows or len(batch), *batch.shape[1:]))
            answers.append([output.copy() for output in network.backend.run(whole)])
        return answers

    def _by_outputs(self, network: Network) -> Agreement:
        pairs = zip(self._answers(network), self._outputs, strict=True)
        off = [max(apart(a, b) for a, b in zip(new, old, strict=True)) for new, old in pairs]
        rms = float(np.sqrt(np.mean(np.square(off))))
        return Agreement(math.nan, math.nan, math.nan, 0, 0, 0, output_rms=rms if math.isfinite(rms) else math.inf)

    def _precision(self, network: Network) -> float:
        if self.truth is None:
            return math.nan
        boxes = self.truth.boxes()
        detection = self.spec.task == "detection"

        def predict(photo: Photo) -> Results:
            shot = Shot(str(photo.id), read_image(photo.path))
            if rows_match(self.spec):
                return find(network, shot, lambda _: boxes[photo.id]).to_coco(photo.id)
            found = find(network, shot, None, FLOOR)
            return _box_rows(found, photo.id) if detection else found.to_coco(photo.id)

        return evaluate(self.spec.name, self.truth, "bbox" if detection else "keypoints", predict).metrics["AP"]


def truth_of(annotations: Path, pictures: Path | None) -> Annotations:
    """Open annotations whose pictures lie beside them, else in another folder. Raises SourceError."""
    try:
        return Annotations(annotations, annotations.parent)
    except SourceError:
        if pictures is None or not pictures.is_dir():
            raise
        return Annotations(annotations, pictures)


def narrowed(truth: Annotations, without: Collection[Path]) -> Annotations:
    """Return annotations without some of the pictures. Raises SourceError where none is left."""
    taken = {path.resolve() for path in without}
    photos = [photo for photo in truth.photos if photo.path.resolve() not in taken]
    if not photos:
        raise SourceError("all annotated pictures are calibrated with: add others to --calib, or to --annotations")
    ids = {photo.id for photo in photos}
    rows = {"images": "id", "annotations": "image_id"}
    kept = {part: [row for row in truth.values[part] if row[key] in ids] for part, key in rows.items()}
    left = copy.copy(truth)
    left.photos, left.values = photos, truth.values | kept
    return left


def _box_rows(found: Poses, image_id: int) -> Results:
    sizes = found.boxes[:, 2:] - found.boxes[:, :2]
    rows = np.concatenate([found.boxes[:, :2], sizes], axis=1).tolist()
    scores = found.box_scores.tolist()
    return [
        {"image_id": image_id, "category_id": 1, "bbox": row, "score": score}
        for row, score in zip(rows, scores, strict=True)
    ]
