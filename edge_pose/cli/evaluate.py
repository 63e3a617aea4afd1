"""`edge-pose eval`: COCO AP and AR of a model on annotated photos."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_pose.cli.common import (
    Device,
    Engine,
    JsonFile,
    Spec,
    Threads,
    check_writable,
    progress,
    say,
    show_warnings,
    write_json,
)

if TYPE_CHECKING:
    from edge_pose.evaluate import Annotations, Photo, Results
    from edge_pose.poses import Boxes

# The papers' settings: nearly everything is kept, and the metric weighs it by score.
CONFIDENCE, IOU = 0.001, 0.7
Predict = Callable[["Photo"], "Results"]


def evaluate(
    model: Annotated[str, typer.Argument(help="Name or path of a model.")],
    images: Annotated[Path, typer.Option(help="Folder with the photos.")],
    annotations: Annotated[Path, typer.Option(help="COCO keypoint annotations.")],
    boxes: Annotated[
        str | None,
        typer.Option(help="For models that take boxes: gt (the annotations'), detector, or a COCO detection file."),
    ] = None,
    detector: Annotated[str | None, typer.Option(help="The model behind --boxes detector.")] = None,
    json: JsonFile = None,
    confidence: Annotated[float, typer.Option(min=0, max=1, help="Least score of a person.")] = CONFIDENCE,
    device: Device = "auto",
    engine: Engine = "auto",
    threads: Threads = None,
    spec: Spec = None,
) -> None:
    """Measure COCO average precision and recall of MODEL."""
    show_warnings()
    check_writable(json)
    from edge_pose import evaluate as evaluation

    truth = evaluation.Annotations(annotations, images)
    options: dict[str, Any] = {"device": device, "engine": engine, "threads": threads}
    kind, predict = _predictor(model, truth, boxes, detector, options, spec, confidence)
    with progress(model, len(truth.photos)) as bar:

        def counted(photos: Iterator[Photo]) -> Iterator[Photo]:
            for photo in photos:
                yield photo
                bar.advance()

        result = evaluation.evaluate(model, truth, kind, predict, counted)
    if json is not None:
        write_json(json, result.to_dict())
    say(f"{model}: {result.images} images, {kind}, {result.seconds:.1f} s")
    say("  ".join(f"{name} {value:.3f}" for name, value in result.metrics.items()))


def _predictor(
    model: str,
    truth: Annotations,
    boxes: str | None,
    detector: str | None,
    options: dict[str, Any],
    spec: Path | None,
    confidence: float,
) -> tuple[str, Predict]:
    """Return the metric's kind and what turns a photo into COCO results."""
    from edge_pose.estimators.load import MICRO_BATCH, open_network
    from edge_pose.estimators.onestage import Limits, OneStage, YoloDetector
    from edge_pose.estimators.topdown import PoseFromBoxes
    from edge_pose.sources import read_image

    network = open_network(model, spec=spec, rows=MICRO_BATCH, **options)
    task, limits = network.spec.task, Limits(confidence, IOU)
    if task in ("detection", "pose") and (boxes is not None or detector is not None):
        raise typer.BadParameter(f"{model} finds people by itself: leave --boxes and --detector out")
    if task == "detection":
        find = YoloDetector(network, limits)
        return "bbox", lambda photo: _box_rows(find(read_image(photo.path)), photo.id)
    if task == "pose":
        pose = OneStage(network, limits)
        return "keypoints", lambda photo: pose(read_image(photo.path)).to_coco(photo.id)
    if boxes is None:
        raise typer.BadParameter(f"{model} takes boxes: add --boxes gt, --boxes detector, or --boxes FILE")
    from_boxes = PoseFromBoxes(network)
    where = _boxes(truth, boxes, detector, options, confidence)

    def predict(photo: Photo) -> Results:
        image = read_image(photo.path)
        return from_boxes(image, where(photo)).to_coco(photo.id)

    return "keypoints", predict


def _boxes(
    truth: Annotations, boxes: str, detector: str | None, options: dict[str, Any], confidence: float
) -> Callable[[Photo], Boxes]:
    """Return what says where people are in a photo."""
    from edge_pose.estimators.load import load_detector
    from edge_pose.evaluate import boxes_from_file
    from edge_pose.sources import read_image

    if boxes == "detector":
        if detector is None:
            raise typer.BadParameter("--boxes detector needs --detector MODEL, for example --detector yolov5n")
        find = load_detector(detector, confidence=confidence, iou=IOU, **options)
        return lambda photo: find(read_image(photo.path))
    by_id = truth.boxes() if boxes == "gt" else boxes_from_file(Path(boxes), truth.photos)
    return lambda photo: by_id[photo.id]


def _box_rows(boxes: Boxes, image_id: int) -> Results:
    rows = []
    for (x1, y1, x2, y2), score in zip(boxes.xyxy.tolist(), boxes.scores.tolist(), strict=True):
        rows.append({"image_id": image_id, "category_id": 1, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": score})
    return rows
