"""TensorRT absent, broken or too old, and the driver: every remedy is exact."""

import logging
import subprocess
import sys
import threading

import pytest

from edge_pose.backends import cuda, tensorrt_library
from edge_pose.backends.tensorrt_library import import_library, logger_of, numbers
from edge_pose.errors import BackendError, DeviceError, MissingDependencyError
from tests.tensorrt_standin.api import DRIVEN
from tests.tensorrt_standin.install import install


def broken_package(folder, monkeypatch, name, statement):
    (folder / f"{name}.py").write_text(statement, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("raise OSError('libnvdla_compiler.so: cannot open shared object file')", "nvidia-l4t-dla-compiler"),
        ("raise ImportError('libnvdla_compiler.so: cannot open shared object file')", "--runtime nvidia"),
        ("raise ImportError('libcuda.so.1: cannot open shared object file')", "no NVIDIA driver here"),
        ("raise OSError('libnvinfer.so.10: file too short')", "pip install --force-reinstall tensorrt$"),
        ("import tensorrt_bindings_not_there", "No module named .tensorrt_bindings_not_there"),
    ],
)
def test_installed_but_broken(tmp_path, monkeypatch, statement, said):
    broken_package(tmp_path, monkeypatch, "tensorrt", statement)
    with pytest.raises(MissingDependencyError, match=f"TensorRT is installed, but cannot be loaded.*{said}"):
        import_library("tensorrt")


def test_not_installed(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(MissingDependencyError, match=r"TensorRT is not installed; run: pip install tensorrt$"):
        import_library("tensorrt")
    (tmp_path / "release").touch()
    monkeypatch.setattr(tensorrt_library, "JETSON", tmp_path / "release")
    with pytest.raises(MissingDependencyError, match=r"apt-get install python3-libnvinfer.*--system-site-packages"):
        import_library("tensorrt")
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    with pytest.raises(MissingDependencyError, match="pip install tensorrt-rtx-cu13"):
        import_library("tensorrt-rtx")


def test_too_old_and_unknown(monkeypatch):
    module = install(monkeypatch, "8.6.1").module()
    module.__version__ = "8.5.2.2"
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    with pytest.raises(BackendError, match=r"TensorRT 8\.5\.2\.2 is too old: 8.6"):
        import_library("tensorrt")
    with pytest.raises(BackendError, match="did you mean 'tensorrt'"):
        import_library("tensort")


@pytest.mark.parametrize("version", DRIVEN)
def test_version_and_interface(monkeypatch, version):
    install(monkeypatch, version)
    library = import_library("tensorrt")
    assert (str(library), library.interface) == (f"TensorRT {version}", tuple(map(int, version.split("."))))


def test_versions_with_letters():
    assert numbers("10.0.0b6") == (10, 0)
    assert numbers("11.4.0.106") == (11, 4, 0, 106)


def test_the_logger_keeps_errors_and_passes_on_the_rest(monkeypatch, caplog):
    install(monkeypatch, "10.3.0")
    trt = import_library("tensorrt").trt
    logger = logger_of(trt)
    with caplog.at_level(logging.INFO, "edge_pose.tensorrt"):
        logger.log(trt.ILogger.WARNING, "careful")
        logger.log(trt.ILogger.VERBOSE, "chatter")
        for number in range(20):
            logger.log(trt.ILogger.ERROR, f"bad\n thing {number}")
    assert caplog.messages == ["careful"]
    assert logger.last() == "; ".join(f"bad thing {number}" for number in range(12, 20))
    assert logger.last() == "it gives no reason"


def test_there_is_one_logger_which_begins_anew(monkeypatch):
    install(monkeypatch, "10.3.0")
    trt = import_library("tensorrt").trt
    logger = logger_of(trt)
    logger.log(trt.ILogger.ERROR, "of an earlier build")
    assert logger_of(trt) is logger and logger.last() == "it gives no reason"


def test_a_thread_is_told_its_own_errors_or_those_of_the_library(monkeypatch):
    install(monkeypatch, "10.3.0")
    trt = import_library("tensorrt").trt
    logger = logger_of(trt)

    def complain():
        logger.log(trt.ILogger.ERROR, "theirs")

    for own, said in ((True, "mine"), (False, "theirs")):
        other = threading.Thread(target=complain)
        other.start()
        other.join()
        if own:
            logger.log(trt.ILogger.ERROR, "mine")
        assert logger.last() == said


DRIVER = """
int cuInit(unsigned flags) { return INIT; }
int cuDeviceGet(int *device, int index) { *device = 40 + index; return index ? 101 : 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    *value = device != 40 ? -1 : attribute == 75 ? 8 : attribute == 76 ? 7 : -1;
    return 0;
}
"""


def compiled_driver(folder, init):
    source, library = folder / "cuda.c", folder / "libcuda.so.1"
    source.write_text(DRIVER.replace("INIT", str(init)), encoding="utf-8")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return library


def test_compute_capability_is_asked_of_the_driver(tmp_path, monkeypatch):
    monkeypatch.setattr(cuda, "DRIVERS", (str(tmp_path / "absent.so"), str(compiled_driver(tmp_path, 0))))
    assert cuda.compute_capability() == "8.7"
    with pytest.raises(DeviceError, match="no usable GPU 1: cuDeviceGet of the NVIDIA driver says error 101"):
        cuda.compute_capability(1)


def test_a_driver_without_a_gpu(tmp_path, monkeypatch):
    monkeypatch.setattr(cuda, "DRIVERS", (str(compiled_driver(tmp_path, 100)),))
    with pytest.raises(DeviceError, match="cuInit of the NVIDIA driver says error 100"):
        cuda.compute_capability()
    monkeypatch.setattr(cuda, "DRIVERS", (str(tmp_path / "absent.so"),))
    with pytest.raises(DeviceError, match="no NVIDIA driver here"):
        cuda.compute_capability()


def test_neither_the_core_has_cuda_nor_pycuda_is_there(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "edge_pose._cuda", None)
    monkeypatch.setitem(sys.modules, "pycuda", None)
    monkeypatch.delitem(sys.modules, "pycuda.driver", raising=False)
    with pytest.raises(MissingDependencyError, match=r"without a CUDA toolkit: with nvcc.*pip install pycuda"):
        cuda.open_cuda()
    monkeypatch.delitem(sys.modules, "pycuda")
    broken_package(tmp_path, monkeypatch, "pycuda", "raise ImportError('libcurand.so.10')")
    with pytest.raises(MissingDependencyError, match=r"cannot be loaded .libcurand.so.10.*--force-reinstall"):
        cuda.open_cuda()


def test_a_device_that_cannot_be_opened(monkeypatch):
    world = install(monkeypatch, "10.3.0")
    world.device.fail.add("init")
    with pytest.raises(DeviceError, match="no usable CUDA device"):
        cuda.open_cuda()
