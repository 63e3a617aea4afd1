"""A small set of annotated pictures, for calibrating and judging what has to work without anybody's photos."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge_pose.skeleton import COCO17
from tools.render.picture import Picture, render
from tools.render.scene import sample_scene

FIRST = 20_000_000  # seeds that no training picture has
NOBODY = 16  # each so many pictures, one is empty
LEAST = 10  # joints in the picture: a foot that looks in is no person to be judged by


def chosen(count: int, side: int) -> list[tuple[int, Picture]]:
    """Render `count` pictures of one person or nobody, with their seeds; those that show too little are left out."""
    found: list[tuple[int, Picture]] = []
    seed = FIRST
    while len(found) < count:
        empty = len(found) % NOBODY == NOBODY - 1
        picture = render(sample_scene(seed, width=side, height=side, people=0 if empty else 1))
        if empty or (picture.visibility[0] > 0).sum() >= LEAST:
            found.append((seed, picture))
        seed += 1
    return found


def document(pictures: list[tuple[int, Picture]]) -> dict[str, Any]:
    """Return COCO keypoint annotations; the area is the box's, times the 0.53 that COCO's people fill of theirs."""
    images, people = [], []
    for number, (seed, picture) in enumerate(pictures, 1):
        height, width = picture.image.shape[:2]
        images.append({"id": number, "file_name": f"{seed}.jpg", "height": height, "width": width})
        for box, xy, seen in zip(picture.boxes, picture.keypoints, picture.visibility, strict=True):
            left, top, right, bottom = (round(float(v), 1) for v in box)
            rows = np.where(seen[:, None] > 0, np.column_stack([xy, seen]), 0).round(1)
            people.append(
                {
                    "id": len(people) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "iscrowd": 0,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": round(0.53 * (right - left) * (bottom - top), 1),
                    "num_keypoints": int((seen > 0).sum()),
                    "keypoints": rows.ravel().tolist(),
                }
            )
    person = {"id": 1, "name": "person", "keypoints": list(COCO17.joints), "skeleton": []}
    return {"images": images, "annotations": people, "categories": [person]}


def main() -> None:
    """Write pictures and FOLDER.json: `python -m tools.render.pictures FOLDER`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--count", type=int, default=96)
    parser.add_argument("--side", type=int, default=224)
    given = parser.parse_args()
    pictures = chosen(given.count, given.side)
    given.output.mkdir(parents=True, exist_ok=True)
    for seed, picture in pictures:
        cv2.imwrite(str(given.output / f"{seed}.jpg"), picture.image, [cv2.IMWRITE_JPEG_QUALITY, 82])
    given.output.with_suffix(".json").write_text(json.dumps(document(pictures), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
