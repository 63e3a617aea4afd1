"""NVIDIA's real parser and builder on a machine without a GPU: TensorRT-RTX builds engines of our graphs."""

import importlib.util
import os
import platform
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edge_pose.backends import cuda, open_backend
from edge_pose.backends.engine_document import maker, read_document
from edge_pose.backends.tensorrt_library import import_library
from edge_pose.errors import DeviceError, ExportError
from edge_pose.export.tensorrt import BuildOptions, engine_from_onnx, rtx
from edge_pose.export.tensorrt.__main__ import main
from edge_pose.export.tensorrt.graph import Graph
from tests.conftest import missing
from tests.tensorrt_standin import nets

ONE = BuildOptions(capabilities=("8.6",))
MODELS = ("movenet_lightning", "pp_tinypose_256x192", "yolov5n", "yolov8n-pose")


@pytest.fixture(autouse=True)
def needs_rtx():
    if platform.machine() != "x86_64":
        pytest.skip("TensorRT-RTX is published for x86-64 only")
    if importlib.util.find_spec("tensorrt_rtx") is None:
        missing("TensorRT-RTX (pip install tensorrt-rtx-cu13)")


def built(onnx_file: Path, options=ONE, **more):
    return engine_from_onnx(onnx_file, onnx_file.with_suffix(".engine"), target="tensorrt-rtx", options=options, **more)


def check(engine, precision, capabilities=("8.6",)):
    document, plan = read_document(engine), engine.read_bytes()
    library = import_library("tensorrt-rtx")
    assert (document.target, document.version) == ("tensorrt-rtx", library.version)
    assert (document.precision, document.capabilities) == (precision, capabilities)
    assert len(plan) == document.plan_bytes
    assert maker(plan)[0] == "tensorrt-rtx"
    assert library.version.startswith(maker(plan)[1].rpartition(".")[0])
    return document


@pytest.mark.parametrize(
    ("make", "precision"),
    [
        (nets.floats, "fp32"),
        (nets.halves, "fp16"),
        (lambda path: nets.halves(path, keep=["/conv2/Conv"]), "fp16"),
        (nets.integers, "int8"),
    ],
)
def test_small_networks_in_every_precision(tmp_path, make, precision):
    document = check(built(make(tmp_path / "a.onnx")), precision)
    assert document.batch == (1, 2, 4)
    assert document.spec.name == "two-convs"


@pytest.mark.parametrize("model", MODELS)
def test_the_real_models_in_fp32(tmp_path, asset, model):
    path = tmp_path / "a.onnx"
    path.write_bytes(asset(f"models/{model}.onnx").read_bytes())
    heard = []
    check(built(path, progress=lambda *line: heard.append(line)), "fp32")
    assert heard[-1][1] is not None  # it has the monitor


@pytest.mark.parametrize("model", MODELS)
def test_the_real_models_in_fp16(tmp_path, asset, model):
    from onnxruntime.transformers.float16 import convert_float_to_float16

    whole = onnx.shape_inference.infer_shapes(onnx.load(asset(f"models/{model}.onnx")))
    half = convert_float_to_float16(whole, keep_io_types=True, disable_shape_infer=True, op_block_list=["Resize"])
    onnx.save(half, tmp_path / "half.onnx")
    check(built(tmp_path / "half.onnx"), "fp16")


def test_all_compute_capabilities_and_some(tmp_path):
    library, path = import_library("tensorrt-rtx"), nets.floats(tmp_path / "a.onnx")
    known = rtx.known_capabilities(library)
    assert {"7.5", "8.0", "8.6", "8.9", "12.0", "12.1"} <= set(known)
    assert not {"8.7", "9.0"} & set(known)  # neither Orin nor Hopper
    check(built(path, BuildOptions()), "fp32", known)
    check(built(path, BuildOptions(capabilities=("sm_120", "86", "8.6"))), "fp32", ("8.6", "12.0"))
    with pytest.raises(ExportError, match=r"does not build for compute capability 8\.7; it knows 7\.5, .*Jetson Orin"):
        built(path, BuildOptions(capabilities=("8.7",)))
    with pytest.raises(ExportError, match="'fast' is no compute capability"):
        built(path, BuildOptions(capabilities=("fast",)))


