"""What the user names becomes a float graph: a network with the right weights, or a foreign graph as it is."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from edge_pose import zoo
from edge_pose.errors import CheckpointError, ExportError, ModelNotFoundError, SpecError
from edge_pose.export import graphs
from edge_pose.export.files import save_model, written
from edge_pose.export.metadata import read_spec, write_spec
from edge_pose.export.source import Wanted, finished_graph, float_graph
from edge_pose.models.catalog import MODELS
from tests.export.support import fed, onnx_answers, photos, save, seeded
from tests.tiny import YOLO, constant_network, yolo_answer

SMALL = (64, 64)


@pytest.fixture(scope="module")
def seeded_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "seeded.pth"
    torch.save(seeded("yolov8n-pose").state_dict(), path)
    return path


@pytest.fixture
def foreign(tmp_path):
    """A YOLO-pose of others: opset 13, IR 10, one row at a time, nothing said about itself."""
    path = constant_network(tmp_path / "foreign.onnx", YOLO, yolo_answer([(40, 32, 10, 20, 0.9)]))
    model = onnx.load(path)
    del model.metadata_props[:]
    model.ir_version = 10
    model.opset_import[0].version = 13
    onnx.save(model, path)
    (tmp_path / "my.toml").write_text(YOLO.to_toml())
    return path


def batch_of(model):
    return model.graph.input[0].type.tensor_type.shape.dim[0]


def test_weights_of_a_file(seeded_file):
    made = float_graph(Wanted("yolov8n-pose", seeded_file, size=SMALL, batch=(1, 2, 8)))
    spec = read_spec(made.model)
    assert spec == made.spec
    assert (spec.name, spec.input.hw, spec.batch) == ("yolov8n-pose", SMALL, (1, 2, 8))
    assert spec.precision == {"default": "float32"}
    assert spec.exporter.startswith("edge-pose ")
    assert len(spec.checkpoint_sha256) == 64
    assert spec.license == "unknown (the published weights of yolov8n-pose: AGPL-3.0)"
    assert spec.source == ""


def test_the_zoo_knows_whose_weights_they_are(asset):
    spec = float_graph(Wanted("movenet-lightning", asset("models/movenet_lightning_int8.tflite"))).spec
    assert (spec.license, spec.source) == ("Apache-2.0", zoo.entries()["movenet-lightning"].homepage)
    assert spec.input.dtype == "uint8"
    assert spec.batch == (1, 1, 1)


def test_movenet_at_another_size_leaves_its_rounded_tables(asset):
    made = float_graph(Wanted("movenet-lightning", asset("models/movenet_lightning_int8.tflite"), size=(128, 192)))
    assert made.spec.input.hw == (128, 192)


def test_published_weights_are_found_where_models_are_kept(asset, monkeypatch):
    monkeypatch.setenv("EDGE_POSE_MODELS", str(asset("models")))
    assert float_graph(Wanted("movenet-lightning")).weights.name == "movenet_lightning_int8.tflite"


def test_without_weights_anywhere(monkeypatch):
    monkeypatch.delenv("EDGE_POSE_MODELS", raising=False)
    with pytest.raises(ModelNotFoundError, match=r"hrnet-w48-psa-s has no published weights .* --weights"):
        float_graph(Wanted("hrnet-w48-psa-s"))
    monkeypatch.setenv("EDGE_POSE_OFFLINE", "1")
    with pytest.raises(ModelNotFoundError, match="EDGE_POSE_OFFLINE"):
        float_graph(Wanted("yolov5n"))


@pytest.mark.parametrize(
    ("wanted", "error", "message"),
    [
        ({"model": "hrnet-w33"}, ModelNotFoundError, "did you mean 'hrnet-w32'"),
        ({"model": "yolov8n-pose", "size": (250, 192)}, ExportError, "multiples of 32.*--size 256x192"),
        ({"model": "yolov8n-pose", "size": (0, 0)}, ExportError, "--size 32x32"),
        ({"model": "yolov8n-pose", "options": {"class": 1}}, SpecError, "did you mean 'classes'"),
        ({"model": "hrnet-w32", "options": {"head": "foo"}}, SpecError, "'foo'"),
        ({"model": "yolov8s-pose"}, CheckpointError, "look like yolov8n-pose.*asked for was yolov8s-pose"),
        ({"model": "hrnet-w32"}, CheckpointError, "look like yolov8n-pose"),
        ({"model": "pp-tinypose"}, ExportError, "give its ONNX file"),
        ({"model": "pp-tinypose", "options": {"head": "rle"}}, SpecError, "takes no --option"),
        ({"model": "a.onnx"}, SpecError, "leave --weights out"),
    ],
)
def test_what_does_not_fit_together(wanted, error, message, seeded_file):
    with pytest.raises(error, match=message):
        float_graph(Wanted(weights=seeded_file, **wanted))


def test_a_missing_and_a_damaged_file(tmp_path):
    with pytest.raises(ModelNotFoundError, match=r"none\.pt"):
        float_graph(Wanted("yolov5n", tmp_path / "none.pt"))
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(CheckpointError, match=r"bad\.onnx"):
        float_graph(Wanted("yolov5n", tmp_path / "bad.onnx"))
    with pytest.raises(ModelNotFoundError, match=r"none\.onnx"):
        float_graph(Wanted(str(tmp_path / "none.onnx")))


def test_a_nameless_onnx_gives_its_weights_to_the_network(asset):
    """So it takes any size and any batch; at its own size it is the file's equal."""
    path = asset("models/yolov8n-pose.onnx")
    made = float_graph(Wanted("yolov8n-pose", path))
    assert batch_of(made.model).dim_param == "N"
    assert any(node.name.startswith("/model.22/") for node in made.model.graph.node)
    assert made.spec.license == "AGPL-3.0"
    batch = fed(photos(asset, 1), made.spec)
    (got,), (wanted,) = onnx_answers(made.model, batch), onnx_answers(onnx.load(path), batch)
    np.testing.assert_allclose(got, wanted, atol=1e-2, rtol=1e-4)


