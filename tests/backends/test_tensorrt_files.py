"""`ep.load("x.engine")`: opened, or refused with both versions and the command; what an engine says of itself."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import edge_pose as ep
from edge_pose.backends import open_backend, tensorrt_files
from edge_pose.backends.engine_document import EngineDocument, document_path, maker, read_document
from edge_pose.backends.tensorrt import TensorRT
from edge_pose.errors import BackendError, DeviceError, SpecError, StaleEngineError
from edge_pose.export.tensorrt import BuildOptions, engine_from_onnx
from edge_pose.export.tensorrt.__main__ import parser, rows
from tests.tensorrt_standin import nets
from tests.tensorrt_standin.install import install
from tests.tensorrt_standin.rebuild import made
from tests.tiny import HEATMAP, constant_network, heatmap_answer

pytestmark = pytest.mark.usefixtures("fresh_cache")
IMAGE = np.zeros((40, 60, 3), np.uint8)


def test_an_engine_is_opened_with_its_specification(world, tmp_path):
    _, engine = made(tmp_path)
    opened = open_backend(engine)
    assert isinstance(opened, TensorRT)
    described = ep.ModelSpec.from_json(opened.metadata["edge_pose"])
    assert replace(described, agreement={}) == nets.SPEC
    assert described.agreement == {"engine_output_rms": pytest.approx(0, abs=1e-4)}  # measured after the build
    opened.close()


def test_poses_of_an_engine_are_those_of_the_onnx_file(world, tmp_path):
    onnx = constant_network(tmp_path / "a.onnx", HEATMAP, heatmap_answer(5, 7))
    engine = engine_from_onnx(onnx, tmp_path / "a.engine")
    from edge_pose.estimators.load import load_for_boxes
    from edge_pose.poses import Boxes

    fast, slow, boxes = load_for_boxes(engine), load_for_boxes(onnx), Boxes.whole(IMAGE)
    np.testing.assert_allclose(fast(IMAGE, boxes).xy, slow(IMAGE, boxes).xy, atol=1e-3)
    fast.close()
    slow.close()
    assert world.device.memory == {}


def test_a_foreign_engine_is_opened_where_tensorrt_takes_it(world, tmp_path):
    _, engine = made(tmp_path)
    document_path(engine).unlink()
    opened = open_backend(engine)
    assert opened.metadata == {}
    opened.close()


@pytest.mark.parametrize(
    ("version", "capability", "said"),
    [
        ("10.13.3.9", "8.7", r"TensorRT 10\.3\.0 for compute capability 8\.7, this machine has TensorRT 10\.13\.3\.9"),
        ("10.3.0", "11.0", r"TensorRT 10\.3\.0 for compute capability 8\.7, this GPU has 11\.0"),
    ],
)
def test_a_stale_engine_without_its_onnx_file(world, monkeypatch, tmp_path, version, capability, said):
    onnx, engine = made(tmp_path, batch=(1, 2, 8), options=BuildOptions(workspace_mib=32))
    onnx.unlink()
    install(monkeypatch, version, capability)
    with pytest.raises(StaleEngineError, match=said) as caught:
        open_backend(engine)
    words = shlex.split(str(caught.value).partition("python -m edge_pose.export.tensorrt ")[2])
    given = parser().parse_args(words)
    assert (given.onnx, given.output, rows(given.batch), given.workspace) == (onnx, engine, (1, 2, 8), 32)


def test_a_foreign_engine_of_another_version_names_both(world, monkeypatch, tmp_path):
    onnx, engine = made(tmp_path)
    document_path(engine).unlink()
    onnx.unlink()
    install(monkeypatch, "11.4.0.106")
    with pytest.raises(
        StaleEngineError, match=r"built by TensorRT 10.3.0.0, this machine has TensorRT 11.4.0.106.*-m "
    ):
        open_backend(engine)


def test_a_half_copied_engine(world, tmp_path):
    onnx, engine = made(tmp_path)
    onnx.unlink()
    engine.write_bytes(engine.read_bytes()[:-10])
    with pytest.raises(StaleEngineError, match=r"has \d+ bytes, of \d+ that were written"):
        open_backend(engine)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), (b"PK\x03\x04" + bytes(40), "is no TensorRT engine"), (b"ftrt", "is no TensorRT engine")],
)
def test_what_is_no_engine(world, tmp_path, content, said):
    (tmp_path / "a.engine").write_bytes(content)
    with pytest.raises(BackendError, match=said):
        open_backend(tmp_path / "a.engine")
    with pytest.raises(BackendError, match="cannot read"):
        tensorrt_files.open_model(tmp_path / "b.engine", device="auto", threads=None)


def test_engines_are_not_for_the_cpu(world, tmp_path):
    _, engine = made(tmp_path)
    with pytest.raises(DeviceError, match="with device='cpu' load the ONNX file"):
        open_backend(engine, device="cpu")


def test_a_spoiled_document(world, tmp_path):
    _, engine = made(tmp_path)
    values = json.loads(document_path(engine).read_text(encoding="utf-8"))
    for spoiled in ("{", "[]", json.dumps({**values, "profiles": {}}), json.dumps({**values, "schema": 2}),
                    json.dumps({**values, "flavour": 1}), " " * (2 << 20)):  # fmt: skip
        document_path(engine).write_text(spoiled, encoding="utf-8")
        with pytest.raises(SpecError):
            open_backend(engine)


def test_documents_that_fit_and_do_not(world, tmp_path):
    from edge_pose.backends.tensorrt_library import import_library

    library = import_library("tensorrt")
    document = read_document(made(tmp_path)[1])
    sha = document.onnx_sha256
    assert document.misfit(library, "8.7", sha) == ""
    assert document.misfit(library, None, None) == ""
    assert "this GPU has 8.6" in document.misfit(library, "8.6", sha)
    assert "from another a.onnx" in document.misfit(library, "8.7", "0" * 64)
    assert "this is TensorRT" in replace(document, target="tensorrt-rtx").misfit(library, "8.7", sha)
    assert replace(document, hardware="ampere+").misfit(library, "12.0", sha) == ""
    assert replace(document, hardware="ampere+").misfit(library, "7.5", sha) != ""
    older = replace(document, version="10.1.0")
    assert older.misfit(library, "8.7", sha) != ""
    assert replace(older, version_compatible=True).misfit(library, "8.7", sha) == ""
    assert replace(older, version="9.1.0", version_compatible=True).misfit(library, "8.7", sha) != ""


def test_a_version_compatible_plan_is_allowed_its_own_code_and_no_other(world, tmp_path):
    for compatible in (False, True):
        world.touched.clear()
        options = BuildOptions(version_compatible=compatible)
        open_backend(made(tmp_path, options=options)[1]).close()
        assert (("Runtime", "engine_host_code_allowed") in world.touched) is compatible


def test_every_option_is_in_the_command_that_builds_again():
    options = BuildOptions(
        workspace_mib=7, optimization_level=2, hardware="ampere+", version_compatible=True, dla_core=1
    )
    document = EngineDocument(
        "tensorrt-rtx", "1.7", ("8.6", "8.9"), "fp16", {"image": ((1, 3), (2, 3), (4, 3))}, "a.onnx", "0", 1,
        "ampere+", True, 1, 7, 2,
    )  # fmt: skip
    given = parser().parse_args(tensorrt_files.command(Path("a.onnx"), Path("b.engine"), document)[3:])
    assert (given.target, given.onnx, given.output) == ("tensorrt-rtx", Path("a.onnx"), Path("b.engine"))
    assert (rows(given.batch), given.compute_capabilities) == ((1, 2, 4), "8.6,8.9")
    again = BuildOptions(given.workspace, given.optimization_level, given.hardware, given.version_compatible, given.dla)
    assert again == options


def test_who_made_a_plan():
    assert maker(b"vtrt" + bytes(20) + bytes([1, 7, 1, 116])) == ("tensorrt-rtx", "1.7.1.116")
    assert maker(b"ftrt" + bytes(20) + bytes([10, 3, 0, 26]) + b"rest") == ("tensorrt", "10.3.0.26")
    assert maker(b"ftrt") is None
    assert maker(b"\x20\x00\x00\x00{}" + bytes(40)) is None
