"""What this machine has, what is missing, and the command that mends it; and whether coordinates go there and back."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

State = Literal["ok", "missing", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. mend: the command that puts it right; needed: whether the package cannot work without."""

    name: str
    state: State
    detail: str
    mend: str = ""
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings of one visit."""

    machine: dict[str, str]
    findings: list[Finding] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        """Whether everything that is needed is there."""
        return all(f.state == "ok" for f in self.findings if f.needed)

    def to_dict(self) -> dict[str, Any]:
        """Return the document of `edge-pose doctor --json`."""
        return {"healthy": self.healthy, "machine": self.machine, "findings": [asdict(f) for f in self.findings]}


# package to import, distribution that carries its version, what it is for, how to get it, needed
PACKAGES = (
    ("numpy", "numpy", "arrays", "pip install numpy", True),
    ("onnxruntime", "onnxruntime", "runs ONNX models", "pip install onnxruntime", True),
    ("cv2", "opencv-python", "reads and writes pictures and videos", "pip install opencv-python", True),
    ("edge_pose._core", "edge-pose", "the compiled core", "pip install -e .", True),
    ("pycocotools", "pycocotools", "edge-pose eval", "pip install 'edge-pose[eval]'", False),
    ("torch", "torch", "edge-pose export", "pip install 'edge-pose[export]'", False),
    ("onnx", "onnx", "edge-pose export", "pip install 'edge-pose[export]'", False),
    ("tensorrt", "tensorrt", "TensorRT engines", "comes with JetPack; elsewhere: pip install tensorrt", False),
    ("tensorrt_rtx", "tensorrt-rtx-cu13", "engines built without a GPU", "pip install tensorrt-rtx-cu13", False),
    ("pycuda", "pycuda", "device memory for engines", "pip install pycuda (needs nvcc)", False),
)


def diagnose(*, geometry: bool = False) -> Diagnosis:
    """Look at the machine; with geometry=True also run the round trips of coordinates."""
    findings = [_package(*row) for row in PACKAGES]
    findings += [_cuda_core(), _cuda_provider(), _gstreamer(), _models()]
    if geometry:
        findings.append(_geometry())
    return Diagnosis(_machine(), findings)


def _machine() -> dict[str, str]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    machine = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "cores": str(cores),
    }
    for name, path in (("board", "/proc/device-tree/model"), ("jetson", "/etc/nv_tegra_release")):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - a pseudo file
                machine[name] = file.readline().strip("\x00\n ")
        except OSError:
            continue  # not a board, or not a Jetson: nothing to report
    return machine


def _package(module: str, distribution: str, purpose: str, mend: str, needed: bool) -> Finding:
    parent = module.partition(".")[0]
    if importlib.util.find_spec(parent) is None:
        return Finding(module, "missing", purpose, mend, needed)
    try:
        if module != "torch":  # a second and hundreds of MB: that it is installed is enough to know
            importlib.import_module(module)
    except Exception as err:  # a broken install fails in any way it likes (OSError on Jetson without libnvdla)
        return Finding(module, "broken", f"{purpose}: {type(err).__name__}: {err}", mend, needed)
    return Finding(module, "ok", f"{purpose} ({_version(distribution, module)})", "", needed)


def _version(distribution: str, module: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:  # another distribution of the same module (-headless, -gpu)
        return str(getattr(sys.modules.get(module), "__version__", "version unknown"))


def _cuda_core() -> Finding:
    """The compiled core's CUDA half, and whether a GPU answers it."""
    from edge_pose.backends import cuda_core
    from edge_pose.errors import DeviceError, MissingDependencyError

    name, purpose = "CUDA in the core", "stream, memory and warps for TensorRT engines"
    try:
        module = cuda_core.load()
    except MissingDependencyError as err:
        return Finding(name, "broken", f"{purpose}: {err}", cuda_core.REBUILD)
    if module is None:
        return Finding(name, "missing", f"{purpose}; pycuda serves without", cuda_core.REBUILD)
    try:
        cuda_core.CoreCuda(module).close()
    except DeviceError as err:
        return Finding(name, "ok", f"{purpose}; {err}")
    return Finding(name, "ok", f"{purpose}; a GPU answers")


