"""COCO average precision and recall of a model on a folder of photos, by the COCO authors' own evaluation."""

from __future__ import annotations

import contextlib
import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_pose.errors import MissingDependencyError, SourceError
from edge_pose.poses import Boxes
from edge_pose.skeleton import COCO17

PERSON = 1  # COCO's category id
NAMES = {
    "keypoints": ("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl"),
    "bbox": ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"),
}
Results = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Photo:
    """One image of an annotation file: its COCO id and where it is."""

    id: int
    path: Path


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured: metrics by COCO's names (-1 where there was nothing to measure), images, seconds."""

    model: str
    images: int
    people: int
    metrics: dict[str, float]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the document that `edge-pose eval --json` writes."""
        metrics = {name: round(value, 4) for name, value in self.metrics.items()}
        return {
            "model": self.model,
            "images": self.images,
            "people": self.people,
            "metrics": metrics,
            "seconds": round(self.seconds, 3),
        }


class Annotations:
    """A COCO person annotation file beside the folder with its images.

    Raises SourceError when the file is no COCO annotation file or none of its images is in the folder.
    """

    def __init__(self, file: Path, folder: Path) -> None:
        values = read_json(file)
        if not isinstance(values, dict) or not {"images", "annotations"} <= values.keys():
            raise SourceError(f"{file} is no COCO annotation file: it must have 'images' and 'annotations'")
        try:
            people = [a for a in values["annotations"] if a["category_id"] == PERSON]
            people = [_complete(a, number) for number, a in enumerate(people, start=1)]
            images = {int(i["id"]): i for i in values["images"]}  # one that is listed twice would count twice
            if len(images) < len({(int(i["id"]), i["file_name"]) for i in values["images"]}):
                raise ValueError("two images have the same id")
            self.photos = [Photo(key, _locate(folder, i["file_name"])) for key, i in images.items()]
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as err:
            raise SourceError(f"{file} is no COCO annotation file: {err!r}") from err
        listed = [{**image, "id": key} for key, image in images.items()]
        values |= {"images": listed, "annotations": people, "categories": [{"id": PERSON, "name": "person"}]}
        absent = [photo.path.name for photo in self.photos if not photo.path.is_file()]
        if not self.photos or len(absent) == len(self.photos):
            raise SourceError(f"none of the {len(self.photos)} images of {file} is in {folder}")
        if absent:
            raise SourceError(
                f"{len(absent)} of {len(self.photos)} images are not in {folder}, the first is {absent[0]}"
            )
        self.values = values

    def boxes(self) -> dict[int, Boxes]:
        """Return the ground-truth boxes of the people that have keypoints, by image id; score 1."""
        rows: dict[int, list[list[float]]] = {photo.id: [] for photo in self.photos}
        for annotation in self.values["annotations"]:
            if annotation["num_keypoints"] > 0 and not annotation["iscrowd"] and annotation["image_id"] in rows:
                x, y, width, height = annotation["bbox"]
                rows[annotation["image_id"]].append([x, y, x + width, y + height])
        arrays = {key: np.array(value, np.float32).reshape(-1, 4) for key, value in rows.items()}
        return {key: Boxes(array, np.ones(len(array), np.float32)) for key, array in arrays.items()}

    def score(self, results: Results, kind: str) -> dict[str, float]:
        """Return COCO's metrics of these results; kind is "keypoints" or "bbox"."""
        try:
            from pycocotools.coco import COCO
            from pycocotools.cocoeval import COCOeval
        except ModuleNotFoundError as err:
            if (err.name or "").partition(".")[0] != "pycocotools":
                raise
            raise MissingDependencyError("pycocotools is not installed; run: pip install 'edge-pose[eval]'") from err
        names = NAMES[kind]
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
            truth, found = COCO(), COCO()
            truth.dataset, found.dataset = self.values, {**self.values, "annotations": []}
            truth.createIndex()
            if results:
                found = truth.loadRes(results)
            else:  # which loadRes cannot take
                found.createIndex()
            evaluation = COCOeval(truth, found, kind)
            evaluation.params.catIds = [PERSON]
            evaluation.params.imgIds = [photo.id for photo in self.photos]
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        return {name: float(value) for name, value in zip(names, evaluation.stats, strict=True)}


def evaluate(
    name: str,
    annotations: Annotations,
    kind: str,
    predict: Callable[[Photo], Results],
    progress: Callable[[Iterator[Photo]], Iterator[Photo]] = iter,
) -> Evaluation:
    """Run `predict` on every photo and score what it returns; `progress` may wrap the photos in a bar."""
    start = time.perf_counter()
    results = [row for photo in progress(iter(annotations.photos)) for row in predict(photo)]
    metrics = annotations.score(results, kind)
    return Evaluation(name, len(annotations.photos), len(results), metrics, time.perf_counter() - start)


def boxes_from_file(file: Path, photos: list[Photo]) -> dict[int, Boxes]:
    """Read COCO detection results (a list of image_id, category_id, bbox, score) as boxes by image id."""
    values = read_json(file)
    rows: dict[int, list[list[float]]] = {photo.id: [] for photo in photos}
    try:
        for row in values:
            if row.get("category_id", PERSON) == PERSON and row["image_id"] in rows:
                x, y, width, height, score = (float(value) for value in (*row["bbox"], row["score"]))
                rows[row["image_id"]].append([x, y, x + width, y + height, score])
    except (TypeError, KeyError, ValueError, AttributeError) as err:
        raise SourceError(f"{file} is no COCO detection file: a list of image_id, bbox and score ({err!r})") from err
    arrays = {key: np.array(value, np.float32).reshape(-1, 5) for key, value in rows.items()}
    return {key: Boxes(array[:, :4], array[:, 4]) for key, array in arrays.items()}


def read_json(file: Path) -> Any:
    """Read a JSON document. Raises SourceError when there is none."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SourceError(f"{file}: no such file") from None
    except OSError as err:
        raise SourceError(f"cannot read {file}: {err.strerror or err}") from err
    except (ValueError, RecursionError) as err:
        raise SourceError(f"{file} is no JSON document: {err}") from err


def _locate(folder: Path, name: str) -> Path:
    """Return where an image of an annotation file is; some files name a subfolder that the copy does not have."""
    return folder / name if (folder / name).is_file() else folder / Path(name).name


def _complete(annotation: dict[str, Any], number: int) -> dict[str, Any]:
    """Check what the evaluation reads, and fill what files of others leave out.

    number: the id it gets, from 1. The evaluation takes what was matched with id 0 for not matched, and of two
    annotations with one id sees the last only; both happen in files of others.
    """
    keypoints = annotation.get("keypoints") or [0] * 3 * len(COCO17)
    if len(keypoints) != 3 * len(COCO17):
        raise ValueError(f"keypoints must be {3 * len(COCO17)} numbers, got {len(keypoints)}")
    box = [float(value) for value in annotation["bbox"]]
    if len(box) != 4 or not np.isfinite(box).all():
        raise ValueError(f"bbox must be 4 finite numbers, got {annotation['bbox']}")
    filled = {"num_keypoints": sum(v > 0 for v in keypoints[2::3]), "iscrowd": 0, "area": box[2] * box[3]}
    own = {"id": number, "image_id": int(annotation["image_id"]), "bbox": box, "keypoints": keypoints}
    unlabelled = {} if annotation.get("keypoints") else {"num_keypoints": 0}
    return {**filled, **annotation, **own, **unlabelled}
