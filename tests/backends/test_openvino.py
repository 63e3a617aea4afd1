"""OpenVINO behind the protocol: the same numbers as ONNX Runtime, never bfloat16, typed errors."""

import logging
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import edge_pose as ep
from edge_pose.backends import open_backend
from edge_pose.errors import BackendError, DeviceError, MissingDependencyError
from tests.tiny import YOLO, constant_network, save, yolo_answer

PERSON = yolo_answer([(32, 32, 20, 40, 0.9)])


@pytest.fixture
def installed():
    pytest.importorskip("openvino", reason="openvino is not installed")


@pytest.fixture
def linear(tmp_path):
    """A 64-wide dot product of numbers that bfloat16 cannot hold."""
    weights = np.random.default_rng(0).normal(1, 1e-3, (64, 8)).astype(np.float32)
    return save(
        tmp_path / "linear.onnx",
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 8])],
        [numpy_helper.from_array(weights, "w")],
    )


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("rows", [1, 2, 7, 1, 3, 4, 5])  # more shapes than are kept compiled
def test_it_computes_in_float32(linear, rows):
    x = np.random.default_rng(rows).normal(1, 1e-3, (rows, 64)).astype(np.float32)
    (got,) = open_backend(linear, device="cpu", engine="openvino").run(x)
    (wanted,) = open_backend(linear, device="cpu", engine="onnxruntime").run(x)
    np.testing.assert_allclose(got, wanted, rtol=1e-6)  # bfloat16 has two or three digits


@pytest.mark.usefixtures("installed")
def test_what_it_says_about_a_file(tmp_path):
    path = constant_network(tmp_path / "yolo.onnx", YOLO, PERSON)
    ours, theirs = (open_backend(path, device="cpu", engine=engine) for engine in ("openvino", "onnxruntime"))
    assert (ours.inputs, ours.outputs) == (theirs.inputs, theirs.outputs)
    assert ours.metadata["edge_pose"] == theirs.metadata["edge_pose"]
    assert (ours.engine, ours.device) == ("openvino", "cpu")


@pytest.mark.usefixtures("installed")
def test_load_takes_the_engine_that_won_at_export(tmp_path):
    path = constant_network(tmp_path / "yolo.onnx", replace(YOLO, engine="openvino"), PERSON)
    pose = ep.load(path)
    assert pose._yolo.network.backend.engine == "openvino"
    assert len(pose(np.zeros((64, 64, 3), np.uint8))) == 1
    pose = ep.load(path, engine="onnxruntime")
    assert pose._yolo.network.backend.engine == "onnxruntime"


def test_load_serves_from_onnx_runtime_where_it_is_not_installed(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "openvino", None)
    path = constant_network(tmp_path / "yolo.onnx", replace(YOLO, engine="openvino"), PERSON)
    with caplog.at_level(logging.WARNING, "edge_pose"):
        pose = ep.load(path)
    assert pose._yolo.network.backend.engine == "onnxruntime"
    assert len(pose(np.zeros((64, 64, 3), np.uint8))) == 1
    assert "pip install 'edge-pose[openvino]'" in caplog.text


def test_asked_for_by_name_it_must_be_there(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    path = constant_network(tmp_path / "yolo.onnx", YOLO, PERSON)
    with pytest.raises(MissingDependencyError, match=r"edge-pose\[openvino\]"):
        open_backend(path, engine="openvino")


def test_there_is_no_gpu_in_it(tmp_path):
    path = constant_network(tmp_path / "yolo.onnx", YOLO, PERSON)
    with pytest.raises(DeviceError, match="OpenVINO runs on CPUs"):
        open_backend(path, device="cuda", engine="openvino")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((1, 3, 64, 64), np.float64),
        np.zeros((1, 3, 64, 32), np.float32),
        np.zeros((2, 3, 64, 64), np.float32),
        np.zeros((3, 64, 64), np.float32),
    ],
)
def test_an_input_of_another_kind_is_refused(tmp_path, batch):
    backend = open_backend(constant_network(tmp_path / "yolo.onnx", YOLO, PERSON), device="cpu", engine="openvino")
    with pytest.raises(BackendError, match=r"image must be float32 \(1, 3, 64, 64\), got"):
        backend.run(batch)


@pytest.mark.usefixtures("installed")
def test_files_that_are_none(tmp_path):
    with pytest.raises(BackendError, match="no such file"):
        open_backend(tmp_path / "nothing.onnx", engine="openvino")
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(BackendError, match="OpenVINO refuses"):
        open_backend(tmp_path / "broken.onnx", engine="openvino")


@pytest.mark.usefixtures("installed")
def test_closed_is_closed(linear):
    backend = open_backend(linear, device="cpu", engine="openvino")
    backend.close()
    with pytest.raises(BackendError, match="closed"):
        backend.run(np.zeros((1, 64), np.float32))


@pytest.mark.usefixtures("installed")
def test_bfloat16_would_be_seen(linear):
    """The negative control: what OpenVINO does by itself on a CPU with bfloat16 fails the comparison above."""
    import openvino

    core = openvino.Core()
    if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU has no bfloat16")
    x = np.random.default_rng(1).normal(1, 1e-3, (1, 64)).astype(np.float32)
    compiled = core.compile_model(str(linear), "CPU", {"INFERENCE_PRECISION_HINT": "bf16"})
    (wanted,) = open_backend(linear, device="cpu", engine="onnxruntime").run(x)
    off = np.abs(compiled([x])[0] / wanted - 1).max()
    assert off > 1e-5


def test_onnx_files_say_so_in_their_metadata(tmp_path):
    path = constant_network(tmp_path / "yolo.onnx", replace(YOLO, engine="openvino"), PERSON)
    assert '"engine": "openvino"' in {p.key: p.value for p in onnx.load(path).metadata_props}["edge_pose"]
