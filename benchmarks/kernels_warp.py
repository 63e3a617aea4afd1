"""Letterbox and crops against OpenCV and NumPy by hand. Run it: python benchmarks/kernels_warp.py

Every alternative writes into buffers made once, and is checked to give the same picture within a grey level or two
(NV12, YUYV) before the clock starts. All with one thread, except the cases that say so.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from timing import Case, main

from edge_pose import geometry, kernels

SIDE, CROP_HW = 640, (256, 192)
UNIT, MEAN, STD = 1 / 255, np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
LETTERBOX = {"scale": [UNIT] * 3, "bias": [0.0] * 3}
CROPS = {"scale": UNIT / STD, "bias": -MEAN / STD}
RAW = {"scale": [1.0] * 3, "bias": [0.0] * 3}
YUV = {"nv12": cv2.COLOR_YUV2BGR_NV12, "yuyv": cv2.COLOR_YUV2BGR_YUYV}


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


class ByHand:
    """Preprocessing as one writes it with OpenCV: a canvas, then each channel scaled into its plane.

    cv2.dnn.blobFromImage is left out: it takes longer than either way here, and its fresh memory slows its neighbours.
    """

    def __init__(self, image: np.ndarray, hw: tuple[int, int], top: int, out: np.ndarray) -> None:
        self.image, self.top, self.out = image, top, out
        self.canvas = np.full((SIDE, SIDE, 3), 114, np.uint8)
        self.picture = self.canvas[top : top + hw[0]]
        self.planes = [np.empty((SIDE, SIDE), np.uint8) for _ in range(3)]
        self.table = (np.arange(256) * UNIT).astype(out.dtype)
        self.bgr = image

    def resize(self) -> np.ndarray:
        """The canvas with the picture in it."""
        cv2.resize(self.bgr, self.picture.shape[1::-1], dst=self.picture, interpolation=cv2.INTER_LINEAR)
        return self.canvas

    def look_up(self) -> None:
        """Scaled by a table; OpenCV knows no half floats as such, but copies their 16 bits."""
        cv2.split(self.resize(), self.planes)
        kind = np.uint16 if self.out.dtype == np.float16 else np.float32
        for plane, target in zip(reversed(self.planes), self.out[0], strict=True):
            cv2.LUT(plane, self.table.view(kind), target.view(kind))

    def multiply(self) -> None:
        """Scaled by NumPy."""
        cv2.split(self.resize(), self.planes)
        for plane, target in zip(reversed(self.planes), self.out[0], strict=True):
            np.multiply(plane, target.dtype.type(UNIT), out=target)

    def interleaved(self) -> None:
        """Bytes, pixel by pixel."""
        cv2.cvtColor(self.resize(), cv2.COLOR_BGR2RGB, dst=self.out[0])

    def converted(self, code: int) -> None:
        """The frame to BGR first."""
        self.bgr = cv2.cvtColor(self.image, code)
        self.look_up()


def letterbox(name: str, image: np.ndarray, dtype: Any = np.float32, *, threads: int = 1, yuv: str = "") -> Case:
    """One frame into 640 x 640: planar RGB / 255, or for uint8 interleaved RGB."""
    height = image.shape[0] * 2 // 3 if yuv == "nv12" else image.shape[0]
    plan = geometry.letterbox((height, image.shape[1]), (SIDE, SIDE))
    planar = dtype != np.uint8
    shape = (1, 3, SIDE, SIDE) if planar else (1, SIDE, SIDE, 3)
    out, theirs = np.zeros(shape, dtype), np.zeros(shape, dtype)
    fixed = {"resized_hw": plan.resized_hw, "offset_tl": plan.offset_tl, "planar": planar, "threads": threads}
    fixed |= (LETTERBOX if planar else RAW) | {"pixel_format": yuv or "bgr"}

    def ours() -> None:
        kernels.letterbox(image, out, **fixed)

    hand = ByHand(image, plan.resized_hw, plan.offset_tl[0], theirs)
    if yuv:
        others = {"cvtColor, resize, split, LUT": lambda: hand.converted(YUV[yuv])}
    elif dtype == np.uint8:
        others = {"resize, cvtColor": hand.interleaved}
    elif dtype == np.float16:
        others = {"resize, split, LUT": hand.look_up}
    else:
        others = {"resize, split, LUT": hand.look_up, "resize, split, multiply": hand.multiply}
    if threads > 1:
        others = {"ours, 1 thread": lambda: kernels.letterbox(image, theirs, **{**fixed, "threads": 1})}
    return checked(name, ours, others, out, theirs, (2 if yuv else 1) * (UNIT if planar else 1), out.nbytes)


def people(n: int, angle: float = 0.0) -> np.ndarray:
    """Matrices of n person boxes, 200 to 700 pixels high, in a 1080p frame."""
    rng = np.random.default_rng(3)
    height = rng.uniform(200, 700, n)
    center = rng.uniform([100, 250], [1820, 830], (n, 2))
    size = np.stack([height * 0.4, height], axis=1)
    boxes = np.concatenate([center - size / 2, center + size / 2], axis=1)
    centers, sizes = geometry.crop_sizes(boxes, aspect=CROP_HW[1] / CROP_HW[0])
    return geometry.crops(centers, sizes, CROP_HW, rotation_deg=angle).frame_from_input


def crops(name: str, image: np.ndarray, n: int, *, angle: float = 0.0, threads: int = 1, yuv: str = "") -> Case:
    """N normalised crops of 256 x 192 out of one frame."""
    matrices = people(n, angle)
    out, theirs = (np.zeros((n, 3, *CROP_HW), np.float32) for _ in range(2))
    fixed = CROPS | {"planar": True, "threads": threads, "pixel_format": yuv or "bgr"}
    crop, planes = np.empty((*CROP_HW, 3), np.uint8), [np.empty(CROP_HW, np.uint8) for _ in range(3)]
    tables = [(np.arange(256) * s + b).astype(np.float32) for s, b in zip(CROPS["scale"], CROPS["bias"], strict=True)]

    def ours() -> None:
        kernels.warp_affine(image, matrices, out, **fixed)

    def by_hand() -> None:
        bgr = cv2.cvtColor(image, YUV[yuv]) if yuv else image
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        for matrix, target in zip(matrices, theirs, strict=True):
            cv2.warpAffine(bgr, matrix, CROP_HW[::-1], dst=crop, flags=flags)
            cv2.split(crop, planes)
            for plane, table, channel in zip(reversed(planes), tables, target, strict=True):
                cv2.LUT(plane, table, channel)

    others = {("cvtColor, " if yuv else "") + "warpAffine, split, LUT": by_hand}
    if threads > 1:
        others = {"ours, 1 thread": lambda: kernels.warp_affine(image, matrices, theirs, **{**fixed, "threads": 1})}
    return checked(name, ours, others, out, theirs, (2 if yuv else 1) * CROPS["scale"].max(), out.nbytes)


def checked(
    name: str,
    ours: Callable[[], object],
    others: dict[str, Callable[[], object]],
    out: np.ndarray,
    theirs: np.ndarray,
    tolerance: float,
    floor_bytes: int,
) -> Case:
    """The case, after all alternatives gave the same picture."""
    ours()
    for label, other in others.items():
        theirs.fill(0)
        other()
        difference = np.abs(out.astype(np.float32) - theirs.astype(np.float32)).max()
        if difference > tolerance * 1.01 + (1e-3 if out.dtype == np.float16 else 0):
            raise AssertionError(f"{name}: {label} differs by {difference}, allowed are {tolerance}")
    return name, ours, others, floor_bytes


def cases() -> list[Case]:
    """What a camera program does per frame; floor_bytes: what has to be written at least."""
    full_hd, vga, nv12, yuyv = noise(1080, 1920, 3), noise(480, 640, 3), noise(1620, 1920), noise(1080, 1920, 2)
    return [
        letterbox("letterbox 1080p float32", full_hd),
        letterbox("letterbox 720p float32", noise(720, 1280, 3)),
        letterbox("letterbox 480p float32", vga),
        letterbox("letterbox 1080p float16", full_hd, np.float16),
        letterbox("letterbox 1080p uint8", full_hd, np.uint8),
        letterbox("letterbox 480p float16", vga, np.float16),
        letterbox("letterbox 480p uint8", vga, np.uint8),
        letterbox("letterbox 1080p nv12", nv12, yuv="nv12"),
        letterbox("letterbox 1080p yuyv", yuyv, yuv="yuyv"),
        *(crops(f"crops 1080p N={n}", full_hd, n) for n in (1, 5, 20)),
        crops("crops 1080p N=5 turned", full_hd, 5, angle=20.0),
        crops("crops 1080p N=5 nv12", nv12, 5, yuv="nv12"),
        crops("crops 1080p N=20 nv12", nv12, 20, yuv="nv12"),
        letterbox("letterbox 1080p 2 threads", full_hd, threads=2),
        crops("crops 1080p N=20 2 threads", full_hd, 20, threads=2),
    ]


if __name__ == "__main__":
    main(cases())