@pytest.mark.parametrize(
    ("model", "file", "is_"), [("yolov8s-pose", "yolov8n-pose", "yolov8n-pose"), ("yolov5s", "yolov5n", "yolov5n")]
)
def test_an_onnx_of_another_variant_is_refused(model, file, is_, asset):
    with pytest.raises(CheckpointError, match=f"{is_}, asked for was {model}"):
        float_graph(Wanted(model, asset(f"models/{file}.onnx")))


def test_a_foreign_graph_with_a_specification(foreign):
    made = float_graph(Wanted(str(foreign), spec=foreign.with_name("my.toml")))
    assert graphs.opset_of(made.model) == 17
    assert made.model.ir_version == 8
    assert batch_of(made.model).dim_param == "N"
    assert made.spec.name == "tiny-yolo"
    assert made.notes == ()
    batch = np.zeros((3, 3, 64, 64), np.float32)
    (got,) = onnx_answers(made.model, batch)
    np.testing.assert_allclose(got, np.repeat(yolo_answer([(40, 32, 10, 20, 0.9)]), 3, axis=0))


def test_a_foreign_graph_that_says_nothing(foreign):
    with pytest.raises(SpecError, match=r"--spec my\.toml"):
        float_graph(Wanted(str(foreign)))


def test_a_foreign_graph_at_another_size(foreign):
    with pytest.raises(ExportError, match="fixed to 64x64"):
        float_graph(Wanted(str(foreign), spec=foreign.with_name("my.toml"), size=(128, 128)))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"height": 128}, r"takes float32 \(1, 3, 64, 64\), and its spec.* says float32 \(\?, 3, 128, 64\) \(NCHW\)"),
        ({"layout": "NHWC"}, r"says float32 \(\?, 64, 64, 3\) \(NHWC\): correct input.height"),
        ({"dtype": "uint8"}, r"says uint8 \(\?, 3, 64, 64\)"),
    ],
)
def test_a_specification_of_another_input(said, message, foreign):
    wrong = foreign.with_name("wrong.toml")
    wrong.write_text(replace(YOLO, input=replace(YOLO.input, **said)).to_toml())
    with pytest.raises(SpecError, match=message):
        float_graph(Wanted(str(foreign), spec=wrong))


