"""After a build the engine is held against ONNX Runtime, before anything is written."""

import sys

import numpy as np
import pytest

from edge_pose.backends import onnxruntime
from edge_pose.backends.engine_document import EngineDocument, read_document
from edge_pose.errors import ExportError
from edge_pose.export.calibration import Frames
from edge_pose.export.tensorrt import engine_from_onnx
from edge_pose.export.tensorrt.agreement import on_inputs, on_pictures
from edge_pose.export.tensorrt.graph import read_graph
from tests.tensorrt_standin import nets
from tests.tensorrt_standin.api import DRIVEN
from tests.tensorrt_standin.install import install
from tests.tiny import HEATMAP, MOVENET, constant_network, heatmap_answer

RNG = np.random.default_rng(0)
FRAMES = Frames.of([RNG.integers(0, 256, (60, 80, 3), np.uint8) for _ in range(2)])


@pytest.fixture(params=[False, True], ids=["pycuda", "core"])
def world(request, monkeypatch):
    return install(monkeypatch, DRIVEN[-1], core=request.param)


@pytest.fixture(autouse=True)
def fresh_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("EDGE_POSE_CACHE", str(tmp_path_factory.mktemp("cache")))


def somebody(path):
    """A network that always sees one person, at the same place."""
    return constant_network(path, HEATMAP, heatmap_answer(5, 7), batch="N")


def test_the_numbers_stand_in_document_and_specification(world, tmp_path):
    engine = engine_from_onnx(somebody(tmp_path / "a.onnx"), tmp_path / "a.engine", frames=FRAMES)
    found = read_document(engine)
    assert found == EngineDocument.from_json(found.to_json())
    assert found.not_compared == ""
    assert found.agreement == {
        "output_rms": pytest.approx(0, abs=1e-5), "mean_oks": 1.0, "loss": 0.0, "p95_px": pytest.approx(0, abs=1e-3),
        "people": 2.0, "lost": 0.0, "extra": 0.0,
    }  # fmt: skip
    assert found.spec.agreement == {f"engine_{name}": value for name, value in found.agreement.items()}
    assert "mean_oks 1" in found.summary()["agreement"]
    assert world.plans == 1
    engine_from_onnx(tmp_path / "a.onnx", engine)
    assert world.plans == 1  # what was measured makes no other engine of it


def test_a_file_without_a_specification_is_compared_too(world, tmp_path):
    engine = engine_from_onnx(nets.floats(tmp_path / "a.onnx", spec=None), tmp_path / "a.engine", batch=(2, 2, 4))
    assert set(read_document(engine).agreement) == {"output_rms"}


def test_an_engine_with_other_answers_is_never_written(world, tmp_path):
    onnx, engine = nets.floats(tmp_path / "a.onnx"), tmp_path / "a.engine"
    before = engine_from_onnx(onnx, engine).read_bytes()
    world.fail.add("garbage")
    with pytest.raises(ExportError, match=r"engine of a\.onnx gives other answers than the file: maps has values that"):
        engine_from_onnx(onnx, engine, force=True)
    assert engine.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3


class Shifted:
    """An engine whose peaks lie one cell to the right: 4 pixels of the crop."""

    engine, device, metadata = "shifted", "cuda", {}

    def __init__(self, onnx):
        self._real = onnxruntime.open_model(onnx, device="cpu", threads=1)
        self.inputs, self.outputs = self._real.inputs, self._real.outputs

    def run(self, batch):
        return [np.roll(values, 1, axis=-1) for values in self._real.run(batch)]


def test_joints_that_moved_are_said_in_pixels(tmp_path):
    onnx = somebody(tmp_path / "a.onnx")
    real, spec = onnxruntime.open_model(onnx, device="cpu", threads=1), read_graph(onnx).spec
    with pytest.raises(
        ExportError,
        match=r"gives other poses .*: [\d.]+ hundredths .* OKS 0\.\d+, 95 % of joints within \d+\.\d+ px",
    ):
        on_pictures(Shifted(onnx), real, "a.onnx", spec, FRAMES, 1.0)
    assert on_pictures(Shifted(onnx), real, "a.onnx", spec, FRAMES, 100.0)["p95_px"] > 1
    with pytest.raises(ExportError, match="of its spread away"):
        on_inputs(Shifted(onnx), real, "a.onnx", spec)


def test_pictures_without_anybody_say_nothing(world, tmp_path):
    onnx = constant_network(tmp_path / "a.onnx", MOVENET, np.zeros((1, 1, 17, 3)))
    found = read_document(engine_from_onnx(onnx, tmp_path / "a.engine", frames=FRAMES))
    assert set(found.agreement) == {"output_rms"}


def test_without_a_provider_it_is_built_and_said_to_be_unheld(monkeypatch, tmp_path):
    install(monkeypatch, DRIVEN[-1])
    monkeypatch.setitem(sys.modules, "pycuda", None)
    monkeypatch.delitem(sys.modules, "pycuda.driver")
    found = read_document(engine_from_onnx(nets.floats(tmp_path / "a.onnx"), tmp_path / "a.engine"))
    assert found.agreement == {}
    assert "pip install pycuda" in found.not_compared
    assert found.summary()["agreement"].startswith("not compared with ONNX Runtime: ")
