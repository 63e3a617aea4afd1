"""Where the tests find reference vectors and real weights, and when their absence is a failure."""

import json
import logging
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# OpenCV reads it when the first video of the process is opened, by whichever test that is.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

HERE = Path(__file__).parent
SHARED = HERE.parent.parent / "shared"


def pytest_configure() -> None:
    """Let the tests of Ctrl-C hear it: a background job of a script is deaf to it, and so are its children."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def quiet_again() -> Iterator[None]:
    """Undo what the command line does to the package's logger when it is run in this process."""
    logger = logging.getLogger("edge_pose")
    before = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.level, logger.propagate = before


def missing(what: str) -> None:
    """Skip where the material cannot be expected, fail where it must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} must not be missing in CI")
    pytest.skip(f"{what} is not on this machine")


def golden_file(name: str) -> Path:
    """Path of a reference vector: $EDGE_POSE_GOLDEN, else ../shared/golden, else the copies in tests/golden."""
    asked = os.environ.get("EDGE_POSE_GOLDEN")
    folders = [Path(asked)] if asked else [SHARED / "golden", HERE / "golden"]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    missing(f"reference vector {name}")
    raise AssertionError("unreachable")


@pytest.fixture(scope="session")
def golden() -> Callable[[str], dict[str, np.ndarray]]:
    """Load the arrays of one reference file: golden("decode_mmpose")["a_locs"]."""

    def load(name: str) -> dict[str, np.ndarray]:
        with np.load(golden_file(f"{name}.npz")) as arrays:
            return dict(arrays)

    return load


@pytest.fixture(scope="session")
def golden_json() -> Callable[[str], Any]:
    """Load the JSON beside a reference file: golden_json("yolo_nms")["cases"]."""

    def load(name: str) -> Any:
        return json.loads(golden_file(f"{name}.json").read_text(encoding="utf-8"))

    return load


@pytest.fixture(scope="session")
def asset() -> Callable[[str], Path]:
    """Path of a file of the test material: asset("images/bus.jpg")."""

    def find(name: str) -> Path:
        path = SHARED / "assets" / name
        if not path.exists():
            missing(f"test material {name}")
        return path

    return find


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or writes the cache of whoever runs it."""
    os.environ["EDGE_POSE_CACHE"] = str(tmp_path_factory.mktemp("cache"))
