"""What can be told of a TensorRT engine from its first bytes; the plan itself is NVIDIA's and opaque.

A plan begins with "ftrt" (TensorRT) or "vtrt" (TensorRT-RTX) and has the version's four numbers at byte 24. Ultralytics
writes the length of a JSON text, and the text, in front of the plan.
"""

import json
from pathlib import Path
from typing import IO

from edge_pose.errors import CheckpointError
from edge_pose.models.contents import Contents

MAKERS = {b"ftrt": "TensorRT", b"vtrt": "TensorRT-RTX"}
HEADER = 28
MAX_TEXT = 1 << 20


def read_engine(path: Path) -> Contents:
    """Read an engine's header and the specification beside it; no tensors. Raises CheckpointError for another file."""
    contents = Contents("engine")
    with path.open("rb") as stream:
        if stream.read(4) not in MAKERS:
            contents.metadata |= read_preface(path, stream)
        else:
            stream.seek(0)
        head = stream.read(HEADER)
    if head[:4] not in MAKERS or len(head) < HEADER:
        raise CheckpointError(
            f"{path.name} is no TensorRT engine: none of {', '.join(map(str, MAKERS))} is where a plan begins"
        )
    contents.metadata["maker"] = MAKERS[head[:4]]
    contents.metadata["version"] = ".".join(map(str, head[24:28]))
    return contents


def read_preface(path: Path, stream: IO[bytes]) -> dict[str, object]:
    """Read the JSON in front of a plan, and leave the stream at the plan."""
    stream.seek(0)
    length = int.from_bytes(stream.read(4), "little")
    if length > MAX_TEXT:
        raise CheckpointError(f"{path.name} is no TensorRT engine")
    try:
        said = json.loads(stream.read(length))
    except (ValueError, RecursionError) as err:
        raise CheckpointError(f"{path.name} is no TensorRT engine: it begins with neither a plan nor JSON") from err
    return dict(said) if isinstance(said, dict) else {}
