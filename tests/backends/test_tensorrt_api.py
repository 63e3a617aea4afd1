"""No version of TensorRT lacks what our code touches on it: held against the published bindings of 8.6.1 to 11.4."""

import json
import re
from pathlib import Path

import pytest

from edge_pose.backends.tensorrt import DTYPES
from edge_pose.export.tensorrt import flags, rtx
from tests.conftest import SHARED
from tests.tensorrt_standin.api import TABLE, api, versions
from tests.tensorrt_standin.conformance import BY_NAME, OBJECTS, uses, violations

ROOT = Path(__file__).parents[2]
CONSTANTS = {"STRONG_SINCE": flags.STRONG_SINCE}


def collected(file):
    return uses((ROOT / file).read_text(encoding="utf-8"), OBJECTS[file], CONSTANTS)


@pytest.mark.parametrize("version", versions())
@pytest.mark.parametrize("file", OBJECTS)
def test_what_is_touched_is_there(file, version):
    assert violations(collected(file), api(version), CONSTANTS, OBJECTS[file]) == []


def test_the_collector_finds_what_there_is_to_find():
    found = {(use.owner, use.name) for file in OBJECTS for use in collected(file)}
    assert len(found) >= 60
    assert found >= {
        ("module", "OnnxParser"), ("OnnxParser", "parse_from_file"), ("ParserError", "node_operator"),
        ("NetworkDefinitionCreationFlag", "STRONGLY_TYPED"), ("BuilderFlag", "FP16"), ("ITensor", "name"),
        ("IBuilderConfig", "progress_monitor"), ("ITimingCache", "serialize"), ("ILayer", "precision"),
        ("IProgressMonitor", "step_complete"), ("ILogger", "log"), ("Runtime", "deserialize_cuda_engine"),
        ("ICudaEngine", "get_tensor_profile_shape"),
        ("IExecutionContext", "execute_async_v3"), ("ILogger", "INTERNAL_ERROR"), ("module", "IProgressMonitor"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("source", "version", "wrong"),
    [
        ("config.max_workspace_size = 1", "8.6.1", []),
        ("config.max_workspace_size = 1", "10.0.1", ["line 1: IBuilderConfig.max_workspace_size"]),  # gone
        ("config.int8_calibrator = c", "11.4.0.106", ["line 1: IBuilderConfig.int8_calibrator"]),
        ("config.set_flag(trt.BuilderFlag.FP16)", "10.16.1.11", []),
        ("config.set_flag(trt.BuilderFlag.FP16)", "11.0.0.114", ["line 1: BuilderFlag.FP16"]),
        ("if interface < (11,):\n  config.set_flag(trt.BuilderFlag.FP16)", "11.0.0.114", []),
        ("if interface < (10, 12):\n  pass\nelse:\n  trt.BuilderFlag.FP16", "11.0.0.114", ["line 4: BuilderFlag.FP16"]),
        ("if interface >= STRONG_SINCE:\n  return\ntrt.BuilderFlag.FP16", "11.0.0.114", []),
        ("if hasattr(config, 'progress_monitor'):\n  config.progress_monitor = m", "8.6.1", []),
        ("if hasattr(config, 'get_flag'):\n  config.progress_monitor = m", "8.6.1",
         ["line 2: IBuilderConfig.progress_monitor"]),  # the wrong question
        ("if random():\n  config.progress_monitor = m", "8.6.1", ["line 2: IBuilderConfig.progress_monitor"]),
        ("hasattr(error, 'node_name') and error.node_name()", "8.6.1", []),
        ("hasattr(error, 'node_name') or error.node_name()", "8.6.1", ["line 1: ParserError.node_name"]),
        ("network.get_layer(0).precision", "11.0.0.114", ["line 1: ILayer.precision"]),  # through what is returned
        ("trt.IProgressMonitor", "8.6.1", ["line 1: module.IProgressMonitor"]),
        ("if not hasattr(trt, 'IProgressMonitor'):\n  return\ntrt.IProgressMonitor", "8.6.1", []),
        ("getattr(trt.BuilderFlag, 'FP16')", "11.0.0.114", ["line 1: BuilderFlag.FP16"]),
        ("getattr(config, 'int8_calibrator')", "10.3.0", []),
        ("setattr(config, 'int8_calibrator', 1)", "11.0.0.114", ["line 1: IBuilderConfig.int8_calibrator"]),
        ("class M(trt.IProgressMonitor):\n  def step_done(self):\n    'Take it.'", "10.3.0",
         ["line 1: IProgressMonitor.step_done"]),  # TensorRT would never call it
        ("class M(trt.IProgressMonitor):\n  def phase_start(self):\n    'Take it.'", "8.6.1",
         ["line 1: IProgressMonitor.phase_start", "line 1: module.IProgressMonitor"]),
        ("config.DLA_core = 1\nconfig.default_device_type = trt.DeviceType.DLA", "8.6.1", []),
        ("trt.HardwareCompatibilityLevel.SAME_COMPUTE_CAPABILITY", "10.3.0",
         ["line 1: HardwareCompatibilityLevel.SAME_COMPUTE_CAPABILITY"]),
        ("config.set_flagg(1)", "10.3.0", ["line 1: IBuilderConfig.set_flagg"]),
    ],
)  # fmt: skip
def test_it_can_fail(source, version, wrong):
    objects = {"config": "IBuilderConfig", "error": "ParserError", "network": "INetworkDefinition"}
    assert violations(uses(source, objects, CONSTANTS), api(version), CONSTANTS, objects) == wrong


def test_no_file_that_touches_tensorrt_is_left_out():
    """rtx.py is TensorRT-RTX's alone: it is held against the real module below."""
    touching = [
        path.relative_to(ROOT).as_posix()
        for folder in ("edge_pose", "export", "models")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"\b_?trt\b", path.read_text(encoding="utf-8"))
    ]
    assert sorted(touching) == sorted([*OBJECTS, "export/tensorrt/rtx.py"])


def test_what_is_looked_up_by_name_is_known():
    """A getattr that only the run can follow: the types, each behind hasattr, none of them unknown to all versions."""
    by_name = {(file, use.owner) for file in OBJECTS for use in collected(file) if use.name == BY_NAME}
    assert by_name == {("edge_pose/backends/tensorrt.py", "DataType")}
    for name in DTYPES:
        assert name in api(versions()[-1]).members["DataType"]
    assert set(DTYPES) - api("8.6.1").members["DataType"] == {"INT64"}  # came with 10


def test_what_tensorrt_rtx_alone_has_is_there():
    trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not on this machine")
    source = (ROOT / "export/tensorrt/rtx.py").read_text(encoding="utf-8")
    touched = {use.name for use in uses(source, {"config": "IBuilderConfig"}, {}) if use.owner == "IBuilderConfig"}
    assert touched == {"num_compute_capabilities", "set_compute_capability"}
    assert all(hasattr(trt.IBuilderConfig, name) for name in touched)
    assert hasattr(trt.ComputeCapability, rtx.PREFIX + "86")


def test_the_table_is_what_was_introspected():
    whole = SHARED / "design" / "api_surface.json"
    if not whole.is_file():
        pytest.skip("the whole table is not on this machine")
    introspected = json.loads(whole.read_text(encoding="utf-8"))
    assert len(json.loads(TABLE.read_text(encoding="utf-8"))["versions"]) == 11
    for version in versions():
        for owner, members in api(version).members.items():
            assert members == set(introspected[version][owner]) - {"__init__"}
            assert owner in introspected["_module_names"][version]
