"""Weights of every format come back bit for bit, whatever they were wrapped in."""

import collections
import sys
import types

import numpy as np
import onnx
import pytest
import safetensors.torch
import torch
from torch import nn

from edge_pose.errors import CheckpointError, ModelNotFoundError
from edge_pose.models.checkpoints import load_checkpoint

DTYPES = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
)
DTYPES += (torch.uint8, torch.bool)
WEIGHTS = {str(dtype): (torch.arange(-3, 9).reshape(3, 4) * 1.5).to(dtype) for dtype in DTYPES}
WEIGHTS |= {"scalar": torch.tensor(2.5), "empty": torch.empty(0, 3), "vector": torch.arange(5.0)}


def same(got, wanted):
    assert list(got) == list(wanted)
    for name, value in wanted.items():
        assert got[name].dtype == value.dtype, name
        assert torch.equal(got[name], value), name


def save(value, path, container):
    torch.save(value, path, _use_new_zipfile_serialization=container == "torch-zip")
    return path


@pytest.fixture(params=["torch-zip", "torch-legacy"])
def container(request):
    return request.param


def test_a_state_dict_keeps_names_order_types_and_values(tmp_path, container):
    checkpoint = load_checkpoint(save(WEIGHTS, tmp_path / "w.pth", container))
    same(checkpoint.tensors, WEIGHTS)
    assert (checkpoint.format, checkpoint.warnings) == (container, [])


def test_safetensors_of_the_original_package(tmp_path):
    path = tmp_path / "w.safetensors"
    safetensors.torch.save_file(WEIGHTS, path, {"license": "MIT"})
    checkpoint = load_checkpoint(path)
    same(dict(sorted(checkpoint.tensors.items())), dict(sorted(WEIGHTS.items())))
    assert (checkpoint.format, checkpoint.metadata) == ("safetensors", {"license": "MIT"})


def onnx_model(tensors, nodes=(), **options):
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 3])
    nodes = nodes or [onnx.helper.make_node("Identity", ["x"], ["y"])]
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", 3])
    return onnx.helper.make_model(onnx.helper.make_graph(nodes, "graph", [value], [out], tensors), **options)


@pytest.mark.parametrize("raw", [True, False])
def test_onnx_initialisers_raw_or_number_by_number(tmp_path, raw):
    kinds = {torch.bfloat16: onnx.TensorProto.BFLOAT16}
    tensors = []
    for name, value in WEIGHTS.items():
        kind = kinds.get(value.dtype) or onnx.helper.np_dtype_to_tensor_dtype(value.numpy().dtype)
        plain = value.view(torch.int16).numpy() if value.dtype == torch.bfloat16 else value.numpy()
        numbers = plain.tobytes() if raw or value.dtype == torch.bfloat16 else plain.reshape(-1).tolist()
        made = onnx.helper.make_tensor(name, kind, value.shape, numbers, raw=isinstance(numbers, bytes))
        tensors.append(made)
    path = tmp_path / "w.onnx"
    onnx.save(onnx_model(tensors, producer_name="a test"), path)
    checkpoint = load_checkpoint(path)
    same(checkpoint.tensors, WEIGHTS)
    assert checkpoint.metadata["producer"] == "a test"
    assert checkpoint.metadata["inputs"] == {"x": ["N", 3]}


def test_onnx_weights_beside_the_file(tmp_path):
    path = tmp_path / "w.onnx"
    model = onnx_model([onnx.numpy_helper.from_array(np.arange(1000, dtype=np.float32), "w")])
    onnx.save(model, path, save_as_external_data=True, location="w.data", size_threshold=0)
    same(load_checkpoint(path).tensors, {"w": torch.arange(1000.0)})
    (tmp_path / "w.data").write_bytes(b"short")
    with pytest.raises(CheckpointError, match="cut off"):
        load_checkpoint(path)


@pytest.mark.parametrize("place", ["../w.data", "/etc/hostname", "folder/w.data", ""])
def test_onnx_weights_elsewhere_are_refused(tmp_path, place):
    tensor = onnx.TensorProto(name="w", dims=[2], data_type=1, data_location=onnx.TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=place)
    path = tmp_path / "w.onnx"
    path.write_bytes(onnx_model([tensor]).SerializeToString())
    with pytest.raises(CheckpointError, match="only a plain file beside"):
        load_checkpoint(path)


def test_names_that_an_exporter_hid_come_back_from_the_nodes(tmp_path):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            parts = [nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4)), nn.Conv2d(4, 2, 1)]
            self.features = nn.Sequential(*parts)

        def forward(self, x):
            return self.features(x)

    path = tmp_path / "w.onnx"
    with pytest.warns(DeprecationWarning):
        torch.onnx.export(Net().eval(), (torch.zeros(1, 3, 2, 2),), str(path), dynamo=False)
    assert set(load_checkpoint(path).tensors) == {
        "features.0.0.weight",
        "features.0.0.bias",
        "features.1.weight",
        "features.1.bias",
    }


def test_views_of_one_storage_share_memory_and_strides_are_kept(tmp_path, container):
    base = torch.arange(12.0)
    saved = {"all": base, "part": base[4:8], "across": base.view(3, 4).t(), "tied": base}
    got = load_checkpoint(save(saved, tmp_path / "w.pt", container)).tensors
    same(got, saved)
    got["all"][5] = -1
    assert got["part"][1] == got["tied"][5] == got["across"][1, 1] == -1


