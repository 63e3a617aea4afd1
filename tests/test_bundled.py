"""What the package carries: that it is what the zoo says, small enough, and good enough for what the demo does."""

import hashlib
import zlib
from dataclasses import replace

import numpy as np
import onnx
import pytest

import edge_pose as ep
from edge_pose import zoo
from edge_pose.estimators.load import METADATA_KEY, load_for_boxes
from edge_pose.evaluate import Annotations
from edge_pose.export import quantise
from edge_pose.export.latency import Timing
from edge_pose.export.run import Job, run
from edge_pose.export.source import Wanted
from edge_pose.fall import FallConfig
from edge_pose.pipeline import Pipeline
from edge_pose.sources import read_image
from edge_pose.spec import ModelSpec
from tools.render.clip import Story
from training.measure import oks

NAME = "edge-pose-nano"
LEAST_OKS = 0.72  # it is a starter model: docs/models/edge-pose-nano.md says how good it is
MODEL = zoo.BUNDLED / f"{NAME}.onnx"


@pytest.fixture(autouse=True)
def nothing_else(monkeypatch, tmp_path):
    """No other models are on this machine, and no network."""
    monkeypatch.delenv("EDGE_POSE_MODELS", raising=False)
    monkeypatch.setenv("EDGE_POSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EDGE_POSE_OFFLINE", "1")


@pytest.fixture
def truth():
    return Annotations(zoo.BUNDLED / "pictures.json", zoo.BUNDLED / "pictures")


def test_the_zoo_knows_the_file():
    (file,) = zoo.get(NAME).files
    content = MODEL.read_bytes()
    assert (file.sha256, file.size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert zoo.find(NAME) == MODEL
    own = {entry.key: entry.value for entry in onnx.load(MODEL).metadata_props}
    ours = replace(ModelSpec.from_json(own[METADATA_KEY]), outputs=())  # their names, which the zoo does not state
    assert ours == zoo.get(NAME).spec


def test_it_is_small():
    graph = onnx.load(MODEL).graph
    assert sum(np.prod(weight.dims) for weight in graph.initializer) <= 1_500_000
    packed = {path: len(zlib.compress(path.read_bytes())) for path in zoo.BUNDLED.rglob("*") if path.is_file()}
    assert packed[MODEL] <= 3_000_000  # as a wheel holds it
    assert sum(packed.values()) <= 5_000_000


def test_a_folder_of_the_user_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_POSE_MODELS", str(tmp_path))
    (tmp_path / MODEL.name).write_bytes(b"")
    assert zoo.find(NAME) == tmp_path / MODEL.name


def test_every_picture_is_there_and_one_in_sixteen_is_empty(truth):
    on_disk = {path.name for path in (zoo.BUNDLED / "pictures").iterdir()}
    assert {photo.path.name for photo in truth.photos} == on_disk
    assert sum(len(boxes) == 0 for boxes in truth.boxes().values()) == len(on_disk) // 16


def test_joints_are_found_on_drawn_people(truth):
    assert mean_oks(NAME, truth) > LEAST_OKS


def int8_is_faster(candidates, spec, **_):
    return {c: Timing(*[5.0 if c.precision == "int8" else 10.0] * 3) for c in candidates}


def mean_oks(model, truth):
    """Mean OKS in the true boxes, over all joints in the picture, hidden ones too."""
    pose, scores = load_for_boxes(model, threads=1), []
    for photo in truth.photos:
        found = pose(read_image(photo.path), truth.boxes()[photo.id])
        for person, known in zip(found, people_of(truth, photo), strict=True):
            scores.append(oks(person.xy, known[:, :2], known[:, 2]))
    pose.close()
    return np.mean(scores)


def people_of(truth, photo):
    return [np.reshape(a["keypoints"], (17, 3)) for a in truth.values["annotations"] if a["image_id"] == photo.id]


def test_the_clip_holds_one_fall():
    """The fall loop end to end, on a network: told once, after it happened, and taken back when the person is up."""
    told = []
    with ep.load(NAME, threads=1) as pose, Pipeline(pose, zoo.BUNDLED / "fall.mp4", fall=FallConfig()) as stream:
        for result in stream:
            told.extend(result.events)
        told.extend(stream.ending)
    assert [event.event for event in told] == ["fall.confirmed", "fall.recovered"]
    story = Story()
    assert 0 < told[0].time_s - story.fall_start_s < story.fall_s + story.lie_s


@pytest.mark.slow
def test_int8_costs_at_most_a_point(truth, tmp_path, monkeypatch):
    """The gate says so of what it chose; so do the annotations, which it was not given. Speed is not asked here."""
    monkeypatch.setattr(quantise, "timings", int8_is_faster)
    job = Job(
        Wanted(NAME), tmp_path, precision="int8", calib=zoo.BUNDLED / "pictures", calibrator="entropy", frames=(48, 32)
    )
    report = run(job)
    assert report.agreement["gated"]
    assert report.files["model"].endswith("-int8.onnx")
    assert mean_oks(MODEL, truth) - mean_oks(report.files["model"], truth) <= 0.01
