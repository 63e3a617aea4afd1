"""Building engines, through a recording stand-in of each TensorRT: what it is told, and what lies there after."""

import json
import threading
from dataclasses import replace

import pytest
from onnx import helper

from edge_pose import ModelSpec
from edge_pose.backends.engine_document import EngineDocument, document_path, read_document
from edge_pose.errors import CheckpointError, DeviceError, ExportError, OutputError
from edge_pose.export.tensorrt import BuildOptions, cache, engine_from_onnx
from tests.tensorrt_standin import nets
from tests.tensorrt_standin.api import DRIVEN
from tests.tensorrt_standin.install import install
from tests.tensorrt_standin.library import read_plan

WEAK = {"8.6.1", "10.3.0"}
LAST_WITH_DLA = "10.3.0"


@pytest.fixture(params=DRIVEN)
def world(request, monkeypatch):
    return install(monkeypatch, request.param)


@pytest.fixture
def newest(monkeypatch):
    return install(monkeypatch, DRIVEN[-1])


@pytest.fixture(autouse=True)
def fresh_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("EDGE_POSE_CACHE", str(tmp_path_factory.mktemp("cache")))


def told(engine):
    return read_plan(engine.read_bytes())[1]


@pytest.mark.parametrize(
    ("make", "precision", "flags"),
    [
        (nets.floats, "fp32", []),
        (nets.halves, "fp16", ["FP16"]),
        (nets.integers, "int8", ["INT8"]),
    ],
)
def test_precision_is_that_of_the_file(world, tmp_path, make, precision, flags):
    engine = engine_from_onnx(make(tmp_path / "a.onnx"), tmp_path / "a.engine")
    weak = world.api.version in WEAK
    assert read_document(engine).precision == precision
    assert told(engine)["strong"] is not weak
    assert told(engine)["flags"] == (flags if weak else [])


def test_layers_kept_in_float_are_held_there_under_weak_typing(world, tmp_path):
    engine = engine_from_onnx(nets.halves(tmp_path / "a.onnx", keep=["/conv2/Conv"]), tmp_path / "a.engine")
    held = {layer.name for layer in map(_Peek, world.layers) if layer.held}
    if world.api.version in WEAK:
        assert held == {"/conv2/Conv"}
        assert told(engine)["flags"] == ["FP16", "PREFER_PRECISION_CONSTRAINTS"]
    else:
        assert held == set()


class _Peek:
    def __init__(self, layer):
        self.name, self.held = object.__getattribute__(layer, "name"), "precision" in vars(layer)


def test_the_document_says_all(world, tmp_path):
    onnx = nets.floats(tmp_path / "a.onnx")
    engine = engine_from_onnx(onnx, tmp_path / "out" / "b.engine", batch=(1, 3, 8))
    found = read_document(engine)
    assert found == EngineDocument.from_json(found.to_json())
    assert (found.target, found.version, found.capabilities) == ("tensorrt", world.api.version, ("8.7",))
    assert (found.onnx, found.batch, found.spec.batch) == ("a.onnx", (1, 3, 8), (1, 3, 8))
    assert found.profiles == {"image": ((1, 3, 16, 12), (3, 3, 16, 12), (8, 3, 16, 12))}
    assert found.plan_bytes == engine.stat().st_size
    assert found.spec.name == "two-convs"
    assert sorted(path.name for path in engine.parent.iterdir()) == ["b.engine", "b.engine.json"]


def test_options_reach_the_builder(world, tmp_path):
    options = BuildOptions(workspace_mib=64, optimization_level=1, hardware="ampere+", version_compatible=True)
    engine = engine_from_onnx(nets.floats(tmp_path / "a.onnx"), tmp_path / "a.engine", options=options)
    config = vars(world.config)
    assert config["_pool"] == ("WORKSPACE", 64 << 20)
    assert config["builder_optimization_level"] == 1
    assert config["hardware_compatibility_level"].name == "AMPERE_PLUS"
    assert told(engine)["flags"] == ["VERSION_COMPATIBLE"]
    found = read_document(engine)
    assert (found.workspace_mib, found.hardware, found.version_compatible) == (64, "ampere+", True)


