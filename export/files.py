"""Writing products whole or not at all: to a temporary name in the target folder, then renamed."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_pose.errors import EdgePoseError, OutputError

if TYPE_CHECKING:
    import onnx


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; what stands there at the end takes the place of `path`.

    Where the work inside fails or is interrupted, the temporary file goes and the old file stays. Raises OutputError
    for a folder that cannot be written and a full disk.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except EdgePoseError:
        raise
    except OSError as err:
        raise OutputError(f"cannot write {path}: {err.strerror or err}") from err
    finally:
        if part.is_file():
            part.unlink()


def save_model(model: onnx.ModelProto, path: Path) -> None:
    """Write an ONNX file. Raises OutputError; then an old file of that name is untouched."""
    with written(path) as part:
        part.write_bytes(model.SerializeToString())


def save_json(document: Any, path: Path) -> None:
    """Write a JSON document. Raises OutputError; then an old file of that name is untouched."""
    with written(path) as part:
        part.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
