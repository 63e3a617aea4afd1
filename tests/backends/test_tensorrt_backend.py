"""The TensorRT backend through its whole life, on a recording stand-in of each version and of the GPU."""

import threading

import numpy as np
import pytest

from edge_pose.backends import onnxruntime
from edge_pose.backends.cuda import open_cuda
from edge_pose.backends.tensorrt import TensorRT
from edge_pose.backends.tensorrt_library import import_library
from edge_pose.errors import BackendError, DeviceError, ExportError, ShapeError, StaleEngineError
from edge_pose.export.tensorrt import engine_from_onnx
from tests.tensorrt_standin import nets
from tests.tensorrt_standin.api import DRIVEN
from tests.tensorrt_standin.cuda import OnDevice
from tests.tensorrt_standin.install import install


@pytest.fixture(params=DRIVEN)
def world(request, monkeypatch):
    return install(monkeypatch, request.param)


@pytest.fixture
def newest(monkeypatch):
    return install(monkeypatch, DRIVEN[-1])


def batches(*rows):
    random = np.random.default_rng(1)
    return [random.normal(size=(count, 3, 16, 12)).astype(np.float32) for count in rows]


def opened(tmp_path, **options):
    onnx = nets.floats(tmp_path / "a.onnx", **{k: v for k, v in options.items() if k == "batch"})
    plan = engine_from_onnx(onnx, tmp_path / "a.engine", batch=options.get("profile")).read_bytes()
    engine = TensorRT("a.engine", plan, import_library("tensorrt"), open_cuda(), metadata={"k": "v"})
    return engine, onnxruntime.open_model(onnx, device="cpu", threads=1)


def left(world):
    """What a closed engine left behind."""
    return len(world.device.memory), world.device.retained, world.device.streams, len(world.device.stack)


def test_it_answers_as_the_onnx_file_does(world, tmp_path):
    engine, wanted = opened(tmp_path)
    assert (engine.engine, engine.device, engine.metadata) == ("tensorrt", "cuda", {"k": "v"})
    assert engine.inputs == wanted.inputs
    assert engine.outputs == wanted.outputs
    for batch in batches(1, 4, 2, 4, 1):
        np.testing.assert_allclose(engine.run(batch)[0], wanted.run(batch)[0], atol=1e-5)
    engine.close()
    assert left(world) == (0, 0, 0, 0)


def test_buffers_are_made_once_and_only_grow(world, tmp_path):
    engine, _ = opened(tmp_path)
    calls = world.device.calls
    (two, same, four, one) = batches(2, 2, 4, 1)
    calls[:] = []  # the build runs the engine too, to compare it
    engine.run(two)
    assert calls.count("mem_alloc") == 2  # an input, an output
    first, calls[:] = calls.count("pagelocked_empty"), []
    engine.run(same)
    assert set(calls) == {"push", "memcpy_htod_async", "memcpy_dtoh_async", "Stream.synchronize", "pop"}
    engine.run(four)
    assert (calls.count("free"), calls.count("mem_alloc"), calls.count("pagelocked_empty")) == (2, 2, first)
    calls[:] = []
    engine.run(one)
    assert not {"free", "mem_alloc", "pagelocked_empty"} & set(calls)
    assert len(world.device.memory) == 2
    engine.close()


def test_more_rows_than_the_profile_go_through_in_parts(world, tmp_path):
    engine, wanted = opened(tmp_path, profile=(2, 3, 4))
    for batch in batches(4, 5, 9, 8):  # a part of a single row would be below the profile
        np.testing.assert_allclose(engine.run(batch)[0], wanted.run(batch)[0], atol=1e-5)
    with pytest.raises(ShapeError, match="takes 2 to 4 rows, got 1"):
        engine.run(batches(1)[0])
    engine.close()


def test_nobody(world, tmp_path):
    engine, _ = opened(tmp_path)
    assert [values.shape for values in engine.run(np.zeros((0, 3, 16, 12), np.float32))] == [(0, 17, 8, 6)]
    engine.close()


@pytest.mark.parametrize(("batch", "profile", "rows"), [(2, None, 2), ("N", (3, 3, 3), 3)])
def test_a_fixed_number_of_rows_is_said(world, tmp_path, batch, profile, rows):
    engine, wanted = opened(tmp_path, batch=batch, profile=profile)
    assert engine.inputs[0].shape == (rows, 3, 16, 12)
    (given,) = batches(rows)
    np.testing.assert_allclose(engine.run(given)[0], wanted.run(given)[0], atol=1e-5)
    engine.close()