def test_a_hardware_level_that_the_version_lacks(monkeypatch, tmp_path):
    onnx, options = nets.floats(tmp_path / "a.onnx"), BuildOptions(hardware="same-capability")
    install(monkeypatch, "10.3.0")
    with pytest.raises(ExportError, match=r"TensorRT 10\.3\.0 has no hardware level 'same-capability'"):
        engine_from_onnx(onnx, tmp_path / "a.engine", options=options)
    world = install(monkeypatch, "10.13.3.9")
    engine_from_onnx(onnx, tmp_path / "a.engine", options=options)
    assert vars(world.config)["hardware_compatibility_level"].name == "SAME_COMPUTE_CAPABILITY"


def test_dla(monkeypatch, tmp_path):
    world = install(monkeypatch, LAST_WITH_DLA)
    options = BuildOptions(dla_core=1)
    with pytest.raises(ExportError, match=r"DLA core 1 was asked for, and TensorRT 10.3.0 sees 0 here"):
        engine_from_onnx(nets.halves(tmp_path / "a.onnx"), tmp_path / "a.engine", options=options)
    world.flags.add("dla")
    with pytest.raises(ExportError, match="computes in fp16 and int8 only"):
        engine_from_onnx(nets.floats(tmp_path / "b.onnx"), tmp_path / "a.engine", options=options)
    engine = engine_from_onnx(nets.halves(tmp_path / "a.onnx"), tmp_path / "a.engine", options=options)
    assert told(engine)["flags"] == ["FP16", "GPU_FALLBACK"]
    assert vars(world.config)["default_device_type"].name == "DLA"
    assert vars(world.config)["DLA_core"] == 1


def test_an_engine_that_is_there_is_not_built_again(world, tmp_path):
    onnx, engine = nets.floats(tmp_path / "a.onnx"), tmp_path / "a.engine"
    engine_from_onnx(onnx, engine)
    engine_from_onnx(onnx, engine)
    assert world.plans == 1
    engine_from_onnx(onnx, engine, batch=(1, 1, 2))  # another profile
    engine_from_onnx(onnx, engine, batch=(1, 1, 2), options=BuildOptions(optimization_level=5))
    engine_from_onnx(onnx, engine, batch=(1, 1, 2), options=BuildOptions(optimization_level=5), force=True)
    assert world.plans == 4
    nets.floats(onnx, bias=False)  # another ONNX file
    engine_from_onnx(onnx, engine)
    assert world.plans == 5
    engine.write_bytes(engine.read_bytes()[:-1])  # half copied
    engine_from_onnx(onnx, engine)
    document_path(engine).write_text("{", encoding="utf-8")
    engine_from_onnx(onnx, engine)
    assert world.plans == 7


def test_another_version_or_gpu_is_another_engine(monkeypatch, tmp_path):
    onnx = nets.floats(tmp_path / "a.onnx")
    found = set()
    for version, capability in (("10.3.0", "8.7"), ("10.13.3.9", "8.7"), ("10.13.3.9", "11.0")):
        world = install(monkeypatch, version, capability)
        found.add(engine_from_onnx(onnx))  # a place in the cache
        assert engine_from_onnx(onnx) in found
        assert world.plans == 1
    assert len(found) == 3
    assert {path.parent for path in found} == {cache.engine_folder()}


def test_timings_are_kept_for_the_next_build(world, tmp_path):
    path = cache.engine_folder() / f"timings-{world.api.version}-8.7.cache"
    onnx = nets.floats(tmp_path / "a.onnx")
    engine_from_onnx(onnx, tmp_path / "a.engine", options=BuildOptions(timing_cache=False))
    assert not path.exists()
    engine_from_onnx(onnx, tmp_path / "a.engine", force=True)
    assert path.read_bytes() == b"timings of " + world.api.version.encode()
    engine_from_onnx(onnx, tmp_path / "a.engine", force=True)
    assert vars(vars(world.config)["_timings"])["_data"] == path.read_bytes()
    for spoiled in (b"damaged", b"timings of 7.0"):  # measured anew
        path.write_bytes(spoiled)
        engine_from_onnx(onnx, tmp_path / "a.engine", force=True)
        assert vars(vars(world.config)["_timings"])["_data"] == b""
        assert path.read_bytes().endswith(world.api.version.encode())


