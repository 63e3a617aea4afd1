"""How good a network is: mean OKS on rendered people it never saw, PCK against MoveNet on a subject it never saw."""

from __future__ import annotations

import argparse
import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_pose.skeleton import COCO17
from training.pool import Pool

F32 = NDArray[np.float32]


def joint_oks(found: F32, joints: F32, weights: F32) -> NDArray[np.float64]:
    """Object keypoint similarity of each joint (17,), NaN for weight 0; area by the box around joints (17, 2)."""
    known = weights > 0
    extent = np.ptp(joints[known], axis=0)
    area = max(float(extent[0] * extent[1]), 1.0)
    near = np.exp(-((found - joints) ** 2).sum(1) / (2 * area * (2 * np.asarray(COCO17.sigmas)) ** 2))
    return np.where(known, near, np.nan)


def oks(found: F32, joints: F32, weights: F32) -> float:
    """Object keypoint similarity of one person's joints (17, 2), over those of weight above 0."""
    return float(np.nanmean(joint_oks(found, joints, weights)))


def rendered_oks(pose: Any, pool: Pool, margin: float = 1.35) -> dict[str, float]:
    """Mean OKS of the first person, seen whole in the picture, and seen in a square around the person."""
    whole, near = [], []
    for index in range(len(pool)):
        image, joints, weights = pool[index]
        if (weights[0] > 0).sum() < 8:
            continue
        known = joints[0][weights[0] > 0]
        middle, side = (known.min(0) + known.max(0)) / 2, float(np.ptp(known, axis=0).max()) * margin + 8
        low = np.clip(middle - side / 2, 0, None).astype(int)
        high = np.minimum((middle + side / 2).astype(int), [image.shape[1], image.shape[0]])
        crop = np.ascontiguousarray(image[low[1] : high[1], low[0] : high[0]])
        for view, shift, scores in ((image, np.zeros(2), whole), (crop, low, near)):
            pose.reset()
            poses = pose(view)
            scores.append(oks(poses.xy[0] + shift, joints[0], weights[0]) if len(poses) else 0.0)
    return {"whole": float(np.mean(whole)), "near": float(np.mean(near)), "pictures": float(len(near))}


def pck(pose: Any, teacher: Any, films: list[Path], share: float = 0.2, every: int = 3) -> dict[str, float]:
    """Share of joints within 0.2 torso lengths of the teacher's, where the teacher is sure of joint and torso."""
    import edge_pose as ep

    right: list[NDArray[np.bool_]] = []
    frames_seen = missed = 0
    for film in films:
        pose.reset()
        teacher.reset()
        with ep.open_source(str(film)) as frames:
            for frame in frames:
                ours, theirs = pose(frame.image), teacher(frame.image)
                if frame.index % every or not len(theirs):
                    continue
                xy, sure = theirs.xy[0], theirs.scores[0] > 0.3
                if not sure[[5, 6, 11, 12]].all():
                    continue
                torso = float(np.linalg.norm(xy[5:7].mean(0) - xy[11:13].mean(0)))
                if torso < 8:
                    continue
                frames_seen += 1
                missed += not len(ours)
                apart = np.linalg.norm(ours.xy[0] - xy, axis=1) if len(ours) else np.full(17, np.inf)
                right.append(apart[sure] <= share * torso)
    return {"pck": float(np.concatenate(right).mean()), "frames": float(frames_seen), "nobody": float(missed)}


def tall_ap(model: str, photos: Path, annotations: Path, least: float = 96) -> float:
    """COCO keypoint AP, in people's true boxes, of those whose box is at least so many pixels high."""
    from edge_pose.estimators.load import load_for_boxes
    from edge_pose.evaluate import Annotations, Photo, Results, evaluate
    from edge_pose.sources import read_image

    truth = Annotations(annotations, photos)
    truth.values["annotations"] = [a for a in truth.values["annotations"] if a["bbox"][3] >= least]
    boxes = truth.boxes()
    pose = load_for_boxes(model, threads=1)

    def predict(photo: Photo) -> Results:
        return pose(read_image(photo.path), boxes[photo.id]).to_coco(photo.id)

    with contextlib.closing(pose):
        return evaluate(model, truth, "keypoints", predict).metrics["AP"]


def main() -> None:
    """Print the figures as JSON: `python -m training.measure MODEL.onnx --data DIR --videos DIR`."""
    import edge_pose as ep

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, required=True, help="folder of the pools")
    parser.add_argument("--videos", type=Path, help="folder of videos; those of subject 4 are used")
    parser.add_argument("--teacher", default="movenet-lightning")
    parser.add_argument("--photos", type=Path, help="folder of photos with COCO keypoints")
    parser.add_argument("--annotations", type=Path, help="these")
    given = parser.parse_args()
    figures: dict[str, dict[str, float]] = {}
    if given.photos is not None:
        names = {"model": given.model, "teacher": given.teacher}
        figures["ap_of_tall_people"] = {
            who: tall_ap(name, given.photos, given.annotations) for who, name in names.items()
        }
    with ep.load(given.model, confidence=0.05, threads=1) as pose:
        figures["rendered_oks"] = rendered_oks(pose, Pool(given.data / "held-out.npz"))
        if given.videos is not None:
            with ep.load(given.teacher, threads=1) as teacher:
                figures["held_out_subject"] = pck(pose, teacher, sorted(given.videos.glob("s4_*.mp4")))
    print(json.dumps(figures, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
