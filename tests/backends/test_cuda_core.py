"""The compiled core's CUDA half: on a pretended device here, and on a real one where the machine has it."""

import logging
import sys
import threading

import numpy as np
import pytest

from edge_pose import doctor, kernels
from edge_pose.backends import cuda, cuda_core, onnxruntime
from edge_pose.backends.cuda_core import CoreCuda
from edge_pose.backends.device_kernels import DeviceKernels, proved
from edge_pose.backends.tensorrt import TensorRT
from edge_pose.backends.tensorrt_library import import_library
from edge_pose.errors import DeviceError, ImageError, MissingDependencyError, ShapeError
from edge_pose.estimators.load import load_for_boxes
from edge_pose.export.tensorrt import engine_from_onnx
from edge_pose.poses import Boxes
from tests.tensorrt_standin import nets
from tests.tensorrt_standin.api import DRIVEN
from tests.tensorrt_standin.install import install
from tests.tensorrt_standin.pretend import Pretended, module
from tests.tiny import HEATMAP, constant_network, heatmap_answer

RNG = np.random.default_rng(3)
IMAGE = RNG.integers(0, 256, (60, 80, 3), np.uint8)
VALUES = {"scale": (0.017, 0.018, 0.019), "bias": (-2.0, -1.9, 0.0), "swap_rb": True}
BOXED = {**VALUES, "resized_hw": (30, 40), "offset_tl": (5, 0), "fill": 114}
MATRICES = np.array([[[1.5, 0, -4], [0, 1.5, -2]], [[0.9, -0.4, 8], [0.4, 0.9, -3]]])


@pytest.fixture
def eager(monkeypatch):
    monkeypatch.setenv("PRETEND_CUDA_EAGER", "1")


@pytest.fixture
def device():
    provider = CoreCuda(module())
    yield provider
    provider.close()


@pytest.fixture
def world(monkeypatch):
    return install(monkeypatch, DRIVEN[-1], core=True)


def test_bytes_go_there_and_back_in_the_order_of_the_stream(device):
    given, back = np.arange(64, dtype=np.float32), device.host(256).view(np.float32)
    with device.active():
        one, two = device.allocate(256), device.allocate(256)
        device.upload(one, given)
        device.copy(two, one, 256)
        back[:] = 0
        device.download(back, two)
        given[:] = -1  # it was taken when upload returned
        assert not back.any()  # page-locked: nothing has to have happened before somebody waits
        device.synchronize()
    np.testing.assert_array_equal(back, np.arange(64, dtype=np.float32))
    assert device.stream != 0
    device.free(one)
    with pytest.raises(DeviceError, match="in no block of this device"):
        device.free(one)


def test_what_a_copy_may_not_touch(device):
    address = device.allocate(16)
    with pytest.raises(DeviceError, match=r"17 bytes at .* are in no block"):
        device.upload(address, np.zeros(17, np.uint8))
    with pytest.raises(DeviceError, match="in no block"):
        device.download(np.zeros(4, np.uint8), address + 13)
    with pytest.raises(ShapeError, match="C-contiguous"):
        device.upload(address, np.zeros((4, 4), np.uint8).T[:, ::2])
    locked = np.zeros(4, np.uint8)
    locked.flags.writeable = False
    with pytest.raises(ShapeError, match="writeable"):
        device.download(locked, address)


@pytest.mark.parametrize(
    ("order", "action", "said"),
    [
        (
            "cudaMalloc:2",
            lambda d: d.allocate(1 << 20),
            r"no 1\.0 MiB of device memory left: cudaMalloc: out of memory",
        ),
        ("cudaHostAlloc:2", lambda d: d.host(8), "cudaHostAlloc: out of memory"),
        ("cudaStreamSynchronize:700", lambda d: d.synchronize(), "the GPU failed: cudaStreamSynchronize"),
        ("cudaDeviceSynchronize:700", lambda d: d.wait_for_others(), "cudaDeviceSynchronize"),
        ("cudaSetDevice:101", lambda d: d.active().__enter__(), "cudaSetDevice"),
    ],
)
def test_failures_of_the_runtime_are_ours(device, monkeypatch, order, action, said):
    monkeypatch.setenv("PRETEND_CUDA_FAIL", order)
    with pytest.raises(DeviceError, match=said):
        action(device)


def test_a_closed_device(device):
    kept = device.host(4)
    device.close()
    device.close()
    with pytest.raises(DeviceError, match="has been closed"):
        device.allocate(1)
    kept[:] = 1  # the array owns its memory


def test_no_driver_and_no_such_gpu(monkeypatch):
    with pytest.raises(
        DeviceError, match=r"no usable CUDA device: .*error 101.*; built with CUDA 13\.0, the driver is for 13\.0"
    ):
        CoreCuda(module(), 7)
    monkeypatch.setenv("PRETEND_CUDA_FAIL", "cudaSetDevice:35")
    with pytest.raises(DeviceError, match=r"cudaSetDevice: .*error 35"):
        CoreCuda(module())