def test_every_option_is_one_that_it_knows(tmp_path):
    path = nets.floats(tmp_path / "a.onnx")
    check(built(path, BuildOptions(64, 1, "ampere+", capabilities=("8.9",))), "fp32", ("8.9",))
    check(built(path, BuildOptions(64, 1, "same-capability", capabilities=("8.9",))), "fp32", ("8.9",))
    with pytest.raises(ExportError, match="has no version-compatible engines"):
        built(path, BuildOptions(version_compatible=True))
    with pytest.raises(ExportError, match="sees 0 here"):
        built(path, BuildOptions(dla_core=0))


def test_the_real_parser_names_node_and_operator(tmp_path):
    path = nets.floats(tmp_path / "a.onnx")
    model = onnx.load(path)
    model.graph.node[1].op_type, model.graph.node[1].domain = "FancyRelu", "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    onnx.save(model, path)
    with pytest.raises(ExportError, match=r"refuses a\.onnx: node 1, FancyRelu '/relu': .*Plugin not found"):
        built(path)
    assert os.listdir(tmp_path) == ["a.onnx"]  # noqa: PTH208


# A builder of a failed build lives as long as its error. TensorRT makes and frees builders under one lock: nothing may
# be freed by what Python does when TensorRT, while it holds the lock, has something to say.
AFTER_A_FAILURE = """
import gc, logging, sys, threading, time
from pathlib import Path
import onnx
from edge_pose.errors import ExportError
from edge_pose.export.tensorrt import BuildOptions, engine_from_onnx
from tests.tensorrt_standin import nets

folder, how, kept = Path(sys.argv[1]), sys.argv[2], []
good, bad = nets.floats(folder / "a.onnx"), nets.floats(folder / "b.onnx")
model = onnx.load(bad)
model.graph.node[1].op_type, model.graph.node[1].domain = "FancyRelu", "com.example"
model.opset_import.append(onnx.helper.make_opsetid("com.example", 1))
onnx.save(model, bad)

def build(path, name):
    one = BuildOptions(capabilities=("8.6",))
    engine_from_onnx(path, folder / name, target="tensorrt-rtx", options=one, force=True)

def fail(name, times=1):
    for _ in range(times):
        try:
            build(bad, name)
        except ExportError as err:
            kept[:] = [err] if how == "held" else []

class Handler(logging.Handler):
    def emit(self, record):
        if how == "threads":
            time.sleep(0.002)  # as a slow file; another thread goes on
        else:
            kept.clear()
            gc.collect()

gc.disable()
fail("b.engine")
logging.getLogger("edge_pose").addHandler(Handler())
logging.getLogger("edge_pose").setLevel(logging.DEBUG)
if how == "threads":
    gc.enable()
    both = [threading.Thread(target=fail, args=(name, 9), daemon=True) for name in ("c.engine", "d.engine")]
    [thread.start() for thread in both]
    [thread.join() for thread in both]
build(good, "a.engine")
"""


@pytest.mark.parametrize("how", ["garbage", "held", "threads"])
def test_failed_builds_do_not_stop_others(tmp_path, how):
    ran = subprocess.run(
        [sys.executable, "-c", AFTER_A_FAILURE, str(tmp_path), how],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "a.engine").exists()


def test_our_own_refusals_are_those_of_the_real_parser(tmp_path, monkeypatch):
    """What we refuse before building, TensorRT would refuse, too; and names the same node."""
    path = nets.integers(tmp_path / "a.onnx", bias="int32")
    with pytest.raises(ExportError, match="'b1_DequantizeLinear' turns an INT32 bias into float"):
        built(path)
    monkeypatch.setattr(Graph, "check", lambda self: None)
    with pytest.raises(ExportError, match=r"'b1_DequantizeLinear': .*input has type Int32") as caught:
        built(path)
    assert "cudaError" not in str(caught.value)


