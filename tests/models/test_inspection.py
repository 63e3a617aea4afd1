"""What a file is, told without running it."""

import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
import safetensors.torch
import torch

from edge_pose.backends.engine_document import EngineDocument
from edge_pose.errors import CheckpointError, ModelNotFoundError
from edge_pose.models.catalog import build, entry
from edge_pose.models.checkpoints import load_checkpoint
from edge_pose.models.inspection import inspect_file
from tests.models.test_checkpoints import onnx_model


def test_the_original_yolov5n_pickle(asset):
    found = inspect_file(asset("models/yolov5n.pt"))
    assert (found.format, found.loads_as, found.parameters) == ("torch-zip", "yolov5n", 1_872_157)
    assert found.license == "AGPL-3.0 (that of the published yolov5n weights)"
    assert found.inputs == {"image": [1, 3, 640, 640]}
    assert (found.metadata["class"], found.metadata["nc"]) == ("models.yolo.Model", 80)
    assert [info.name for info in found.tensors] == list(load_checkpoint(asset("models/yolov5n.pt")).tensors)


@pytest.mark.parametrize(
    ("file", "kind", "loads_as", "inputs"),
    [
        ("movenet_lightning_int8.tflite", "tflite", "movenet-lightning", {"serving_default_input:0": [1, 192, 192, 3]}),
        ("yolov5n.onnx", "onnx", "yolov5n", {"images": [1, 3, 640, 640]}),
        ("yolov8n-pose.onnx", "onnx", "", {"images": [1, 3, 640, 640]}),
    ],
)
def test_files_of_other_formats(asset, file, kind, loads_as, inputs):
    found = inspect_file(asset(f"models/{file}"))
    assert (found.format, found.loads_as, found.inputs) == (kind, loads_as, inputs)
    assert found.size_bytes == asset(f"models/{file}").stat().st_size


def test_lines_for_people_and_a_document_for_programs(asset):
    found = inspect_file(asset("models/yolov5n.pt"))
    text = found.to_text()
    assert text.splitlines()[0] == "yolov5n.pt: torch-zip, 3.8 MiB"
    assert "1,872,157 parameters in 350 tensors (293 float16, 57 int64)" in text
    assert max(map(len, text.splitlines())) < 250
    document = json.loads(json.dumps(found.to_dict()))
    assert document["loads_as"] == "yolov5n"
    assert document["tensors"][0] == {"name": "model.0.conv.weight", "dtype": "float16", "shape": [16, 3, 6, 6]}


def test_a_file_cannot_steer_the_terminal(tmp_path):
    torch.save({"model": {"w": torch.ones(1)}, "note\x1b[2J": "\x1b]0;owned\x07\nsecond line"}, tmp_path / "w.pt")
    text = inspect_file(tmp_path / "w.pt").to_text()
    assert "note?[2J" in text
    assert "?]0;owned??second line" in text


def test_a_licence_in_the_file_counts_more_than_that_of_the_network(tmp_path):
    path = tmp_path / "w.safetensors"
    state = build("movenet-lightning", init=True).state_dict()
    safetensors.torch.save_file(state, path, {"license": "CC0-1.0"})
    found = inspect_file(path)
    assert (found.loads_as, found.license, found.inputs) == (
        "movenet-lightning",
        "CC0-1.0",
        {"image": [1, 192, 192, 3]},
    )


def test_weights_that_only_resemble_a_network(tmp_path):
    state = build("movenet-lightning", init=True).state_dict()
    state.pop("hm.3.bias")
    torch.save({"model": state}, tmp_path / "w.pt")
    found = inspect_file(tmp_path / "w.pt")
    assert found.loads_as == ""
    assert found.looks_like[0] == ("movenet-lightning", pytest.approx(147 / 148))
    assert "unknown; shares names and shapes with movenet-lightning (99%)" in found.to_text()


def test_the_specification_in_an_onnx_file_of_ours(tmp_path):
    spec = entry("movenet-lightning").spec()
    model = onnx_model([])
    model.metadata_props.add(key="edge_pose", value=spec.to_json())
    (tmp_path / "w.onnx").write_bytes(model.SerializeToString())
    found = inspect_file(tmp_path / "w.onnx")
    assert (found.spec, found.license, found.warnings) == (spec, spec.license, ())
    model.metadata_props[0].value = '{"schema": 99}'
    (tmp_path / "w.onnx").write_bytes(model.SerializeToString())
    assert "its specification cannot be read" in inspect_file(tmp_path / "w.onnx").warnings[0]


def plan(magic=b"ftrt", version=(10, 3, 0, 26)):
    return magic + struct.pack("<IQQ", 0, 1, 4096) + bytes(version) + bytes(100)


@pytest.mark.parametrize(
    ("data", "maker", "version", "licence"),
    [
        (plan(), "TensorRT", "10.3.0.26", ""),
        (plan(b"vtrt", (1, 7, 1, 116)), "TensorRT-RTX", "1.7.1.116", ""),
        (struct.pack("<I", 22) + b'{"license":"AGPL-3.0"}' + plan(), "TensorRT", "10.3.0.26", "AGPL-3.0"),
    ],
)
def test_engines_by_their_header(tmp_path, data, maker, version, licence):
    (tmp_path / "w.engine").write_bytes(data)
    found = inspect_file(tmp_path / "w.engine")
    assert (found.format, found.metadata["maker"], found.metadata["version"]) == ("engine", maker, version)
    assert (found.license, found.tensors) == (licence, ())


def test_the_specification_beside_an_engine(tmp_path):
    (tmp_path / "w.engine").write_bytes(plan())
    spec, profile = entry("yolov8n-pose").spec(), ((1, 3, 640, 640), (2, 3, 640, 640), (4, 3, 640, 640))
    document = EngineDocument(
        "tensorrt", "10.3.0", ("8.7",), "fp16", {"images": profile}, "w.onnx", "0", 124, spec=spec
    )
    (tmp_path / "w.engine.json").write_text(document.to_json())
    found = inspect_file(tmp_path / "w.engine")
    assert found.spec == spec
    said = {key: found.metadata[key] for key in ("precision", "batch", "built for", "built from")}
    assert list(said.values()) == ["fp16", "1:2:4", "compute capability 8.7", "w.onnx"]
    (tmp_path / "w.engine.json").write_text("{")
    assert "its specification cannot be read" in inspect_file(tmp_path / "w.engine").warnings[0]


@pytest.mark.parametrize(
    "data", [b"", b"ftrt", struct.pack("<I", 1 << 30) + bytes(100), struct.pack("<I", 2) + b"{}" + bytes(50), bytes(50)]
)
def test_what_is_no_engine_is_refused(tmp_path, data):
    (tmp_path / "w.engine").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"w\.engine is no TensorRT engine"):
        inspect_file(tmp_path / "w.engine")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ModelNotFoundError):
        inspect_file(tmp_path / "nothing.onnx")


def test_an_onnx_file_needs_neither_torch_nor_onnx(tmp_path):
    from onnx import numpy_helper

    tensors = [numpy_helper.from_array(np.ones((2, 3), np.float32), "layer.weight")]
    (tmp_path / "w.onnx").write_bytes(onnx_model(tensors).SerializeToString())
    program = (
        "import sys; sys.modules['torch'] = sys.modules['onnx'] = None\n"
        "from edge_pose.models.inspection import inspect_file\n"
        "found = inspect_file(sys.argv[1]); print(found.parameters, found.warnings)"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(tmp_path / "w.onnx")]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ})
    assert run.stdout.strip() == "6 ('torch is not installed, so nobody can say which network this is',)"