def test_several_profiles(world, tmp_path):
    onnx = nets.floats(tmp_path / "a.onnx")
    wanted = onnxruntime.open_model(onnx, device="cpu", threads=1)
    plan = _with_profiles(engine_from_onnx(onnx, tmp_path / "a.engine").read_bytes(), [(1, 1), (2, 8)])
    engine = TensorRT("a.engine", plan, import_library("tensorrt"), open_cuda())
    assert engine.rows == (1, 8)
    for batch in batches(1, 8, 1, 2, 5):
        np.testing.assert_allclose(engine.run(batch)[0], wanted.run(batch)[0], atol=1e-5)
    world.fail.add("profile")
    with pytest.raises(BackendError, match="refuses profile 0"):
        engine.run(batches(1)[0])
    engine.close()


def _with_profiles(plan, ranges):
    import json

    size = int.from_bytes(plan[28:32], "little")
    values = json.loads(plan[32 : 32 + size])
    shape = [3, 16, 12]
    values["profiles"] = [{"image": [[low, *shape], [high, *shape], [high, *shape]]} for low, high in ranges]
    text = json.dumps(values).encode()
    return plan[:28] + len(text).to_bytes(4, "little") + text + plan[32 + size :]


@pytest.mark.parametrize(
    ("made", "copies"),
    [
        ({}, 0),  # read where it is
        ({"stream": None}, 0),
        ({"strides": (2304, 768, 48, 4)}, 0),
        ({"offset": 4}, 1),  # TensorRT wants addresses aligned to 256: copied on the device
    ],
)
def test_arrays_that_are_on_the_device(world, tmp_path, made, copies):
    engine, wanted = opened(tmp_path)
    for values in batches(3, 2):
        world.device.calls[:] = []
        np.testing.assert_allclose(
            engine.run(OnDevice(world.device, values, **made))[0], wanted.run(values)[0], atol=1e-5
        )
        assert world.device.calls.count("memcpy_dtod_async") == copies
        assert "memcpy_htod_async" not in world.device.calls
        assert "Context.synchronize" not in world.device.calls
    (host,) = batches(2)
    np.testing.assert_allclose(engine.run(host)[0], wanted.run(host)[0], atol=1e-5)  # and back to its own buffer
    engine.close()


def test_an_array_that_is_still_being_written_is_waited_for(newest, tmp_path):
    engine, wanted = opened(tmp_path)
    (values,) = batches(9)  # in parts, too
    got = engine.run(OnDevice(newest.device, values, stream=7))[0]
    np.testing.assert_allclose(got, wanted.run(values)[0], atol=1e-5)
    assert newest.device.calls.count("Context.synchronize") == 3
    engine.close()


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        (np.zeros((1, 3, 16, 13), np.float32), r"image must be float32 of shape \(None, 3, 16, 12\), got float32 of"),
        (np.zeros((3, 16, 12), np.float32), r"got float32 of shape \(3, 16, 12\)"),
        (np.zeros((1, 3, 16, 12), np.float64), "got float64"),
    ],
)
def test_batches_that_the_input_does_not_take(newest, tmp_path, batch, said):
    engine, _ = opened(tmp_path)
    with pytest.raises(ShapeError, match=said):
        engine.run(batch)
    with pytest.raises(ShapeError, match=said):
        engine.run(OnDevice(newest.device, batch))
    engine.close()


def test_an_array_on_the_device_with_gaps(newest, tmp_path):
    engine, _ = opened(tmp_path)
    with pytest.raises(ShapeError, match="must be contiguous"):
        engine.run(OnDevice(newest.device, batches(2)[0], strides=(4608, 768, 48, 4)))
    engine.close()


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        ("execute", "failed on a batch .*: Cuda Runtime: an illegal memory access"),
        ("shape", "refuses a batch .*outside the profile"),
        ("address", "refuses memory for "),
    ],
)
def test_failures_of_the_engine_say_why_and_pass(world, tmp_path, failure, said):
    engine, wanted = opened(tmp_path)
    (batch,) = batches(2)
    world.fail.add(failure)
    with pytest.raises(BackendError, match=said):
        engine.run(batch)
    world.fail.clear()
    np.testing.assert_allclose(engine.run(batch)[0], wanted.run(batch)[0], atol=1e-5)
    assert left(world)[3] == 0
    engine.close()


