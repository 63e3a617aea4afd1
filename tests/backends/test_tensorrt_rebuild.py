"""A stale engine is built again in a process of its own while ONNX Runtime serves, and takes over when it is right."""

import logging
import os
from dataclasses import replace

import numpy as np
import pytest

import edge_pose as ep
from edge_pose.backends import open_backend
from edge_pose.backends.engine_document import document_path, read_document
from edge_pose.backends.standby import Standby
from edge_pose.backends.tensorrt import TensorRT
from edge_pose.errors import BackendError
from edge_pose.export.tensorrt import engine_from_onnx
from tests.tensorrt_standin import nets
from tests.tensorrt_standin.install import install
from tests.tensorrt_standin.rebuild import VERSION, batch, made, prepare, until
from tests.tiny import HEATMAP, constant_network, heatmap_answer

pytestmark = pytest.mark.usefixtures("fresh_cache")
IMAGE = np.zeros((40, 60, 3), np.uint8)


@pytest.mark.parametrize("cause", ["version", "onnx", "copied"])
def test_a_stale_engine_is_built_again_while_onnx_runtime_serves(world, monkeypatch, tmp_path, caplog, cause):
    onnx, engine = made(tmp_path)
    if cause == "version":
        prepare(monkeypatch, tmp_path, "10.13.3.9")
    elif cause == "onnx":
        nets.floats(onnx, bias=False)
    else:
        engine.write_bytes(engine.read_bytes()[:-10])
    reference = open_backend(onnx)
    wanted = reference.run(batch())[0]
    with caplog.at_level(logging.INFO, "edge_pose"):
        opened = open_backend(engine)
        assert (opened.engine, opened.device) == ("onnxruntime", "cpu")
        np.testing.assert_array_equal(opened.run(batch())[0], wanted)
        until(lambda: opened._ready is not None)
        np.testing.assert_array_equal(opened.run(batch())[0], wanted)  # the last answer of the old engine
        assert (opened.engine, opened.device) == ("tensorrt", "cuda")
        np.testing.assert_allclose(opened.run(batch())[0], wanted, atol=1e-5)
        opened.close()
    text = caplog.text
    assert "building it in the background; ONNX Runtime on cpu serves meanwhile" in text
    assert "a.onnx: tensorrt on cuda serves from now on" in text
    again = open_backend(engine)  # it fits now
    assert isinstance(again, TensorRT)
    again.close()


def test_the_specification_of_a_foreign_file_survives(world, monkeypatch, tmp_path):
    _, engine = made(tmp_path, spec=None)
    document = replace(read_document(engine), spec=nets.SPEC)
    document_path(engine).write_text(document.to_json(), encoding="utf-8")
    prepare(monkeypatch, tmp_path, "10.13.3.9")
    opened = open_backend(engine)
    assert ep.ModelSpec.from_json(opened.metadata["edge_pose"]) == nets.SPEC
    until(lambda: opened._ready is not None)
    opened.close()
    assert replace(read_document(engine).spec, batch=nets.SPEC.batch, agreement={}) == nets.SPEC
    assert read_document(engine).version == "10.13.3.9"


def test_a_build_that_fails_is_said_once_and_onnx_runtime_goes_on(world, monkeypatch, tmp_path, caplog):
    _, engine = made(tmp_path)
    before = engine.read_bytes()
    prepare(monkeypatch, tmp_path, "10.13.3.9", fail={"build"})
    opened = open_backend(engine)
    until(lambda: not opened._thread.is_alive())
    opened.run(batch())
    assert opened.engine == "onnxruntime"
    assert [r.message for r in caplog.records if r.levelno == logging.ERROR] == [
        "building the engine of a.onnx failed, onnxruntime goes on: TensorRT 10.13.3.9 cannot build an engine of "
        "a.onnx: Could not find any implementation for node conv1"
    ]
    opened.close()
    assert engine.read_bytes() == before


def test_an_engine_that_answers_garbage_is_not_used(world, monkeypatch, tmp_path, caplog):
    _, engine = made(tmp_path)
    here = prepare(monkeypatch, tmp_path, "10.13.3.9")
    here.fail.add("garbage")
    opened = open_backend(engine)
    until(lambda: opened._ready is not None)
    for _ in range(2):
        assert np.isfinite(opened.run(batch())[0]).all()
    assert opened.engine == "onnxruntime"
    assert "the engine of a.onnx is not used, onnxruntime goes on: maps has values that are no numbers" in caplog.text
    assert here.device.memory == {}
    opened.close()


def test_closing_ends_the_builder_and_leaves_nothing(world, monkeypatch, tmp_path):
    _, engine = made(tmp_path)
    before = engine.read_bytes()
    prepare(monkeypatch, tmp_path, "10.13.3.9", steps=10**9)  # it would build for ever
    opened = open_backend(engine)
    opened.run(batch())
    opened.close()
    assert opened._process.poll() is not None
    assert not opened._thread.is_alive()
    assert engine.read_bytes() == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_cuda_never_means_the_cpu(world, monkeypatch, tmp_path, caplog):
    _, engine = made(tmp_path)
    prepare(monkeypatch, tmp_path, "10.13.3.9")
    opened = open_backend(engine, device="cuda")  # waits
    assert isinstance(opened, TensorRT)
    assert "which takes minutes: " in caplog.text
    opened.close()
    prepare(monkeypatch, tmp_path, "11.4.0.106", fail={"build"})
    with pytest.raises(BackendError, match=r"and building it failed: TensorRT 11\.4\.0\.106 cannot build"):
        open_backend(engine, device="cuda")


def test_an_onnx_file_with_the_engine_of_the_cache(world, monkeypatch, tmp_path):
    onnx = nets.floats(tmp_path / "cached.onnx")
    first = open_backend(onnx, engine="tensorrt")
    assert isinstance(first, Standby)
    until(lambda: first._ready is not None)
    first.close()
    second = open_backend(onnx, engine="tensorrt")
    assert isinstance(second, TensorRT)
    second.close()
    install(monkeypatch, VERSION, "8.6")  # another GPU: another engine
    third = open_backend(onnx, engine="tensorrt")
    assert isinstance(third, Standby)
    third.close()


def test_a_folder_that_cannot_be_written_sends_the_engine_into_the_cache(world, monkeypatch, tmp_path):
    _, engine = made(tmp_path)
    prepare(monkeypatch, tmp_path, "10.13.3.9")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    opened = open_backend(engine, device="cuda")
    assert read_document(engine).version == VERSION
    opened.close()


@pytest.mark.parametrize("rows", [(2, 2, 2), (1, 2, 4)])
def test_estimators_live_on_through_the_change(world, monkeypatch, tmp_path, rows):
    from edge_pose.estimators.load import load_for_boxes
    from edge_pose.poses import Boxes

    spec = replace(HEATMAP, engine="openvino")  # what was the fastest on a processor is no matter here
    onnx = constant_network(tmp_path / "a.onnx", spec, heatmap_answer(5, 7), batch="N")
    engine = engine_from_onnx(onnx, tmp_path / "a.engine", batch=rows)
    prepare(monkeypatch, tmp_path, "10.13.3.9")
    boxes = Boxes.whole(IMAGE)
    pose = load_for_boxes(engine)
    first, backend = pose(IMAGE, boxes), pose.network.backend
    until(lambda: backend._ready is not None)
    second, third = pose(IMAGE, boxes), pose(IMAGE, boxes)
    assert backend.engine == "tensorrt"
    pose.close()
    for other in (second, third):
        np.testing.assert_allclose(other.xy, first.xy, atol=1e-3)
