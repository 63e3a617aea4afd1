"""ModelSpec: there and back through JSON, TOML and ONNX metadata; what it does not know it refuses by name."""

import json

import pytest

from edge_pose import ModelSpec, Skeleton
from edge_pose.errors import SpecError
from edge_pose.spec import (
    HeatmapDecode,
    InputSpec,
    MovenetDecode,
    RegressionDecode,
    SimccDecode,
    YoloDecode,
)

INPUT = InputSpec(256, 192, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
STICK = Skeleton("stick", ("top", "bottom"), ((0, 1),), (), (0.1, 0.2))
SPECS = [
    ModelSpec("a", "pose", InputSpec(640, 640, std=(255.0,) * 3), "letterbox", YoloDecode(), batch=(1, 4, 8)),
    ModelSpec("b", "pose-from-box", INPUT, "udp", HeatmapDecode("dark-udp", 11), precision={"head": "float32"}),
    ModelSpec("c", "pose-from-box", INPUT, "classic", SimccDecode(), skeleton=STICK, agreement={"oks": 0.99}),
    ModelSpec("d", "pose-from-box", INPUT, "classic", RegressionDecode("center"), outputs=("a", "b")),
    ModelSpec("e", "single-pose", InputSpec(192, 192, "NHWC", dtype="uint8"), "square-pad", MovenetDecode()),
    ModelSpec("f", "detection", INPUT, "stretch", YoloDecode(80, objectness=True)),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.name)
def test_there_and_back(spec, tmp_path):
    assert ModelSpec.from_json(spec.to_json()) == spec
    assert ModelSpec.from_toml(spec.to_toml()) == spec
    for name, text in (("s.toml", spec.to_toml()), ("s.json", spec.to_json())):
        (tmp_path / name).write_text(text)
        assert ModelSpec.from_file(tmp_path / name) == spec


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.name)
def test_through_an_onnx_file(spec, tmp_path):
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", [value], [out])
    model = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])
    onnx.helper.set_model_props(model, {"edge_pose": spec.to_json()})
    onnx.save(model, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    assert ModelSpec.from_json(session.get_modelmeta().custom_metadata_map["edge_pose"]) == spec


def without(key):
    return {k: v for k, v in SPECS[0].to_dict().items() if k != key}


def changed(**change):
    return {**SPECS[0].to_dict(), **change}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (changed(tarnsform="udp"), "unknown field tarnsform: did you mean 'transform'"),
        (changed(input={"height": 1, "width": 1, "colour": "RGB"}), "unknown field input.colour: did you mean 'color'"),
        (changed(decode={"family": "yolo", "confidense": 1.0}), "unknown field decode.confidense: did you mean 'conf"),
        (changed(decode={"family": "jolo"}), "decode.family must be one of heatmap, simcc"),
        (changed(decode=3), "decode.family must be one of"),
        (without("task"), "missing field task"),
        (changed(input={"height": 2}), "missing field input.width"),
        (changed(input={"height": 2.5, "width": 2}), "input.height must be int, got 2.5"),
        (changed(input={"height": True, "width": 2}), "input.height must be int, got True"),
        (changed(input={"height": 0, "width": 2}), "height and width must be positive"),
        (changed(input={"height": 2, "width": 2, "std": [0, 1, 1]}), "std must be positive"),
        (changed(input={"height": 2, "width": 2, "mean": [1, 2]}), "input.mean must be a list of 3 values"),
        (changed(input={"height": 2, "width": 2, "mean": [1, 2, float("nan")]}), r"input.mean\[2\] must be a finite"),
        (changed(task="poes"), "task must be one of pose, "),
        (changed(task="single-pose"), "decode.family must be movenet for task 'single-pose'"),
        ({**SPECS[1].to_dict(), "transform": "letterbox"}, "transform must be classic or udp or square-pad for task"),
        ({**SPECS[4].to_dict(), "transform": "classic"}, "transform must be square-pad for task 'single-pose'"),
        (changed(decode={"family": "yolo", "confidence": 7}), r"decode\.confidence must be between 0 and 1, got 7"),
        (changed(decode={"family": "yolo", "iou": -1}), r"decode\.iou must be between 0 and 1"),
        (changed(decode={"family": "yolo", "person_class": 1}), r"decode\.person_class must be one of 1 classes"),
        ({**SPECS[1].to_dict(), "decode": {"family": "heatmap", "blur": 4}}, r"decode\.blur must be odd"),
        ({**SPECS[2].to_dict(), "decode": {"family": "simcc", "split_ratio": 0}}, r"decode\.split_ratio must be pos"),
        ({**SPECS[4].to_dict(), "decode": {"family": "movenet", "confidence": 5}}, r"decode\.confidence must be betw"),
        (
            {**SPECS[4].to_dict(), "decode": {"family": "movenet", "stride": 0}},
            r"decode\.stride must be between 1e-6 and",
        ),
        (
            {**SPECS[4].to_dict(), "decode": {"family": "movenet", "fall_off": -1}},
            r"decode\.fall_off must be between 1e-6 and",
        ),
        (changed(batch=[2, 1, 3]), "batch must be 1 <= min <= opt <= max"),
        (changed(skeleton="coco71"), "skeleton 'coco71' is unknown: did you mean 'coco17'"),
        (changed(schema=2), "schema must be 1, got 2"),
        (changed(precision=[1]), "precision must be a table"),
        (changed(crop_padding=0), "crop_padding must be positive"),
        ([1], "the document must be a table of fields, got list"),
    ],
)
def test_what_it_does_not_know_it_refuses(values, message):
    with pytest.raises(SpecError, match=message):
        ModelSpec.from_json(json.dumps(values))


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '"' + "x" * (2 << 20) + '"'])
def test_damaged_documents(text):
    with pytest.raises(SpecError):
        ModelSpec.from_json(text)


def test_damaged_toml():
    with pytest.raises(SpecError, match="no valid TOML"):
        ModelSpec.from_toml("a = ")
    with pytest.raises(SpecError, match="at most"):
        ModelSpec.from_toml("#" * (2 << 20))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(SpecError, match="cannot read the specification"):
        ModelSpec.from_file(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="cannot read the specification"):
        ModelSpec.from_file(tmp_path / "binary.toml")