def test_failures_of_the_device(newest, tmp_path):
    engine, wanted = opened(tmp_path)
    one, four = batches(1, 4)
    engine.run(one)
    newest.device.limit = 0
    with pytest.raises(DeviceError, match="MiB of device memory left"):
        engine.run(four)
    newest.device.limit = 1 << 30
    np.testing.assert_allclose(engine.run(four)[0], wanted.run(four)[0], atol=1e-5)
    newest.device.fail.add("Stream.synchronize")
    with pytest.raises(DeviceError, match="the GPU failed"):
        engine.run(one)
    newest.device.fail.clear()
    engine.close()
    assert left(newest) == (0, 0, 0, 0)


def test_closing(world, tmp_path):
    engine, _ = opened(tmp_path)
    engine.run(batches(1)[0])
    engine.close()
    engine.close()
    assert left(world) == (0, 0, 0, 0)
    with pytest.raises(BackendError, match="has been closed"):
        engine.run(batches(1)[0])


@pytest.mark.parametrize(
    ("spoil", "error", "said"),
    [
        (lambda plan: plan[:24] + bytes([10, 2, 0, 0]) + plan[28:], StaleEngineError, "refuses a.engine: .*not compat"),
        (lambda plan: b"nothing" + plan, StaleEngineError, "magic failed"),
        (lambda plan: plan.replace(b'"8.7"', b'"8.6"'), StaleEngineError, "generated for compute 8.6"),
        (lambda plan: plan.replace(b'"FLOAT"', b'  "FP8"'), BackendError, "image is of type DataType.FP8; known"),
    ],
)  # fmt: skip
def test_plans_that_do_not_fit_leave_nothing_behind(world, tmp_path, spoil, error, said):
    plan = engine_from_onnx(nets.floats(tmp_path / "a.onnx"), tmp_path / "a.engine").read_bytes()
    with pytest.raises(error, match=said):
        TensorRT("a.engine", spoil(plan), import_library("tensorrt"), open_cuda())
    assert left(world) == (0, 0, 0, 0)


def test_no_memory_for_a_context(world, tmp_path):
    plan = engine_from_onnx(nets.floats(tmp_path / "a.onnx"), tmp_path / "a.engine").read_bytes()
    world.fail.add("context")
    with pytest.raises(BackendError, match=r"has no memory left to run a\.engine"):
        TensorRT("a.engine", plan, import_library("tensorrt"), open_cuda())
    assert left(world) == (0, 0, 0, 0)


def test_opened_in_one_thread_used_in_another(world, tmp_path):
    engine, wanted = opened(tmp_path)
    (batch,) = batches(2)
    results = []
    thread = threading.Thread(target=lambda: results.append(engine.run(batch)[0].copy()))
    thread.start()
    thread.join()
    np.testing.assert_allclose(results[0], wanted.run(batch)[0], atol=1e-5)
    engine.close()


def test_two_engines_share_nothing(newest, tmp_path):
    (tmp_path / "b").mkdir()
    one, wanted = opened(tmp_path)
    two, _ = opened(tmp_path / "b")
    first, second = batches(1, 4)
    kept = one.run(first)[0]
    two.run(second)
    np.testing.assert_allclose(kept, wanted.run(first)[0], atol=1e-5)
    two.close()
    np.testing.assert_allclose(one.run(first)[0], wanted.run(first)[0], atol=1e-5)
    one.close()


def test_what_is_touched_is_what_the_collector_sees(world, tmp_path):
    """The other half of test_tensorrt_api: nothing is used that reading the source does not find."""
    from tests.backends.test_tensorrt_api import collected
    from tests.tensorrt_standin.conformance import OBJECTS

    engine, _ = opened(tmp_path)
    engine.run(batches(1)[0])
    engine.close()
    world.unsupported.add("Relu")
    with pytest.raises(ExportError, match="Relu"):
        engine_from_onnx(nets.floats(tmp_path / "a.onnx", bias=False), tmp_path / "a.engine")
    found = {(use.owner, use.name) for file in OBJECTS for use in collected(file)}
    named = {("DataType", name) for name in ("FLOAT", "HALF", "INT32", "INT64", "INT8", "UINT8", "BOOL")}
    assert len(world.touched) > 40
    assert world.touched <= found | named  # types are looked up by name, each behind hasattr