@pytest.mark.parametrize("planar", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("image", [IMAGE, IMAGE[10:50, 3:70], IMAGE[::-1], IMAGE[:, ::-1], IMAGE[:1, :1]])
def test_kernels_are_the_cores(device, eager, planar, dtype, image):
    for name, rows, arguments, options, allowed in (
        ("letterbox", 1, (), BOXED, 0),
        ("warp_affine", 2, (MATRICES,), {**VALUES, "pixel_center": 0.5}, 1e-3),
        ("warp_affine", 1, (MATRICES[:1],), VALUES, 0),
        ("warp_affine", 0, (MATRICES[:0],), VALUES, 0),
    ):
        shape = (rows, 3, 40, 48) if planar else (rows, 40, 48, 3)
        wanted, got = np.ones(shape, dtype), np.full(shape, 7, dtype)
        ours = DeviceKernels(device)
        batch = ours.zeros(shape, dtype)
        getattr(kernels, name)(np.ascontiguousarray(image), *arguments, wanted, planar=planar, **options)
        getattr(ours, name)(image, *arguments, batch, planar=planar, **options)
        device.download(got, batch.address)
        device.synchronize()
        np.testing.assert_allclose(got.astype(np.float64), wanted, atol=allowed)


@pytest.mark.parametrize(
    ("error", "image", "changes"),
    [
        (ImageError, IMAGE[..., 0], {}),
        (ImageError, IMAGE.astype(np.float32), {}),
        (ImageError, IMAGE[:0], {}),
        (ShapeError, IMAGE, {"resized_hw": (41, 40)}),
        (ShapeError, IMAGE, {"offset_tl": (-1, 0)}),
        (ShapeError, IMAGE, {"fill": 256}),
        (ShapeError, IMAGE, {"scale": (1.0, float("nan"), 1.0)}),
    ],
)
def test_pictures_and_places_that_do_not_fit(device, error, image, changes):
    ours = DeviceKernels(device)
    batch = ours.zeros((1, 3, 40, 40), "float32")
    with pytest.raises(error):
        ours.letterbox(image, batch, planar=True, **{**BOXED, **changes})


def test_matrices_that_do_not_fit(device):
    ours = DeviceKernels(device)
    batch = ours.zeros((2, 3, 8, 8), "float32")
    for wrong in (MATRICES[:1], MATRICES.astype(np.float32), MATRICES * np.nan):
        with pytest.raises(ShapeError):
            ours.warp_affine(IMAGE, wrong, batch, planar=True, **VALUES)
    with pytest.raises(DeviceError, match="in no block"):
        ours.warp_affine(IMAGE, MATRICES, batch[1:] if len(batch[1:]) == 2 else _beyond(batch), planar=True, **VALUES)


def _beyond(batch):
    from dataclasses import replace

    return replace(batch, address=batch.address + 4)


def test_kernels_are_used_only_where_they_prove_right(device, eager, monkeypatch, caplog):
    assert isinstance(proved(device), DeviceKernels)
    with monkeypatch.context() as change:
        change.setenv("PRETEND_CUDA_FAIL", "launch:700")
        assert proved(device) is None
    assert "frames are prepared on the processor: letterbox: " in caplog.text
    real = kernels.warp_affine
    monkeypatch.setattr(kernels, "warp_affine", lambda image, m, out, **k: real(image, m + 0.1, out, **k))
    assert proved(device) is None
    assert "warp_affine on the GPU is " in caplog.text


def test_an_engine_on_the_compiled_core(world, tmp_path):
    onnx = nets.floats(tmp_path / "a.onnx")
    plan = engine_from_onnx(onnx, tmp_path / "a.engine").read_bytes()
    provider = cuda.open_cuda()
    assert isinstance(provider, CoreCuda)
    engine, wanted = (
        TensorRT("a", plan, import_library("tensorrt"), provider),
        onnxruntime.open_model(onnx, device="cpu", threads=1),
    )
    for rows in (1, 4, 2, 9):
        batch = RNG.normal(size=(rows, 3, 16, 12)).astype(np.float32)
        np.testing.assert_allclose(engine.run(batch)[0], wanted.run(batch)[0], atol=1e-5)
    engine.close()
    with pytest.raises(DeviceError, match="closed"):
        provider.allocate(1)


def test_a_board_whose_gpu_shares_the_memory(world, tmp_path, monkeypatch):
    monkeypatch.setenv("PRETEND_CUDA_INTEGRATED", "1")
    onnx = nets.floats(tmp_path / "a.onnx")
    plan = engine_from_onnx(onnx, tmp_path / "a.engine").read_bytes()
    engine, downloads = TensorRT("a", plan, import_library("tensorrt"), cuda.open_cuda()), []
    monkeypatch.setattr(CoreCuda, "download", lambda self, array, address: downloads.append(address))
    wanted = onnxruntime.open_model(onnx, device="cpu", threads=1)
    for rows in (1, 4):  # the second needs more
        batch = RNG.normal(size=(rows, 3, 16, 12)).astype(np.float32)
        np.testing.assert_allclose(engine.run(batch)[0], wanted.run(batch)[0], atol=1e-5)
    assert downloads == []
    engine.close()


@pytest.mark.parametrize("batch", ["N", 2])
def test_frames_are_prepared_where_the_network_runs(world, tmp_path, batch, monkeypatch):
    onnx = constant_network(tmp_path / "a.onnx", HEATMAP, heatmap_answer(5, 7), batch=batch)
    engine = engine_from_onnx(onnx, tmp_path / "a.engine")
    boxes = Boxes.whole(IMAGE)
    slow, fast = load_for_boxes(onnx), load_for_boxes(engine)
    wanted = slow(IMAGE, boxes)
    monkeypatch.setattr(kernels, "warp_affine", None)  # the processor's is not asked
    np.testing.assert_allclose(fast(IMAGE, boxes).xy, wanted.xy, atol=1e-3)
    fast.close()
    slow.close()


def test_what_the_network_gets_is_what_the_processor_would_make(world, tmp_path):
    from edge_pose.backends import open_backend
    from edge_pose.estimators.base import Network

    onnx = nets.floats(tmp_path / "a.onnx")
    engine = engine_from_onnx(onnx, tmp_path / "a.engine")
    networks = [Network(nets.SPEC, open_backend(path), 2) for path in (onnx, engine)]
    boxes = np.array([[3, 4, 40, 50], [20, 10, 79, 59]], np.float32)
    here, there = (network.fit_boxes(IMAGE, boxes)[0] for network in networks)
    np.testing.assert_array_equal(Pretended().view(there.address, there.nbytes), here.reshape(-1).view(np.uint8))
    answers = [network.run(rows)[0] for network, rows in zip(networks, (here, there), strict=True)]
    np.testing.assert_allclose(*answers, atol=1e-5)
    for network in networks:
        network.close()


def test_used_from_another_thread(device, eager):
    address, found = device.allocate(4), []

    def work():
        with device.active():
            back = np.zeros(4, np.uint8)
            device.upload(address, np.arange(4, dtype=np.uint8))
            device.download(back, address)
            device.synchronize()
            found.append(back.tolist())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [[0, 1, 2, 3]]


def test_a_build_without_and_a_broken_one(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "edge_pose._cuda", None)
    assert cuda_core.load() is None
    finding = doctor._cuda_core()
    assert (finding.state, "nvcc" in finding.mend) == ("missing", True)
    monkeypatch.setattr(cuda_core.importlib, "import_module", _torn)
    with pytest.raises(MissingDependencyError, match=r"does not load \(undefined symbol.*EDGE_POSE_CUDA=ON"):
        cuda_core.load()
    assert doctor._cuda_core().state == "broken"


def _torn(name):
    raise ImportError("undefined symbol: cudaMalloc")


def test_the_doctor_says_whether_a_gpu_answers(monkeypatch):
    monkeypatch.setitem(sys.modules, "edge_pose._cuda", module())
    assert doctor._cuda_core().detail.endswith("a GPU answers")
    monkeypatch.setenv("PRETEND_CUDA_FAIL", "cudaSetDevice:35")
    assert "no usable CUDA device" in doctor._cuda_core().detail


def real():
    """The provider on this machine's GPU; skips where either is not."""
    found = cuda_core.load()
    if found is None:
        pytest.skip("this edge-pose was built without a CUDA toolkit")
    try:
        return CoreCuda(found)
    except DeviceError as err:
        pytest.skip(f"not run on a GPU: {err}")


def test_the_real_thing_loads_without_a_gpu():
    found = cuda_core.load()
    if found is None:
        pytest.skip("this edge-pose was built without a CUDA toolkit")
    runtime, driver = found.versions()
    assert runtime >= 12000
    if driver == 0:
        with pytest.raises(DeviceError, match="there is no NVIDIA driver"):
            CoreCuda(found)


def test_on_a_real_gpu(caplog):
    provider = real()
    with caplog.at_level(logging.WARNING):
        assert isinstance(proved(provider), DeviceKernels), caplog.text
    with provider.active():
        address, back = provider.allocate(1 << 20), provider.host(1 << 20)
        provider.upload(address, np.full(1 << 20, 5, np.uint8))
        provider.download(back, address)
        provider.synchronize()
    assert (back == 5).all()
    provider.close()
