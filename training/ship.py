"""From the checkpoint to the file that the package carries: averaged weights, folded, ONNX with its specification."""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import replace
from pathlib import Path

import onnx
import torch

from edge_pose.export.onnx_from_torch import onnx_from_torch
from edge_pose.models.movenet import build_movenet
from edge_pose.models.specs import movenet_spec
from training.nano import VARIANT, folded_state, learner

NAME = "edge-pose-nano"


def ship(checkpoint: Path, output: Path) -> None:
    """Write the ONNX file of a checkpoint. Raises ExportError where the graph does not give what the network gives."""
    net = learner()
    net.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
    plain = build_movenet(VARIANT)
    plain.load_state_dict(folded_state(net.eval()))
    spec = movenet_spec(NAME, {}, (192, 192))
    spec = replace(spec, input=replace(spec.input, dtype="uint8"))
    output.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(onnx_from_torch(plain, spec), output)


def main() -> None:
    """Write the file: `python -m training.ship CHECKPOINT OUTPUT.onnx`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("output", type=Path)
    given = parser.parse_args()
    ship(given.checkpoint, given.output)
    content = given.output.read_bytes()  # what zoo.toml has to say of it
    print(f'sha256 = "{hashlib.sha256(content).hexdigest()}"\nsize = {len(content)}')  # noqa: T201


if __name__ == "__main__":
    main()
