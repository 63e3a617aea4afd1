"""Times taken side by side, and which candidate is the fastest."""

from pathlib import Path

import numpy as np
import pytest

from edge_pose.errors import MissingDependencyError
from edge_pose.export import latency
from edge_pose.export.latency import Candidate, Timing, engines, fastest, timings
from tests.tiny import HEATMAP, MOVENET, YOLO, constant_network, heatmap_answer, movenet_answer, yolo_answer

SPECS = [(YOLO, yolo_answer([])), (MOVENET, movenet_answer(0.5)), (HEATMAP, heatmap_answer(1, 1))]


@pytest.mark.parametrize(("spec", "answer"), SPECS)
def test_times_of_every_kind_of_input(spec, answer, tmp_path, monkeypatch):
    monkeypatch.setattr(latency, "TURN_MS", 0.0)
    files = [Candidate(constant_network(tmp_path / f"{name}.onnx", spec, answer)) for name in "ab"]
    times = timings(files, spec, budget_s=0.0)
    assert list(times) == files
    assert all(0 < found.p50 <= found.p95 < np.inf for found in times.values())


def test_candidates_take_turns(tmp_path, monkeypatch):
    monkeypatch.setattr(latency, "TURN_MS", 0.0)
    order = []

    class Told:
        inputs = (type("Info", (), {"shape": (1,), "dtype": "float32"}),)

        def __init__(self, path, **_):
            self.path = path

        def run(self, batch):
            order.append(self.path.stem)

        def close(self):
            order.append(f"{self.path.stem} closed")

    monkeypatch.setattr(latency, "open_backend", Told)
    timings([Candidate(Path("a.onnx")), Candidate(Path("b.onnx"))], HEATMAP, budget_s=0.0)
    assert order == ["a", "b"] * (latency.WARM_UP + latency.LEAST) + ["a closed", "b closed"]


def test_what_an_engine_refuses_is_left_out(tmp_path):
    (tmp_path / "no.onnx").write_bytes(b"no")
    good = Candidate(constant_network(tmp_path / "a.onnx", *SPECS[2]))
    assert list(timings([Candidate(tmp_path / "no.onnx"), good], HEATMAP, budget_s=0.0)) == [good]


@pytest.mark.parametrize(("worked", "wins"), [(5.0, True), (9.4, True), (9.6, False), (20.0, False)])
def test_the_fastest_must_be_clearly_faster(worked, wins):
    base, other = Candidate(Path("a")), Candidate(Path("b"), precision="int8")
    times = {base: Timing(10, 11, 10.0), other: Timing(99, 99, worked)}  # by work, whatever the clock says
    assert fastest(times, base) == (other if wins else base)


def test_engines_are_those_that_are_installed(monkeypatch):
    from edge_pose.backends import openvino

    def missing():
        raise MissingDependencyError("openvino is not installed")

    monkeypatch.setattr(openvino, "import_openvino", missing)
    assert engines() == ("onnxruntime",)
    monkeypatch.setattr(openvino, "import_openvino", object)
    assert engines() == ("onnxruntime", "openvino")