def _cuda_provider() -> Finding:
    name, mend = "CUDA in ONNX Runtime", "pip install onnxruntime-gpu (needs an NVIDIA driver)"
    try:
        import onnxruntime
    except Exception:  # reported above
        return Finding(name, "missing", "device='cuda'", mend)
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        return Finding(name, "ok", "device='cuda'")
    return Finding(name, "missing", "device='cuda'; everything runs on the CPU without", mend)


def _gstreamer() -> Finding:
    path = shutil.which("gst-launch-1.0")
    purpose = "CSI cameras and gst: pipelines"
    mend = "apt-get install gstreamer1.0-tools gstreamer1.0-plugins-good"
    return Finding("gst-launch-1.0", "ok", f"{purpose} ({path})") if path else _missing("gst-launch-1.0", purpose, mend)


def _missing(name: str, purpose: str, mend: str) -> Finding:
    return Finding(name, "missing", purpose, mend)


def _models() -> Finding:
    from edge_pose import zoo

    here = [name for name in zoo.entries() if zoo.find(name) is not None]
    if here:
        return Finding("models", "ok", f"on this machine: {', '.join(here)}")
    mend = "edge-pose models fetch NAME, or set EDGE_POSE_MODELS to a folder that has them"
    return Finding("models", "missing", "no model file of the zoo is on this machine", mend)


def _geometry(rounds: int = 200) -> Finding:
    """Send points through every transform and back, over many sizes, with the crops that the kernels really make."""
    from edge_pose import geometry, kernels

    random = np.random.default_rng(0)
    worst = 0.0
    for _ in range(rounds):
        height, width = (int(v) for v in random.integers(32, 1200, 2))
        points = random.uniform(4, [width - 4, height - 4], (1, 17, 2))
        center, size = geometry.crop_sizes([[0, 0, width, height]], aspect=0.75)
        for affine in (
            geometry.letterbox((height, width), (640, 640)).affine,
            geometry.stretch((height, width), (256, 192)),
            geometry.squares(center, size[:, 0], (192, 192)),
            geometry.crops(center, size, (256, 192)),
            geometry.crops(center, size, (256, 192), udp=True),
        ):
            worst = max(worst, float(np.abs(affine.to_frame(affine.to_input(points)) - points).max()))
    for _ in range(rounds // 4):
        # Not smaller: the dot must span several samples of the crop, or its middle cannot be found.
        height, width = (int(v) for v in random.integers(240, 1200, 2))
        center, size = geometry.crop_sizes([[0, 0, width, height]], aspect=0.75)
        worst = max(worst, _painted_dot(kernels, geometry.crops(center, size, (256, 192)), (height, width)))
    detail = f"{rounds} frame sizes x 5 transforms, there and back: at most {worst:.4f} px off"
    return Finding("geometry", "ok" if worst <= 0.1 else "broken", detail, "report this machine and versions", True)


def _painted_dot(kernels: Any, affine: Any, frame_hw: tuple[int, int]) -> float:
    """Paint a soft dot into a frame, crop it with the kernel, and see where the dot's middle says that it was."""
    height, width = frame_hw
    middle = np.array([(width - 1) / 2, (height - 1) / 2])  # of the pixel indices: what is cut off is cut evenly
    reach = max(3.0, 3.0 * float(affine.frame_from_input[0, 0, 0]))
    y, x = np.mgrid[:height, :width]
    dot = 255 * np.exp(-(((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / (2 * reach**2)))
    image = np.repeat(dot[..., None].round().astype(np.uint8), 3, axis=2)
    crop = np.zeros((1, 3, 256, 192), np.float32)
    kernels.warp_affine(
        image, affine.frame_from_input, crop, pixel_center=affine.pixel_center, scale=(1, 1, 1), bias=(0, 0, 0),
        planar=True,
    )  # fmt: skip
    weight = crop[0, 0].astype(np.float64)
    row, column = np.mgrid[:256, :192]
    found = np.array([(weight * column).sum(), (weight * row).sum()]) / weight.sum()
    return float(np.abs(affine.to_frame(found[None, None])[0, 0] - middle).max())