class Unknown(nn.Module):
    """Stands for a class of a package that is not installed."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ModuleDict({"inner": nn.Linear(4, 2)}))
        self.scale = nn.Parameter(torch.tensor([1.0, 2.0]))
        self.register_buffer("kept", torch.ones(3))
        self.register_buffer("scratch", torch.ones(3), persistent=False)
        self.register_parameter("nothing", None)
        self.names, self.nc = {0: "person"}, 1


@pytest.fixture
def gone(monkeypatch):
    """A module tree whose classes cannot be imported when it is read."""
    elsewhere = types.ModuleType("models_of_nobody")
    monkeypatch.setitem(sys.modules, "models_of_nobody", elsewhere)
    monkeypatch.setattr(elsewhere, "Unknown", Unknown, raising=False)
    monkeypatch.setattr(Unknown, "__module__", "models_of_nobody")

    def save_and_forget(value, path, container):
        save(value, path, container)
        monkeypatch.delitem(sys.modules, "models_of_nobody")
        return path

    return save_and_forget


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
def test_a_whole_pickled_module_whose_class_nobody_has(tmp_path, container, gone):
    net = Unknown()
    wrapped = {"epoch": 7, "model": net.half(), "ema": None, "license": "AGPL-3.0", "when": np.float64(2.5)}
    checkpoint = load_checkpoint(gone(wrapped, tmp_path / "w.pt", container))
    same(checkpoint.tensors, dict(net.state_dict()))
    assert checkpoint.metadata == {
        "part": "model",
        "epoch": 7,
        "license": "AGPL-3.0",
        "when": 2.5,
        "class": "models_of_nobody.Unknown",
        "names": {"0": "person"},
        "nc": 1,
    }
    assert "models_of_nobody" not in sys.modules


A, B = {"w": torch.ones(2)}, {"w": torch.zeros(2)}
OPTIMIZER = {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]}


@pytest.mark.parametrize(
    ("saved", "part", "found"),
    [
        (A, None, A),
        ({"state_dict": A, "optimizer": OPTIMIZER, "epoch": 3}, None, A),
        ({"model_state_dict": A}, None, A),
        ({"model": A, "ema": B}, None, B),  # averaged weights are the ones that were evaluated
        ({"model": A, "ema": None}, None, A),
        ({"model": A, "ema": B}, "model", A),
        ({"state_dict": A, "ema_state_dict": B}, None, A),
        ({"state_dict": A, "ema_state_dict": B}, "ema_state_dict", B),
        ({"ema": {"module": A, "updates": 5}}, None, A),
        ({"generator": A}, None, A),
        ({"generator": A, "critic": B}, "critic", B),
        (collections.OrderedDict(A), None, A),
    ],
)
def test_weights_are_found_in_training_checkpoints(tmp_path, saved, part, found):
    checkpoint = load_checkpoint(save(saved, tmp_path / "w.pt", "torch-zip"), part=part)
    same(checkpoint.tensors, found)


def test_which_part_was_taken_is_said(tmp_path):
    checkpoint = load_checkpoint(save({"model": A, "ema": B, "epoch": 3}, tmp_path / "w.pt", "torch-zip"))
    assert checkpoint.metadata == {"part": "ema", "other_parts": ["model"], "epoch": 3}


@pytest.mark.parametrize(
    ("saved", "part", "message"),
    [
        ({"generator": A, "critic": B}, None, "several networks, say which with part=: generator, critic"),
        ({"model": A}, "ema", "part 'ema' is not in the file; it has model"),
        ({"epoch": 3, "optimizer": OPTIMIZER}, None, "holds no weights, only a dict with epoch, optimizer"),
        ([1, 2], None, "holds no weights, only a list"),
        ({}, None, "only a dict with nothing"),
    ],
)
def test_a_file_without_one_clear_network_says_what_it_has(tmp_path, saved, part, message):
    path = save(saved, tmp_path / "w.pt", "torch-zip")
    with pytest.raises(CheckpointError, match=rf"^w\.pt: .*{message}"):
        load_checkpoint(path, part=part)


def test_arrays_of_numpy_are_weights_too(tmp_path):
    import pickle

    path = tmp_path / "w.pkl"
    path.write_bytes(pickle.dumps({"model": {"w": np.arange(4, dtype=np.float32)}, "made_by": "somebody"}))
    checkpoint = load_checkpoint(path)
    same(checkpoint.tensors, {"w": torch.arange(4.0)})
    assert (checkpoint.format, checkpoint.metadata["made_by"]) == ("pickle", "somebody")


def test_subclasses_of_tensors_are_tensors(tmp_path, container):
    saved = {"parameter": nn.Parameter(torch.ones(2)), "buffer": nn.Buffer(torch.zeros(2))}
    got = load_checkpoint(save(saved, tmp_path / "w.pt", container)).tensors
    same(got, {name: value.data for name, value in saved.items()})


def test_a_file_that_is_not_there_or_nothing_we_know(tmp_path):
    with pytest.raises(ModelNotFoundError, match="there is no file"):
        load_checkpoint(tmp_path / "nothing.pt")
    (tmp_path / "text.txt").write_text("hello, this is text")
    with pytest.raises(CheckpointError, match=r"text\.txt is no weight file; known are \.pt"):
        load_checkpoint(tmp_path / "text.txt")


def test_a_torchscript_program_is_refused_with_the_mend(tmp_path):
    path = tmp_path / "script.pt"
    with pytest.warns(DeprecationWarning):
        torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), str(path))
    with pytest.raises(
        CheckpointError, match=r"TorchScript program; save weights: torch\.save\(model\.state_dict\(\), path\)"
    ):
        load_checkpoint(path)
