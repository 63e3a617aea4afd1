"""Kernels against rtmlib's own functions, where it is installed. Run it: python benchmarks/kernels_peers.py

Its loops over people stay loops, as its users run them; every answer is compared before the clock starts.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from kernels_keypoints import scene, vectors
from kernels_warp import CROP_HW, CROPS, MEAN, STD, noise
from timing import Case, main

from edge_pose import geometry, kernels

SIZE_WH = CROP_HW[::-1]
SIZES = (1, 5, 20)
CENTER, SIZE = np.array([400.0, 300.0]), np.array([300.0, 400.0])


def crop_case(n: int) -> Case:
    """N boxes of a 1080p frame to (N, 3, 256, 192): its preprocess, and the layout its sessions want."""
    from rtmlib.tools.pose_estimation.vitpose import ViTPose

    rng, image = np.random.default_rng(3), noise(1080, 1920, 3)
    center, height = rng.uniform([300, 350], [1600, 700], (n, 2)), rng.uniform(200, 560, (n, 1))
    half = np.concatenate([height * 0.2, height / 2], axis=1)
    boxes = np.concatenate([center - half, center + half], axis=1)
    matrices = geometry.crops(*geometry.crop_sizes(boxes, aspect=SIZE_WH[0] / SIZE_WH[1]), CROP_HW).frame_from_input
    out = np.empty((n, 3, *CROP_HW), np.float32)
    model = SimpleNamespace(model_input_size=SIZE_WH, mean=255 * MEAN, std=255 * STD)

    def ours() -> np.ndarray:
        kernels.warp_affine(image, matrices, out, planar=True, swap_rb=False, **CROPS)
        return out

    def theirs() -> list[np.ndarray]:
        crops = [ViTPose.preprocess(model, image, box)[0] for box in boxes]
        return [np.ascontiguousarray(crop.transpose(2, 0, 1), np.float32)[None] for crop in crops]

    for one, other in zip(ours(), theirs(), strict=True):
        assert np.abs(one - other[0]).max() < 1.1 * CROPS["scale"].max()  # a grey level
    return f"peer: crops 1080p N={n}", ours, {"rtmlib": theirs}, out.nbytes


def dark_case(n: int) -> Case:
    """DARK-UDP with a kernel of 11, person by person as its model class calls it."""
    from rtmlib.tools.pose_estimation.vitpose import ViTPose

    maps, _ = scene(n)
    matrices = np.tile(_home((maps.shape[3] - 1, maps.shape[2] - 1)), (n, 1, 1))
    model = SimpleNamespace()

    def ours() -> tuple[np.ndarray, np.ndarray]:
        return kernels.decode_heatmap(maps, matrices, refine="dark-udp-rtmlib", blur=11)

    def theirs() -> list[np.ndarray]:
        return [ViTPose.postprocess(model, [one[None]], CENTER, SIZE)[0] for one in maps]

    assert np.abs(ours()[0] - np.concatenate(theirs())).max() < 0.05
    return f"peer: dark-udp N={n}", ours, {"rtmlib": theirs}, maps.nbytes


def simcc_case(n: int) -> Case:
    """SimCC, person by person as its model class calls it."""
    from rtmlib.tools.pose_estimation.rtmpose import RTMPose

    x, y = vectors(n)
    matrices = np.tile(_home(SIZE_WH), (n, 1, 1))
    model = SimpleNamespace(model_input_size=SIZE_WH)

    def ours() -> tuple[np.ndarray, np.ndarray]:
        return kernels.decode_simcc(x, y, matrices, score="mean")

    def theirs() -> list[np.ndarray]:
        return [RTMPose.postprocess(model, (x[i : i + 1], y[i : i + 1]), CENTER, SIZE)[0] for i in range(n)]

    assert np.abs(ours()[0] - np.concatenate(theirs())).max() < 0.01
    return f"peer: simcc N={n}", ours, {"rtmlib": theirs}, x.nbytes + y.nbytes


def _home(span_wh: tuple[int, int]) -> np.ndarray:
    """From map or input coordinates to the frame, for a box at CENTER of SIZE."""
    scale = SIZE / span_wh
    corner = CENTER - SIZE / 2
    return np.array([[[scale[0], 0, corner[0]], [0, scale[1], corner[1]]]])


def cases() -> list[Case]:
    """Every case, or none where rtmlib is not installed."""
    try:
        import rtmlib  # noqa: F401
    except ModuleNotFoundError:
        return []
    return [case(n) for case in (crop_case, dark_case, simcc_case) for n in SIZES]


if __name__ == "__main__":
    main(cases())
