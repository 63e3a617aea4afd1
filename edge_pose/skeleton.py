"""What a pose's joints are called, how they connect, and how tightly people agree on where they are."""

from dataclasses import dataclass, field

import numpy as np

from edge_pose.errors import SpecError


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Joint names, limbs and scoring constants of one labelling scheme.

    joints: K names. edges: pairs of 0-based joint indices to draw. flip_pairs: joints that swap in a mirror.
    sigmas: K standard deviations of the object keypoint similarity (OKS). Raises SpecError on inconsistent lengths.
    """

    name: str
    joints: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    flip_pairs: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]
    _index: dict[str, int] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        count = len(self.joints)
        if len(self.sigmas) != count:
            raise SpecError(
                f"skeleton {self.name}: sigmas must have {count} values, one a joint, got {len(self.sigmas)}"
            )
        for kind, pairs in (("edges", self.edges), ("flip_pairs", self.flip_pairs)):
            for pair in pairs:
                if not all(0 <= joint < count for joint in pair):
                    raise SpecError(f"skeleton {self.name}: {kind} has {pair}, joints go from 0 to {count - 1}")
        object.__setattr__(self, "_index", {joint: i for i, joint in enumerate(self.joints)})

    def __len__(self) -> int:
        return len(self.joints)

    def index(self, joint: str) -> int:
        """Return the row of a joint by name: COCO17.index("left_hip") is 11."""
        try:
            return self._index[joint]
        except KeyError:
            raise SpecError(f"{self.name} has no joint {joint!r}; it has {', '.join(self.joints)}") from None

    @property
    def flip_order(self) -> np.ndarray:
        """(K,) int64 permutation that a mirrored image applies to the joints."""
        order = np.arange(len(self))
        for a, b in self.flip_pairs:
            order[[a, b]] = b, a
        return order


# Joint order, limbs and sigmas as the COCO keypoint task defines them (Lin et al. 2014; pycocotools' evaluation).
COCO17 = Skeleton(
    name="coco17",
    joints=(
        "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
        "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
        "right_ankle",
    ),
    edges=(
        (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10),
        (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
    ),
    flip_pairs=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
    sigmas=(
        0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089,
        0.089,
    ),
)  # fmt: skip

SKELETONS = {skeleton.name: skeleton for skeleton in (COCO17,)}
