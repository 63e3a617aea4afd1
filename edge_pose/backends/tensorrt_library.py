"""The way to TensorRT and TensorRT-RTX: imported where it is used, told apart by version, its log kept for errors.

Not run on a GPU by the authors: see docs/tensorrt.md for what holds it instead.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edge_pose.errors import BackendError, MissingDependencyError
from edge_pose.strict import nearest

Target = Literal["tensorrt", "tensorrt-rtx"]
MODULES: dict[Target, str] = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
TITLES: dict[Target, str] = {"tensorrt": "TensorRT", "tensorrt-rtx": "TensorRT-RTX"}
OLDEST = (8, 6)
# TensorRT-RTX counts its own versions; its interface is that of TensorRT 11: strongly typed networks only.
RTX_INTERFACE = (11,)
JETSON = Path("/etc/nv_tegra_release")
KEPT_LINES = 8  # of TensorRT's own complaints, in the message of an error

log = logging.getLogger("edge_pose.tensorrt")
_loggers: dict[Any, Any] = {}
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class Library:
    """One of the two, imported. version: as it calls itself. interface: (major, minor) that decides about calls."""

    target: Target
    trt: Any
    version: str
    interface: tuple[int, ...]

    def __str__(self) -> str:
        return f"{TITLES[self.target]} {self.version}"


def import_library(target: Target) -> Library:
    """Import TensorRT or TensorRT-RTX.

    Raises MissingDependencyError with the command that mends it when it is not there or cannot be loaded, and
    BackendError when it is older than 8.6.
    """
    if target not in MODULES:
        raise BackendError(f"target {target!r} is unknown: {nearest(target, MODULES)}")
    name = MODULES[target]
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as err:
        if err.name != name:  # it is there, but a part of it is not
            raise MissingDependencyError(broken(target, err)) from err
        raise MissingDependencyError(f"{TITLES[target]} is not installed; {remedy(target)}") from err
    except (ImportError, OSError) as err:  # OSError: one of its libraries, such as libnvdla_compiler.so on a Jetson
        raise MissingDependencyError(broken(target, err)) from err
    version = str(module.__version__)
    interface = RTX_INTERFACE if target == "tensorrt-rtx" else numbers(version)
    if interface < OLDEST:
        raise BackendError(f"TensorRT {version} is too old: 8.6 (JetPack 6.0) or newer is needed")
    return Library(target, module, version, interface)


def numbers(version: str) -> tuple[int, ...]:
    """Return "10.13.3.9" as (10, 13, 3, 9); what is no number ends it."""
    found: list[int] = []
    for part in version.split("."):
        if not part.isdecimal():
            break
        found.append(int(part))
    return tuple(found)


def remedy(target: Target) -> str:
    """Return the command that installs it on this machine."""
    if target == "tensorrt-rtx":
        return "run: pip install tensorrt-rtx-cu13 (x86-64 Linux)"
    if JETSON.exists():
        return (
            "on a Jetson it comes with JetPack: run: sudo apt-get install python3-libnvinfer, and make the virtual "
            "environment with --system-site-packages"
        )
    return "run: pip install tensorrt"


def broken(target: Target, err: Exception) -> str:
    """Say what is wrong with an installation that cannot be imported, and the command for the usual reason."""
    why = f"{TITLES[target]} is installed, but cannot be loaded ({type(err).__name__}: {err})"
    if "libnvdla" in str(err):
        return (
            f"{why}: run: sudo apt-get install nvidia-l4t-dla-compiler (in a container: on the host, and start the "
            "container with --runtime nvidia)"
        )
    if "libcuda" in str(err):
        return f"{why}: there is no NVIDIA driver here (in a container: start it with --runtime nvidia or --gpus all)"
    if target == "tensorrt" and JETSON.exists():
        return f"{why}: run: sudo apt-get install --reinstall python3-libnvinfer libnvinfer10"
    package = "tensorrt-rtx-cu13" if target == "tensorrt-rtx" else "tensorrt"
    return f"{why}: run: pip install --force-reinstall {package}"


def logger_of(trt: Any) -> Any:
    """Return the one logger of a library, which has forgotten what it kept.

    A second one makes TensorRT complain, holding the lock that builders and runtimes are made and freed under; Python,
    called with that, may free one and wait for the lock that this very thread holds.
    """
    with _one_at_a_time:
        logger = _loggers.get(trt.ILogger)
        if logger is None:
            logger = _loggers[trt.ILogger] = _make_logger(trt)
    logger.errors.clear()
    return logger


def _make_logger(trt: Any) -> Any:
    """Return a TensorRT logger that writes into Python's log and keeps its last errors, and whose they are."""
    levels = {
        trt.ILogger.INTERNAL_ERROR: logging.DEBUG,  # errors are raised; here they would be said twice
        trt.ILogger.ERROR: logging.DEBUG,
        trt.ILogger.WARNING: logging.INFO,
    }

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: deque[tuple[int, str]] = deque(maxlen=KEPT_LINES)

        def log(self, severity: Any, text: str) -> None:
            """Take one line; TensorRT calls this from any of its threads."""
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                self.errors.append((threading.get_ident(), " ".join(text.split())))
            log.log(levels.get(severity, logging.DEBUG), "%s", text)

        def last(self) -> str:
            """Return the last errors of this thread, else those of TensorRT's own, in one line, and forget them."""
            kept = list(self.errors)
            own = [text for thread, text in kept if thread == threading.get_ident()]
            self.errors.clear()
            return "; ".join(dict.fromkeys(own or [text for _, text in kept])) or "it gives no reason"

    return Logger()
