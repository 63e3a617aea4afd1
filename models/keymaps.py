"""Names that other repositories gave the same weights, mapped to those of the original authors.

MMPose (1.x and 0.x) and sithu31296/pose-estimation wrap the layers in `backbone.`, `head.` or `keypoint_head.`;
DataParallel adds `module.`. Nothing else differs. Pinned by tests/golden/*_keymap.json.
"""

from collections.abc import Mapping
from typing import TypeVar

from edge_pose.errors import CheckpointError

PREFIXES = ("backbone.", "head.", "keypoint_head.")

T = TypeVar("T")


def native_key(key: str) -> str:
    """Name one weight as the original authors do; a name that is native already comes back as it is."""
    key = key.removeprefix("module.")
    for prefix in PREFIXES:
        if key.startswith(prefix):
            return key.removeprefix(prefix)
    return key


def native_state(state: Mapping[str, T]) -> dict[str, T]:
    """Rename the weights of an HRNet, SimpleBaseline or SimDR checkpoint to the names that our modules have.

    state: any mapping of names to weights, in its order; may be empty. Raises CheckpointError when two names become
    one (a file that holds two networks).
    """
    native: dict[str, T] = {}
    for key, value in state.items():
        name = native_key(key)
        if name in native:
            raise CheckpointError(
                f"state must hold one network, got two weights for {name!r} (one of them as {key!r}); "
                "pass the entries of one network only"
            )
        native[name] = value
    return native