def test_the_parser_names_node_and_operator(world, tmp_path):
    world.unsupported.add("Relu")
    with pytest.raises(
        ExportError, match=r"refuses a.onnx: node 1, Relu '/relu': unsupported node: no importer for operator Relu"
    ):
        engine_from_onnx(nets.floats(tmp_path / "a.onnx"), tmp_path / "a.engine")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.onnx"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bias": "int32"}, r"DequantizeLinear 'b1_DequantizeLinear' turns an INT32 bias into float"),
        ({"unsigned": True}, r"QuantizeLinear 'image_QuantizeLinear' is quantised to uint8"),
    ],
)
def test_graphs_for_cpus_are_refused_before_building(world, tmp_path, options, said):
    with pytest.raises(ExportError, match=said):
        engine_from_onnx(nets.integers(tmp_path / "a.onnx", **options), tmp_path / "a.engine")
    assert world.touched == set()


def test_a_failed_build_says_why_and_keeps_the_old_engine(world, tmp_path):
    onnx, engine = nets.floats(tmp_path / "a.onnx"), tmp_path / "a.engine"
    before = engine_from_onnx(onnx, engine).read_bytes()
    world.fail.add("build")
    with pytest.raises(ExportError, match=r"cannot build an engine of a\.onnx: Could not find any implementation"):
        engine_from_onnx(onnx, engine, force=True)
    world.fail = {"profile"}
    with pytest.raises(ExportError, match="refuses the profile"):
        engine_from_onnx(onnx, engine, force=True)
    assert engine.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3


