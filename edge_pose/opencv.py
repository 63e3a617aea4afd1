"""The one door to OpenCV: imported when it is first needed, and kept from writing lines of its own to stderr."""

from __future__ import annotations

import os
import threading
from typing import Any

from edge_pose.errors import MissingDependencyError


def opencv() -> Any:
    """Return the cv2 module. Raises MissingDependencyError where it is not installed, or broken."""
    # FFmpeg's name for "quiet". OpenCV reads it when the first video is opened; a user's own setting wins.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        import cv2
    except ModuleNotFoundError as err:
        if err.name != "cv2":
            raise
        raise MissingDependencyError("cv2 is not installed; run: pip install opencv-python") from err
    except (ImportError, OSError) as err:  # as a rule libGL.so.1, on machines without a screen
        raise MissingDependencyError(
            f"cv2 is installed, but cannot be loaded ({err}); without a screen, run: pip uninstall -y opencv-python && "
            "pip install opencv-python-headless"
        ) from err
    return cv2


class _Quiet:
    """`with quiet:` silences OpenCV's log and then restores its level, also when several threads do so at once.

    OpenCV logs what it could not decode and returns nothing; our own error then says it a second time, and better.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._level = 0

    def __enter__(self) -> None:
        logging = _log_control()
        with self._lock:
            if self._users == 0:
                self._level = logging.getLogLevel()
                logging.setLogLevel(0)  # LOG_LEVEL_SILENT
            self._users += 1

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                _log_control().setLogLevel(self._level)


def _log_control() -> Any:
    """Return what has getLogLevel and setLogLevel: the package itself in OpenCV 4, a module of it in OpenCV 5."""
    cv2 = opencv()
    return cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging


quiet = _Quiet()
