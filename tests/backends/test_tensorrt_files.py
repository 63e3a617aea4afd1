"""`ep.load("x.engine")`: opened, refused with both versions and the command, or built again while others serve."""

import json
import logging
import os
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import edge_pose as ep
from edge_pose.backends import open_backend, tensorrt_files
from edge_pose.backends.engine_document import EngineDocument, document_path, maker, read_document
from edge_pose.backends.standby import Standby, difference
from edge_pose.backends.tensorrt import TensorRT
from edge_pose.errors import BackendError, DeviceError, SpecError, StaleEngineError
from edge_pose.export.tensorrt import BuildOptions, engine_from_onnx
from edge_pose.export.tensorrt.__main__ import main, parser, rows
from tests.tensorrt_standin import nets
from tests.tensorrt_standin.install import install
from tests.tiny import HEATMAP, constant_network, heatmap_answer

ROOT = Path(__file__).parents[2]
VERSION = "10.3.0"
IMAGE = np.zeros((40, 60, 3), np.uint8)
CHILD = """
import sys, os, time
sys.path.insert(0, {root!r})
from edge_pose.backends import cuda
from tests.tensorrt_standin.library import World
from tests.tensorrt_standin.install import FakeDriver
world = World({version!r}, {capability!r})
world.steps = {steps}
world.fail |= {fail!r}
world.flags |= {fail!r}
cuda._load_driver = lambda: FakeDriver(world)
sys.modules[__name__] = world.module()
"""


@pytest.fixture
def world(monkeypatch, tmp_path):
    return prepare(monkeypatch, tmp_path)


@pytest.fixture(autouse=True)
def fresh_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("EDGE_POSE_CACHE", str(tmp_path_factory.mktemp("cache")))


def prepare(monkeypatch, tmp_path, version=VERSION, capability="8.7", steps=3, fail=frozenset()):
    """The stand-in here, and the same one in the builder's own process."""
    folder = tmp_path / "python"
    folder.mkdir(exist_ok=True)
    text = CHILD.format(root=str(ROOT), version=version, capability=capability, steps=steps, fail=set(fail) or set())
    (folder / "tensorrt.py").write_text(text.replace("set()", "frozenset()"), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return install(monkeypatch, version, capability)


def made(tmp_path, *, name="a", spec=nets.SPEC, **options):
    onnx = nets.floats(tmp_path / f"{name}.onnx", spec=spec)
    return onnx, engine_from_onnx(onnx, tmp_path / f"{name}.engine", **options)


def batch(count=2):
    return np.random.default_rng(2).normal(size=(count, 3, 16, 12)).astype(np.float32)


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)


def test_an_engine_is_opened_with_its_specification(world, tmp_path):
    _, engine = made(tmp_path)
    opened = open_backend(engine)
    assert isinstance(opened, TensorRT)
    assert ep.ModelSpec.from_json(opened.metadata["edge_pose"]) == nets.SPEC
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
    assert replace(read_document(engine).spec, batch=nets.SPEC.batch) == nets.SPEC
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


def test_estimators_live_on_through_the_change(world, monkeypatch, tmp_path):
    from edge_pose.estimators.load import load_for_boxes
    from edge_pose.poses import Boxes

    onnx = constant_network(tmp_path / "a.onnx", HEATMAP, heatmap_answer(5, 7), batch="N")
    engine = engine_from_onnx(onnx, tmp_path / "a.engine", batch=(2, 2, 2))
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


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda a: a, ""),
        (lambda a: a + a.std() * 0.02, ""),  # rounding
        (lambda a: -a, "of its spread away"),
        (lambda a: a * np.nan, "values that are no numbers"),
        (lambda a: a[:1], "and was"),
        (np.zeros_like, "of its spread away"),
        (lambda a: np.roll(a, 1, axis=1), "of its spread away"),
    ],
)
def test_answers_that_agree_and_do_not(change, wrong):
    info = nets_info()
    values = batch(4)
    found = difference([info], [change(values)], [values])
    assert (wrong in found) if wrong else found == ""


def nets_info():
    from edge_pose.backends.base import TensorInfo

    return TensorInfo("maps", (None, 3, 16, 12), "float32")


def test_the_command_line_builds_and_says_where(world, tmp_path, capsys, monkeypatch):
    onnx = nets.floats(tmp_path / "a.onnx")
    assert main([str(onnx), "--output", str(tmp_path / "b.engine"), "--batch", "1:2:3"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'b.engine'}\n"
    assert read_document(tmp_path / "b.engine").batch == (1, 2, 3)
    assert main([str(onnx), "--batch", "1:x:3"]) == 1
    assert capsys.readouterr().err == "edge-pose: --batch must be MIN:OPT:MAX, such as 1:4:8, got '1:x:3'\n"
    (tmp_path / "my.toml").write_text(replace(nets.SPEC, name="mine").to_toml(), encoding="utf-8")
    assert main([str(onnx), "--output", str(tmp_path / "c.engine"), "--spec", str(tmp_path / "my.toml")]) == 0
    assert read_document(tmp_path / "c.engine").spec.name == "mine"
    monkeypatch.setattr("edge_pose.export.tensorrt.__main__.engine_from_onnx", _interrupt)
    assert main([str(onnx)]) == 130
    assert rows("4") == (4, 4, 4)


def _interrupt(*arguments, **options):
    raise KeyboardInterrupt


def test_building_needs_neither_torch_nor_onnx():
    import subprocess

    code = "import sys, edge_pose.export.tensorrt; print(sorted({'torch', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
