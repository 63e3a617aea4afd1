"""Photos as a network is fed them, networks with seeded weights, both engines' answers, and the command."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from edge_pose.cli import main
from edge_pose.export.calibration import Frames, feeds
from edge_pose.models.catalog import MODELS
from edge_pose.sources import read_image
from tests.golden_weights import fill

# Deep networks without normalised outputs want weaker weights; these are the gains of the reference vectors.
GAINS = {"yolo11": 0.97, "yolo26": 0.95, "resnet-50-rle": 0.9}
# Values of 1e10 make rounding visible, in a softmax and in the widest boxes: there is nothing to compare with.
GAINS |= {"hrnet-w32-psa": 0.5, "hrnet-w48-psa": 0.5, "yolov5l": 0.85, "yolov5x": 0.85}


def photos(asset, count: int) -> Frames:
    """The first photos of coco_mini."""
    files = sorted(asset("images/coco_mini").glob("*.jpg"))[:count]
    return Frames.of([read_image(file) for file in files])


def fed(frames: Frames, spec) -> np.ndarray:
    """One batch with a row for each picture."""
    return np.concatenate(list(feeds(frames, spec)))


def seeded(name: str, seed: int = 0, **options) -> torch.nn.Module:
    """A network of the catalog with pseudo-random weights; what is constant in it keeps its values."""
    net = MODELS[name].build(**options)
    gain = next((gain for start, gain in GAINS.items() if name.startswith(start)), 1.0)
    state = net.state_dict()
    constants = {key: value.tolist() for key, value in state.items() if key.endswith((".anchors", ".mask"))}
    values = fill([(key, value.shape) for key, value in state.items()], seed, gain, constants)
    net.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in values.items()})
    return net.eval()


def torch_answers(net: torch.nn.Module, batch: np.ndarray) -> list[np.ndarray]:
    with torch.inference_mode():
        answer = net(torch.from_numpy(batch))
    return [value.numpy() for value in (answer if isinstance(answer, tuple) else (answer,))]


def onnx_answers(model: onnx.ModelProto, batch: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: batch})


def save(model: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def export(*words) -> int:
    """Run `edge-pose export`; returns its exit code."""
    return main(["export", *map(str, words)])


def failure(capsys, *words) -> str:
    """Run `edge-pose export`, which must fail; returns the one line that says why."""
    assert export(*words) == 1
    err = capsys.readouterr().err
    assert "Traceback" not in err
    # Warnings about the pictures may come before.
    return [line for line in err.splitlines() if line.startswith("edge-pose: ")][-1]
