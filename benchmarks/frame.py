"""The whole frame: what `pose(image)` costs beside the network alone, on a 1280 x 720 picture.

python benchmarks/frame.py [--threads 1] [--image photo.jpg] [--json F] [MODEL ...]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
from timing import Case, machine, measured, write_json

import edge_pose as ep
from edge_pose import zoo
from edge_pose.estimators.base import Network
from edge_pose.estimators.load import open_network
from edge_pose.estimators.movenet import MoveNet
from edge_pose.estimators.onestage import Limits, OneStage

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "figure.jpg"


def case(name: str, threads: int, image: object) -> Case:
    """One model: the whole call, and its engine on the same input in the same buffer, without anything of ours."""
    network: Network = open_network(name, threads=threads)
    pose = MoveNet(network) if network.spec.task == "single-pose" else OneStage(network, Limits())
    batch, _ = network.fit_frame(image)  # type: ignore[arg-type]
    return Case(name, lambda: pose(image), {"network alone": lambda: network.backend.run(batch)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["movenet-lightning", "yolov8n-pose"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--image", type=Path, default=PICTURE)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    image = cv2.resize(next(ep.open_source(options.image)).image, (1280, 720))
    names = [name for name in options.models if zoo.find(name) is not None]
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    rows = measured([case(name, options.threads, image) for name in names])
    print(f"{'model':20} {'pose(image) ms':>15} {'network ms':>11} {'ratio':>6}")
    for row in rows:
        alone = row.others_ms["network alone"]
        print(f"{row.name:20} {row.ours_ms:15.2f} {alone:11.2f} {row.ours_ms / alone:6.3f}")
    if options.json:
        write_json(options.json, rows)


if __name__ == "__main__":
    main()
