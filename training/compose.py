"""People of video frames cut out and put into drawn rooms: a few real rooms are not to be learnt by heart."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_pose.skeleton import COCO17

F32 = NDArray[np.float32]
SIDE = 224  # pixels of the surroundings in which a person is cut out
ROUNDS = 3  # of GrabCut (Rother et al. 2004)
LEAST, MOST = 0.06, 0.75  # share of the box around the joints' surroundings that a person fills
DIAGONALS = ((5, 12), (6, 11))  # of the trunk
Row = tuple[NDArray[np.uint8], F32, F32]
Cut = tuple[F32, NDArray[np.float64]]


def person_mask(image: NDArray[np.uint8], joints: F32, weights: F32) -> Cut | None:
    """Cut a person out by the joints (17, 2) that are known.

    Returns the mask (SIDE, SIDE) in 0..1 and the matrix (2, 3) from image pixels to its pixels; None where it fails.
    """
    known = joints[weights > 0]
    if not len(known):
        return None
    low, high = known.min(0), known.max(0)
    size = float((high - low).max())
    if size < 40:
        return None
    shown = 1.45 * size + 8
    scale = SIDE / shown
    middle = (low + high) / 2
    matrix = np.array([[scale, 0, SIDE / 2 - middle[0] * scale], [0, scale, SIDE / 2 - middle[1] * scale]])
    crop = cv2.warpAffine(image, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    at = joints @ matrix[:, :2].T + matrix[:, 2]
    there = weights > 0

    def limbs(thick: float) -> NDArray[np.uint8]:
        drawn = np.zeros((SIDE, SIDE), np.uint8)
        for a, b in (*COCO17.edges, *DIAGONALS):
            if there[a] and there[b]:
                ends = [tuple(int(v) for v in at[i]) for i in (a, b)]
                cv2.line(drawn, ends[0], ends[1], 255, max(int(thick), 1))
        head = at[:5][there[:5]]
        if len(head):
            cv2.circle(drawn, tuple(int(v) for v in head.mean(0)), max(int(thick * 0.9), 2), 255, -1)
        return drawn

    torso = 0.3 * size * scale
    likely, sure = limbs(0.6 * torso), limbs(0.12 * torso)
    near = cv2.dilate(likely, np.ones((int(0.4 * torso) | 1,) * 2, np.uint8))
    mask = np.full((SIDE, SIDE), cv2.GC_BGD, np.uint8)
    mask[near > 0] = cv2.GC_PR_BGD
    mask[likely > 0] = cv2.GC_PR_FGD
    mask[sure > 0] = cv2.GC_FGD
    if not (mask == cv2.GC_BGD).any() or not (mask == cv2.GC_FGD).any():
        return None
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(crop, mask, None, *models, ROUNDS, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    inside = ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).astype(np.uint8)
    inside = cv2.morphologyEx(inside, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    inside *= cv2.warpAffine(np.ones(image.shape[:2], np.uint8), matrix, (SIDE, SIDE), flags=cv2.INTER_NEAREST)
    share = float(inside.mean())
    if not LEAST < share < MOST:
        return None
    return np.asarray(cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 1.0), np.float32), matrix


def composed(frame: Row, cut: Cut, room: NDArray[np.uint8], rng: np.random.Generator) -> Row:
    """The first person of a frame, cut out by person_mask, in other colours somewhere in a room (H, W, 3)."""
    image, joints, weights = frame
    mask, matrix = cut
    height, width = room.shape[:2]
    back = cv2.invertAffineTransform(matrix)
    known = joints[0][weights[0] > 0]
    size = float(np.ptp(known, axis=0).max())
    scale = height * rng.uniform(0.35, 0.95) / size
    spot = np.array([rng.uniform(0.25, 0.75) * width, rng.uniform(0.35, 0.75) * height])
    move = spot - scale * (known.min(0) + known.max(0)) / 2
    place = np.array([[scale, 0, move[0]], [0, scale, move[1]]])
    both = place @ np.vstack([back, [0, 0, 1]])
    there = cv2.warpAffine(mask, both, (width, height), flags=cv2.INTER_LINEAR)[..., None]
    person = cv2.warpAffine(image, place, (width, height), flags=cv2.INTER_LINEAR).astype(np.float32)
    light = float(room.mean()) / max(float((person * there).sum() / max(3 * there.sum(), 1)), 1.0)
    gains = np.clip(light, 0.5, 2) ** 0.5 * rng.uniform(0.8, 1.25) * rng.normal(1, 0.12, 3)
    person = 255 * np.clip(person * gains / 255, 0, 1) ** rng.uniform(0.75, 1.3)
    out = (room * (1 - there) + person * there).astype(np.uint8)
    moved = (joints @ place[:, :2].T + place[:, 2]).astype(np.float32)
    inside = ((moved >= 0) & (moved < [width, height])).all(2)
    return out, moved, np.where(inside, weights, 0).astype(np.float32)
