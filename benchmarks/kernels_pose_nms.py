"""OKS, soft OKS and parametric pose NMS against NumPy by hand. Run: python benchmarks/kernels_pose_nms.py"""

import numpy as np
from timing import Case, main

from edge_pose import kernels
from edge_pose.skeleton import COCO17

SIGMAS = np.array(COCO17.sigmas)
VARIANCES = (2 * SIGMAS) ** 2
People = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def crowd(n: int) -> People:
    """N candidates of N / 3 people in a 1920 x 1080 frame: xy, scores, areas, joint scores, boxes."""
    rng = np.random.default_rng(n)
    groups = max(1, n // 3)
    size = rng.uniform(60, 400, (groups, 1, 1))
    people = rng.uniform(0, [1920, 1080], (groups, 1, 2)) + rng.normal(0, 0.25, (groups, 17, 2)) * size
    of = rng.integers(0, groups, n)
    xy = (people[of] + rng.normal(0, 0.01, (n, 17, 2)) * size[of]).astype(np.float32)
    boxes = np.concatenate([xy.min(1), xy.max(1)], 1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], 1)
    joint_scores = rng.uniform(0.05, 1, (n, 17)).astype(np.float32)
    return xy, rng.random(n).astype(np.float32), areas, joint_scores, boxes


def oks_by_hand(xy: np.ndarray, areas: np.ndarray, i: int, rest: np.ndarray) -> np.ndarray:
    """OKS of pose i with the rest."""
    d = xy[rest] - xy[i]
    e = (d**2).sum(-1) / VARIANCES / ((areas[i] + areas[rest]) / 2 + np.spacing(1.0))[:, None] / 2
    return np.exp(-e).mean(1)


def oks_nms_by_hand(people: People, threshold: float) -> list[int]:
    """Greedy suppression, one row of similarities a kept pose."""
    xy, scores, areas, *_ = people
    order = np.argsort(-scores, kind="stable")
    kept = []
    while order.size:
        kept.append(int(order[0]))
        order = order[1:][oks_by_hand(xy, areas, order[0], order[1:]) <= threshold]
    return kept


def soft_oks_nms_by_hand(people: People, threshold: float, max_det: int) -> list[int]:
    """Rescore the rest after every choice, and sort again."""
    xy, scores, areas, *_ = people
    order = np.argsort(-scores, kind="stable")
    score = scores[order].astype(np.float64)
    kept = []
    while order.size and len(kept) < max_det:
        kept.append(int(order[0]))
        rest = order[1:]
        score = score[1:] * np.exp(-(oks_by_hand(xy, areas, order[0], rest) ** 2) / threshold)
        again = np.argsort(-score, kind="stable")
        order, score = rest[again], score[again]
    return kept


def pose_nms_by_hand(people: People) -> list[int]:
    """Parametric pose NMS with its default parameters: (picked rows); the merged poses are computed, too."""
    xy, _, _, joint_scores, boxes = people
    scores = np.where(joint_scores == 0, np.float32(1e-5), joint_scores)
    confidence = np.tanh(scores)
    side = 0.1 * (boxes[:, 2:] - boxes[:, :2]).max(1)
    left = np.argsort(-scores.mean(1), kind="stable")
    picked = []
    while left.size:
        chosen = left[0]
        d = np.sqrt(((xy[left] - xy[chosen]) ** 2).sum(-1))
        similarity = (confidence[left] * confidence[chosen] * (d <= 1)).sum(1) + 1.7 * np.exp(-d / 2.65).sum(1)
        same = (similarity > 22.48) | ((d < min(side[chosen], 7)).sum(1) >= 5)
        same[0] = True
        cluster, left = left[same], left[~same]
        if scores[chosen].max() < 0.3:
            continue
        weights = scores[cluster] * (d[same] <= min(side[chosen], 15))
        weights /= weights.sum(0)
        merged = (xy[cluster] * weights[..., None]).sum(0)
        merged_scores = (scores[cluster] * weights).sum(0)
        if 2.25 * np.prod(merged.max(0) - merged.min(0)) < 0 or np.isnan(merged_scores[0]):
            continue
        picked.append(int(chosen))
    return picked


def oks_case(n: int) -> Case:
    people = crowd(n)
    xy, scores, areas, *_ = people

    def ours() -> np.ndarray:
        return kernels.oks_nms(xy, scores, areas, SIGMAS, threshold=0.5)

    np.testing.assert_array_equal(ours(), oks_nms_by_hand(people, 0.5))
    return f"OKS NMS N={n}", ours, {"NumPy": lambda: oks_nms_by_hand(people, 0.5)}, None


def soft_case(n: int) -> Case:
    people = crowd(n)
    xy, scores, areas, *_ = people

    def ours() -> tuple[np.ndarray, np.ndarray]:
        return kernels.soft_oks_nms(xy, scores, areas, SIGMAS, threshold=0.5)

    np.testing.assert_array_equal(ours()[0], soft_oks_nms_by_hand(people, 0.5, 20))
    return f"soft OKS NMS N={n}", ours, {"NumPy": lambda: soft_oks_nms_by_hand(people, 0.5, 20)}, None


def parametric_case(n: int) -> Case:
    people = crowd(n)
    xy, scores, _, joint_scores, boxes = people

    def ours() -> tuple[object, ...]:
        return kernels.pose_nms(boxes, scores, xy, joint_scores)

    np.testing.assert_array_equal(ours()[4], pose_nms_by_hand(people))
    return f"parametric pose NMS N={n}", ours, {"NumPy": lambda: pose_nms_by_hand(people)}, None


def cases() -> list[Case]:
    """Every case: name, ours, the others by name, bytes that must be read at least."""
    return [case(n) for case in (oks_case, soft_case, parametric_case) for n in (10, 50, 200, 2000)]


if __name__ == "__main__":
    main(cases())