def test_a_zero_point_that_is_not_zero(tmp_path):
    path = nets.integers(tmp_path / "a.onnx")
    model = onnx.load(path)
    zero = next(item for item in model.graph.initializer if item.name == "zero")
    zero.CopyFrom(numpy_helper.from_array(np.array(3, np.int8), "zero"))
    onnx.save(model, path)
    with pytest.raises(ExportError, match=r"'image_QuantizeLinear': .*Non-zero zero point is not supported"):
        built(path)


def test_an_engine_is_current_until_something_changes(tmp_path):
    path = nets.floats(tmp_path / "a.onnx")
    first = built(path).stat().st_mtime_ns
    assert built(path).stat().st_mtime_ns == first
    assert built(path, batch=(1, 1, 1)).stat().st_mtime_ns != first
    assert built(path, BuildOptions(capabilities=("8.9",))).stat().st_mtime_ns != first


def test_without_a_gpu_it_is_built_but_not_run(tmp_path, monkeypatch):
    engine = built(nets.floats(tmp_path / "a.onnx"))
    monkeypatch.setattr(cuda, "DRIVERS", ("/nowhere/libcuda.so.1",))
    with pytest.raises(DeviceError, match="no NVIDIA driver here"):
        open_backend(engine)


def test_ctrl_c_ends_the_real_builder(tmp_path, asset):
    path = tmp_path / "a.onnx"
    path.write_bytes(asset("models/pp_tinypose_256x192.onnx").read_bytes())

    def interrupted(phase, fraction):
        if fraction:  # it is in the middle of it
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        built(path, progress=interrupted)
    assert not [thread for thread in threading.enumerate() if thread.name == "tensorrt-build"]
    assert list(tmp_path.iterdir()) == [path]


def test_the_command_line(tmp_path, capsys):
    path = nets.floats(tmp_path / "a.onnx")
    arguments = [
        "--target",
        "tensorrt-rtx",
        "--compute-capabilities",
        "8.6,8.9",
        "--output",
        str(tmp_path / "b.engine"),
    ]
    assert main([str(path), *arguments]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "b.engine")
    check(tmp_path / "b.engine", "fp32", ("8.6", "8.9"))


def products(path):
    """A network that multiplies matrices."""
    model = onnx.load(nets.floats(path))
    model.graph.node.append(helper.make_node("MatMul", ["maps", "turn"], ["turned"], "/head/MatMul"))
    model.graph.initializer.append(numpy_helper.from_array(np.eye(6, dtype=np.float32), "turn"))
    model.graph.output[0].name = "turned"
    onnx.save(model, path)
    return path


def test_products_in_float32_are_not_for_turing(tmp_path, monkeypatch):
    path, library = products(tmp_path / "a.onnx"), import_library("tensorrt-rtx")
    others = tuple(name for name in rtx.known_capabilities(library) if name != "7.5")
    check(built(path, BuildOptions()), "fp32", others)
    asked = BuildOptions(capabilities=("7.5", "8.6"))
    with pytest.raises(ExportError, match=r"not build for compute capability 7\.5: a\.onnx .*MatMul '?/head/MatMul"):
        built(path, asked)
    monkeypatch.setattr(rtx, "MATRICES", frozenset())  # the builder itself says so, too
    with pytest.raises(ExportError, match="FP32 GEMM is not supported"):
        built(path, asked)


def test_where_nothing_can_run_it_the_document_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(cuda, "DRIVERS", ("/nowhere/libcuda.so.1",))
    document = read_document(built(nets.floats(tmp_path / "a.onnx")))
    assert (document.agreement, document.spec.agreement) == ({}, {})
    assert document.not_compared == "there is no NVIDIA driver here (libcuda.so.1)"


def test_a_gpu_that_it_is_not_for_is_not_asked(tmp_path, monkeypatch):
    monkeypatch.setattr("edge_pose.export.tensorrt.agreement.compute_capability", lambda: "9.0")
    document = read_document(built(nets.floats(tmp_path / "a.onnx")))
    assert document.not_compared == "it is for compute capability 8.6, this GPU has 9.0"
