"""Every network of the catalog in every precision goes through NVIDIA's real parser and builder.

Weights are the pseudo-random ones of the reference vectors; INT8 ranges come from made-up pictures. Here it is asked
whether the graphs build; whether INT8 is still right is asked elsewhere, with real weights and pictures.
"""

import importlib.util
import platform
from functools import lru_cache

import onnx
import pytest

from edge_pose.backends.engine_document import maker, read_document
from edge_pose.export import graphs
from edge_pose.export.evidence import made_up
from edge_pose.export.fp16 import half_from_float
from edge_pose.export.int8 import int8_from_float, tail
from edge_pose.export.onnx_from_torch import onnx_from_torch
from edge_pose.export.ranges import limits, observe
from edge_pose.export.tensorrt import BuildOptions, engine_from_onnx
from edge_pose.models.catalog import MODELS
from tests.conftest import missing
from tests.export.support import save, seeded

PRECISIONS = ("fp32", "fp16", "int8")
# The smallest of every family and head.
FEW = (
    "movenet-lightning", "yolov5n", "yolov8n-pose", "yolo11n-pose", "yolo26n-pose", "simplebaseline-50-simdr",
    "resnet-50-rle", "hrnet-w32",
)  # fmt: skip
SMALL = (96, 64)  # TensorRT-RTX tries no kernels: what it builds, and how long, does not depend on the picture's size


@pytest.fixture(autouse=True)
def needs_rtx():
    if platform.machine() != "x86_64":
        pytest.skip("TensorRT-RTX is published for x86-64 only")
    if importlib.util.find_spec("tensorrt_rtx") is None:
        missing("TensorRT-RTX (pip install tensorrt-rtx-cu13)")


@lru_cache(maxsize=1)
def floating(name, input_hw):
    """The float graph of a network; the next tests want the same one."""
    spec = MODELS[name].spec(input_hw=input_hw)
    model = onnx_from_torch(seeded(name, input_hw=input_hw), spec)
    graphs.name_nodes(model)
    return model, spec


def graph(name, precision, input_hw):
    model, spec = floating(name, input_hw)
    if precision == "fp16":
        return half_from_float(model, made_up(spec)).model
    if precision == "int8":
        ranges = limits(observe(model, list(made_up(spec))[:1]), "minmax")
        return int8_from_float(model, ranges, "tensorrt", tail(model))
    return model


def check_builds(name, precision, folder, record):
    model = graph(name, precision, SMALL)
    biases = {item.name for item in model.graph.initializer if item.data_type == onnx.TensorProto.INT32}
    assert not [n.name for n in model.graph.node if n.op_type == "DequantizeLinear" and n.input[0] in biases]
    path = save(model, folder / "net.onnx")
    engine = engine_from_onnx(path, target="tensorrt-rtx", output=folder / "net.engine", options=BuildOptions())
    document = read_document(engine)
    assert document.precision == precision
    assert maker(engine.read_bytes())[0] == "tensorrt-rtx"
    assert document.spec.name == name
    for key, value in (("build_s", document.built_s), ("onnx_mb", path.stat().st_size / 1e6),
                       ("engine_mb", document.plan_bytes / 1e6)):  # fmt: skip
        record(key, round(value, 2))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", FEW)
def test_the_smallest_of_each_family(name, precision, tmp_path, record_property):
    check_builds(name, precision, tmp_path, record_property)


@pytest.mark.exhaustive
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", list(MODELS))
def test_every_network(name, precision, tmp_path, record_property):
    check_builds(name, precision, tmp_path, record_property)