def test_a_graph_with_two_inputs_is_none_of_ours(foreign):
    model = onnx.load(foreign)
    model.graph.input.append(helper.make_tensor_value_info("threshold", onnx.TensorProto.FLOAT, [1]))
    onnx.save(model, foreign)
    with pytest.raises(SpecError, match=r"has 2 inputs \(image, threshold\) and 1 outputs: a pose model takes one"):
        float_graph(Wanted(str(foreign), spec=foreign.with_name("my.toml")))


def test_a_graph_with_a_fixed_batch_says_so(asset):
    path = asset("models/movenet_lightning.onnx")
    made = float_graph(Wanted("movenet-lightning", path))
    assert made.spec.batch == (1, 1, 1)
    assert "1 row(s) at a time" in made.notes[0]
    with pytest.raises(ExportError, match="--batch cannot be had"):
        float_graph(Wanted("movenet-lightning", path, batch=(1, 4, 8)))


def test_a_model_of_the_zoo_without_a_definition(asset):
    made = float_graph(Wanted("pp-tinypose", asset("models/pp_tinypose_256x192.onnx"), batch=(1, 4, 8)))
    assert (made.spec.name, made.spec.license, made.spec.batch) == ("pp-tinypose", "Apache-2.0", (1, 4, 8))
    assert batch_of(made.model).dim_param == "N"


def test_an_export_goes_in_again_and_remembers_its_checkpoint(seeded_file, tmp_path):
    first = float_graph(Wanted("yolov8n-pose", seeded_file, size=SMALL))
    path = save(first.model, tmp_path / "again.onnx")
    second = float_graph(Wanted(str(path)))
    assert second.spec == replace(first.spec, batch=second.spec.batch)
    batch = np.random.default_rng(0).standard_normal((2, 3, *SMALL)).astype(np.float32)
    np.testing.assert_allclose(onnx_answers(second.model, batch)[0], onnx_answers(first.model, batch)[0], atol=1e-4)


def test_an_export_of_a_named_model_is_taken_as_it_is(seeded_file, tmp_path):
    """It needs no network, so no torch; another size does."""
    first = float_graph(Wanted("yolov8n-pose", seeded_file, size=SMALL))
    path = save(first.model, tmp_path / "mine.onnx")
    assert finished_graph(Wanted("yolov8n-pose", path)) == path
    assert finished_graph(Wanted("yolov8n-pose", path, size=SMALL)) == path
    assert finished_graph(Wanted("yolov8s-pose", path)) is None
    assert float_graph(Wanted("yolov8n-pose", path)).spec == replace(first.spec, source="")
    assert float_graph(Wanted("yolov8n-pose", path, size=(96, 64))).spec.input.hw == (96, 64)


def test_what_is_no_float_model_any_more_is_refused(foreign):
    model = onnx.load(foreign)
    write_spec(model, replace(YOLO, precision={"default": "float16"}))
    onnx.save(model, foreign)
    with pytest.raises(ExportError, match="is float16 already"):
        float_graph(Wanted(str(foreign)))


def test_a_specification_in_a_graph_replaces_the_one_before():
    model = helper.make_model(helper.make_graph([], "g", [], []))
    model.metadata_props.add(key="author", value="somebody")
    assert read_spec(model) is None
    for spec in (YOLO, replace(YOLO, name="other")):
        write_spec(model, spec)
        assert read_spec(model) == spec
    assert sorted(prop.key for prop in model.metadata_props) == ["author", "edge_pose"]


def test_nothing_half_written_takes_the_place_of_a_file(tmp_path):
    path = tmp_path / "new" / "a.onnx"
    save_model(helper.make_model(helper.make_graph([], "g", [], [])), path)
    old = path.read_bytes()
    for error in (KeyboardInterrupt, OSError(28, "No space left on device")):
        with pytest.raises((KeyboardInterrupt, OSError)), written(path) as part:
            part.write_bytes(b"half")
            raise error
    assert path.read_bytes() == old
    assert [file.name for file in path.parent.iterdir()] == ["a.onnx"]


def test_every_network_of_the_zoo_with_published_weights_can_be_asked_for():
    """Names that `edge-pose models list` says are exported must be known here."""
    for name, entry in zoo.entries().items():
        if zoo.status(entry).state == "needs export" and not entry.howto:
            assert name in MODELS, name