def test_a_folder_that_cannot_be_written(newest, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        engine_from_onnx(nets.floats(tmp_path / "a.onnx"), tmp_path / "file" / "a.engine")


@pytest.mark.parametrize("version", ["8.6.1", DRIVEN[-1]])
def test_ctrl_c_leaves_nothing_half_written(monkeypatch, tmp_path, version):
    world = install(monkeypatch, version)
    onnx, engine = nets.floats(tmp_path / "a.onnx"), tmp_path / "a.engine"
    before = engine_from_onnx(onnx, engine).read_bytes()
    world.steps = 10**9  # the build goes on until it is stopped, where the version can be stopped
    monkeypatch.setattr("edge_pose.export.tensorrt.progress.GRACE_S", 5.0 if version != "8.6.1" else 0.0)

    def interrupted(phase, fraction):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine_from_onnx(onnx, engine, force=True, progress=interrupted)
    if version != "8.6.1":
        assert not [thread for thread in threading.enumerate() if thread.name == "tensorrt-build"]
    assert engine.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3


def test_progress_is_told_where_the_version_has_it(world, tmp_path, monkeypatch):
    monkeypatch.setattr("edge_pose.export.tensorrt.progress.POLL_S", 0.001)
    world.steps = 2000
    heard = []
    engine_from_onnx(nets.floats(tmp_path / "a.onnx"), tmp_path / "a.engine", progress=lambda *line: heard.append(line))
    assert heard
    fractions = [fraction for _, fraction in heard]
    if world.api.version == "8.6.1":
        assert set(fractions) == {None}
        assert heard[0][0].startswith("building, ")
    else:
        known = [fraction for fraction in fractions if fraction is not None]  # None: while the file is parsed
        assert known
        assert known == sorted(known)
        assert known[-1] <= 1


@pytest.mark.parametrize(
    ("batch", "asked", "said"),
    [
        (2, (1, 1, 4), "takes exactly 2 rows, not 1:1:4"),
        ("N", (4, 2, 8), "batch must be 1 <= min <= opt <= max, got 4:2:8"),
    ],
)
def test_a_batch_that_the_file_cannot_take(newest, tmp_path, batch, asked, said):
    with pytest.raises(ExportError, match=said):
        engine_from_onnx(nets.floats(tmp_path / "a.onnx", batch=batch), tmp_path / "a.engine", batch=asked)


def test_a_file_with_a_fixed_batch_needs_no_profile_to_be_asked_for(world, tmp_path):
    engine = engine_from_onnx(nets.floats(tmp_path / "a.onnx", batch=2), tmp_path / "a.engine")
    assert read_document(engine).batch == (2, 2, 2)


def test_another_specification_is_another_document(newest, tmp_path):
    onnx, engine = nets.floats(tmp_path / "a.onnx", spec=None), tmp_path / "a.engine"
    assert read_document(engine_from_onnx(onnx, engine)).spec is None
    spec = ModelSpec.from_dict({**nets.SPEC.to_dict(), "name": "mine", "batch": [1, 1, 1]})
    assert replace(read_document(engine_from_onnx(onnx, engine, spec=spec)).spec, agreement={}) == spec


def test_no_gpu(newest, tmp_path, monkeypatch):
    monkeypatch.undo()
    install(monkeypatch, DRIVEN[-1])
    monkeypatch.setattr("edge_pose.backends.cuda._load_driver", lambda: _driver_error())
    with pytest.raises(DeviceError, match="--target tensorrt-rtx builds without one"):
        engine_from_onnx(nets.floats(tmp_path / "a.onnx"), tmp_path / "a.engine")


def _driver_error():
    raise DeviceError("there is no NVIDIA driver here; --target tensorrt-rtx builds without one")


@pytest.mark.parametrize(
    ("version", "opset", "said"),
    [("8.6.1", 18, "has opset 18, and TensorRT 8.6.1 reads 7 to 17"), ("10.3.0", 21, "reads 9 to 20")],
)
def test_opsets(monkeypatch, tmp_path, version, opset, said):
    import onnx

    install(monkeypatch, version)
    path = nets.floats(tmp_path / "a.onnx")
    model = onnx.load(path)
    model.opset_import[0].version = opset
    onnx.save(model, path)
    with pytest.raises(ExportError, match=said):
        engine_from_onnx(path, tmp_path / "a.engine")


@pytest.mark.parametrize("content", [b"", b"\x00\x01 nothing", b"{}"])
def test_what_is_no_onnx_file(newest, tmp_path, content):
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(CheckpointError):
        engine_from_onnx(tmp_path / "a.onnx", tmp_path / "a.engine")
    with pytest.raises(CheckpointError, match="cannot read"):
        engine_from_onnx(tmp_path / "missing.onnx", tmp_path / "a.engine")


def test_options_out_of_range():
    for wrong in ({"workspace_mib": -1}, {"optimization_level": 6}, {"hardware": "hopper"}):
        with pytest.raises(ExportError, match="must be"):
            BuildOptions(**wrong)


def test_compute_capabilities_are_for_rtx(newest, tmp_path):
    with pytest.raises(ExportError, match="builds for the GPU that it runs on"):
        onnx = nets.floats(tmp_path / "a.onnx")
        engine_from_onnx(onnx, tmp_path / "a.engine", options=BuildOptions(capabilities=("8.6",)))


def test_the_key_has_everything(tmp_path, newest):
    engine = engine_from_onnx(nets.floats(tmp_path / "a.onnx"), tmp_path / "a.engine")
    document = json.loads(document_path(engine).read_text(encoding="utf-8"))
    key = cache.EngineKey.of(read_document(engine))
    digests = {key.digest}
    changes = {
        "onnx_sha256": "0", "version": "9", "capabilities": ["1.0"], "precision": "fp16", "target": "tensorrt-rtx",
        "profiles": {"image": [[1], [1], [1]]}, "hardware": "ampere+", "version_compatible": True, "dla_core": 0,
        "workspace_mib": 1, "optimization_level": 0,
    }  # fmt: skip
    assert set(changes) == set(key.__slots__)
    for name, value in changes.items():
        digests.add(cache.EngineKey.of(EngineDocument.from_json(json.dumps({**document, name: value}))).digest)
    assert len(digests) == 1 + len(changes)


def test_an_unknown_operator_of_another_domain(newest, tmp_path):
    extra = [helper.make_node("Relu", ["maps"], ["more"], "/more")]
    newest.unsupported.add("Conv")
    with pytest.raises(ExportError, match=r"node 0, Conv '/conv1/Conv': .*; node 2, Conv '/conv2/Conv': "):
        engine_from_onnx(nets.floats(tmp_path / "a.onnx", extra=extra), tmp_path / "a.engine")
