"""No version of TensorRT lacks what our code touches on it: held against the published bindings of 8.6.1 to 11.4."""

import json
from pathlib import Path

import pytest

from edge_pose.export.tensorrt import flags
from tests.conftest import SHARED
from tests.tensorrt_standin.api import TABLE, api, versions
from tests.tensorrt_standin.conformance import OBJECTS, uses, violations

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
        ("Runtime", "deserialize_cuda_engine"), ("ICudaEngine", "get_tensor_profile_shape"),
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
        ("config.set_flagg(1)", "10.3.0", ["line 1: IBuilderConfig.set_flagg"]),
    ],
)  # fmt: skip
def test_it_can_fail(source, version, wrong):
    objects = {"config": "IBuilderConfig", "error": "ParserError", "network": "INetworkDefinition"}
    assert violations(uses(source, objects, CONSTANTS), api(version), CONSTANTS, objects) == wrong


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
