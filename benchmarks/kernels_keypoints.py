"""Keypoint decoders against NumPy and OpenCV by hand. Run it: python benchmarks/kernels_keypoints.py

Every alternative computes the same joints in frame pixels, so the answers are compared before the clock starts.
"""

import cv2
import numpy as np
from timing import Case, main

from edge_pose import kernels

Arrays = tuple[np.ndarray, np.ndarray]
K, H, W, BINS_X, BINS_Y = 17, 64, 48, 384, 512
SIZES = (1, 5, 20)


def scene(n: int, top: float = 0.8, noise: float = 0.02) -> Arrays:
    """Maps (n, K, H, W) of one bump each on noise, and the matrices of their crops."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:H, :W]
    cx, cy = rng.uniform(4, W - 5, (2, n, K, 1, 1)) * [[[[[1]]]], [[[[H / W]]]]]
    maps = top * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 8) + rng.uniform(0, noise, (n, K, H, W))
    matrices = np.zeros((n, 2, 3))
    matrices[:, [0, 1], [0, 1]] = rng.uniform(1, 9, (n, 1))
    matrices[:, :, 2] = rng.uniform(0, 500, (n, 2))
    return maps.astype(np.float32), matrices


def vectors(n: int) -> Arrays:
    """SimCC vectors (n, K, BINS_X) and (n, K, BINS_Y) of one bump each on noise."""
    rng = np.random.default_rng(0)

    def bumps(bins: int) -> np.ndarray:
        at = rng.uniform(20, bins - 20, (n, K, 1))
        values = 0.8 * np.exp(-((np.arange(bins) - at) ** 2) / 60) + rng.uniform(0, 0.02, (n, K, bins))
        return values.astype(np.float32)

    return bumps(BINS_X), bumps(BINS_Y)


def to_frame(points: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Upright crops need no full matrix product."""
    return points * matrices[:, None, [0, 1], [0, 1]] + matrices[:, None, :, 2]


def peaks_by_hand(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Flat maps, the rows' numbers, the peaks' cells and values."""
    flat = maps.reshape(len(maps) * K, H * W)
    rows = np.arange(len(flat))
    index = flat.argmax(1)
    return flat, rows, index, flat[rows, index]


def quarter_by_hand(maps: np.ndarray, matrices: np.ndarray) -> Arrays:
    """NumPy without a loop."""
    flat, rows, index, best = peaks_by_hand(maps)
    y, x = np.divmod(index, W)
    inside = (x > 1) & (x < W - 1) & (y > 1) & (y < H - 1)
    at = np.where(inside, index, W + 1)
    dx = np.sign(flat[rows, at + 1] - flat[rows, at - 1]) * inside
    dy = np.sign(flat[rows, at + W] - flat[rows, at - W]) * inside
    points = np.stack([x + 0.25 * dx, y + 0.25 * dy], 1)
    points[best <= 0] = 0
    return to_frame(points.reshape(-1, K, 2), matrices), best.reshape(-1, K)


def quarter_looped(maps: np.ndarray, matrices: np.ndarray) -> Arrays:
    """HRNet's way: the maxima at once, then joint by joint."""
    n = len(maps)
    flat = maps.reshape(n, K, -1)
    index, best = flat.argmax(2), flat.max(2)
    points = np.stack([index % W, index // W], 2).astype(np.float32) * (best > 0)[..., None]
    for i in range(n):
        for k in range(K):
            x, y = int(points[i, k, 0]), int(points[i, k, 1])
            if 1 < x < W - 1 and 1 < y < H - 1:
                heat = maps[i, k]
                step = np.array([heat[y, x + 1] - heat[y, x - 1], heat[y + 1, x] - heat[y - 1, x]])
                points[i, k] += np.sign(step) * 0.25
    return to_frame(points, matrices), best


def modulated(maps: np.ndarray, blur: int) -> np.ndarray:
    """OpenCV's blur in zero padding, map by map, stretched to the old maxima."""
    border = blur // 2
    out = np.empty_like(maps)
    for heat, target in zip(maps.reshape(-1, H, W), out.reshape(-1, H, W), strict=True):
        padded = cv2.copyMakeBorder(heat, border, border, border, border, cv2.BORDER_CONSTANT)
        smooth = cv2.GaussianBlur(padded, (blur, blur), 0)[border:-border, border:-border]
        np.multiply(smooth, heat.max() / smooth.max(), out=target)
    return out


def dark_udp_by_hand(maps: np.ndarray, matrices: np.ndarray, blur: int, *, rtmlib: bool) -> Arrays:
    """The usual way: every map blurred whole, its logarithm padded, the derivatives of all joints at once."""
    _, rows, index, best = peaks_by_hand(maps)
    if rtmlib:
        smooth = np.stack([cv2.GaussianBlur(heat, (blur, blur), 0) for heat in maps.reshape(-1, H, W)])
    else:
        smooth = modulated(maps, blur).reshape(-1, H, W)
    logs = np.log(np.clip(smooth, 0.001, 50))
    logs = np.pad(logs, ((0, 0), (1, 1), (1, 1)), mode="edge").reshape(len(rows), -1)
    step, y, x = W + 2, *np.divmod(index, W)
    at = x + 1 + (y + 1) * step
    here, right, left = logs[rows, at], logs[rows, at + 1], logs[rows, at - 1]
    below, above = logs[rows, at + step], logs[rows, at - step]
    hessian = np.empty((len(rows), 2, 2))
    hessian[:, 0, 0] = right - 2 * here + left
    hessian[:, 1, 1] = below - 2 * here + above
    mixed = logs[rows, at + step + 1] - right - below + 2 * here - left - above + logs[rows, at - step - 1]
    hessian[:, 0, 1] = hessian[:, 1, 0] = 0.5 * mixed
    gradient = 0.5 * np.stack([right - left, below - above], 1)
    inverse = np.linalg.inv(hessian + np.finfo(np.float32).eps * np.eye(2))
    points = np.stack([x, y], 1) - np.einsum("nij,nj->ni", inverse, gradient)
    points[best <= 0] = -1
    return to_frame(points.reshape(-1, K, 2), matrices), best.reshape(-1, K)


def simcc_by_hand(x: np.ndarray, y: np.ndarray, matrices: np.ndarray) -> Arrays:
    """NumPy without a loop, each vector read once."""
    flat_x, flat_y = x.reshape(-1, BINS_X), y.reshape(-1, BINS_Y)
    rows = np.arange(len(flat_x))
    at_x, at_y = flat_x.argmax(1), flat_y.argmax(1)
    best = np.minimum(flat_x[rows, at_x], flat_y[rows, at_y])
    points = np.stack([at_x, at_y], 1) / 2.0
    points[best <= 0] = -0.5
    return to_frame(points.reshape(-1, K, 2), matrices), best.reshape(-1, K)


def softmax_by_hand(x: np.ndarray, y: np.ndarray, matrices: np.ndarray) -> Arrays:
    """SimDR: softmax, then the peaks, the greater one scores."""
    powers = [np.exp(v - v.max(2, keepdims=True)) for v in (x, y)]
    chances = [p / p.sum(2, keepdims=True) for p in powers]
    points = np.stack([chance.argmax(2) for chance in chances], 2) / 2.0
    return to_frame(points, matrices), np.maximum(chances[0].max(2), chances[1].max(2))


def udp_offset_by_hand(maps: np.ndarray, matrices: np.ndarray) -> Arrays:
    """OpenCV's blur of each heat, then the offsets at the peaks; maps (n, K, 3, H, W)."""
    heat = np.stack([cv2.GaussianBlur(each, (23, 23), 0) for each in maps[:, :, 0].reshape(-1, H, W)])
    _, rows, index, best = peaks_by_hand(heat.reshape(-1, K, H, W))
    flat = maps.reshape(len(rows), 3, -1)
    y, x = np.divmod(index, W)
    points = np.stack([x, y], 1) + flat[rows, 1:, index] * (0.0546875 * H)
    return to_frame(points.reshape(-1, K, 2), matrices), best.reshape(-1, K)


def movenet_heads(n: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Logits of a person in the middle: center, regression, heatmaps and offsets (n, C, 48, 48)."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:48, :48]
    heads = [rng.normal(0, 0.3, (n, c, 48, 48)).astype(np.float32) for c in (1, 2 * K, K, 2 * K)]
    cx, cy = rng.uniform(5, 43, (2, n, K, 1, 1))
    heads[0] += 4 * np.exp(-((x - 24) ** 2 + (y - 24) ** 2) / 20) - 5
    heads[1] = np.stack([cy - y, cx - x], 2).reshape(n, 2 * K, 48, 48).astype(np.float32)
    heads[2] += (7 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 8) - 6).astype(np.float32)
    matrices = np.tile(np.eye(2, 3), (n, 1, 1))
    return [head.astype(np.float32) for head in heads], matrices


def movenet_by_hand(heads: list[np.ndarray], matrices: np.ndarray) -> Arrays:
    """NumPy, all joints of one person at once."""
    rows, columns = np.mgrid[:48, :48].astype(np.float32)
    people = []
    for center, regression, heatmaps, offsets in zip(*heads, strict=True):
        weight = np.hypot(rows - 24, columns - 24) + np.float32(1.8)
        cy, cx = divmod(int((1 / (1 + np.exp(-center[0])) / weight).argmax()), 48)
        at = regression[:, cy, cx].reshape(K, 2) + np.array([cy, cx], np.float32)
        chance = 1 / (1 + np.exp(-heatmaps))
        far = np.sqrt((rows - at[:, 0, None, None]) ** 2 + (columns - at[:, 1, None, None]) ** 2)
        y, x = np.divmod((chance / (far + np.float32(1.8))).reshape(K, -1).argmax(1), 48)
        k = np.arange(K)
        shift = offsets.reshape(K, 2, 48, 48)[k, ::-1, y, x]
        people.append(np.concatenate([4 * (np.stack([x, y], 1) + shift), chance[k, y, x][:, None]], 1))
    found = np.stack(people)
    return to_frame(found[..., :2], matrices), found[..., 2]


def cases() -> list[Case]:
    """(name, ours, alternatives by name, bytes that must be read), after all alternatives gave the same answer."""
    found: list[Case] = []
    for n in SIZES:
        maps, matrices = scene(n)
        halves = maps.astype(np.float16)
        x, y = vectors(n)
        found += [
            (
                f"heatmap quarter N={n}",
                lambda maps=maps, m=matrices: kernels.decode_heatmap(maps, m),
                {
                    "numpy": lambda maps=maps, m=matrices: quarter_by_hand(maps, m),
                    "loop": lambda maps=maps, m=matrices: quarter_looped(maps, m),
                },
                maps.nbytes,
            ),
            (
                f"heatmap quarter float16 N={n}",
                lambda maps=halves, m=matrices: kernels.decode_heatmap(maps, m),
                {"numpy": lambda maps=halves, m=matrices: quarter_by_hand(maps.astype(np.float32), m)},
                halves.nbytes,
            ),
            (
                f"heatmap dark-udp blur 11 N={n}",
                lambda maps=maps, m=matrices: kernels.decode_heatmap(maps, m, refine="dark-udp", blur=11),
                {"numpy+opencv": lambda maps=maps, m=matrices: dark_udp_by_hand(maps, m, 11, rtmlib=False)},
                maps.nbytes,
            ),
            (
                f"heatmap dark-udp rtmlib N={n}",
                lambda maps=maps, m=matrices: kernels.decode_heatmap(maps, m, refine="dark-udp-rtmlib", blur=3),
                {"numpy+opencv": lambda maps=maps, m=matrices: dark_udp_by_hand(maps, m, 3, rtmlib=True)},
                maps.nbytes,
            ),
            (
                f"simcc {BINS_X}+{BINS_Y} N={n}",
                lambda x=x, y=y, m=matrices: kernels.decode_simcc(x, y, m),
                {"numpy": lambda x=x, y=y, m=matrices: simcc_by_hand(x, y, m)},
                x.nbytes + y.nbytes,
            ),
        ]
        heads, straight = movenet_heads(n)
        found.append(
            (
                f"movenet heads N={n}",
                lambda heads=heads, m=straight: kernels.decode_movenet_heads(*heads, m),
                {"numpy": lambda heads=heads, m=straight: movenet_by_hand(heads, m)},
                heads[0].nbytes + heads[2].nbytes,
            )
        )
    x, y = vectors(1)
    _, matrices = scene(1)
    found.append(
        (
            "simcc softmax max N=1",
            lambda: kernels.decode_simcc(x, y, matrices, softmax=True, score="max"),
            {"numpy": lambda: softmax_by_hand(x, y, matrices)},
            x.nbytes + y.nbytes,
        )
    )
    heat, matrices = scene(1)
    offsets = np.random.default_rng(1).uniform(-1, 1, (1, K, 2, H, W)).astype(np.float32)
    joined = np.concatenate([heat[:, :, None], offsets], 2)
    found.append(
        (
            "heatmap udp offset N=1",
            lambda: kernels.decode_udp_offset(joined.reshape(1, 3 * K, H, W), matrices),
            {"numpy+opencv": lambda: udp_offset_by_hand(joined, matrices)},
            heat.nbytes,
        )
    )
    # Nobody is clearly there: every joint lies below DARK's floor, which costs the whole blur.
    faint, _ = scene(1, top=0.002, noise=0.0005)
    found.append(
        (
            "heatmap dark-udp, faint maps N=1",
            lambda: kernels.decode_heatmap(faint, matrices, refine="dark-udp", blur=11),
            {"numpy+opencv": lambda: dark_udp_by_hand(faint, matrices, 11, rtmlib=False)},
            faint.nbytes,
        )
    )
    check(found)
    return found


def check(rows: list[Case]) -> None:
    """The alternatives must answer what ours answers, or the comparison says nothing."""
    for name, ours, others, _ in rows:
        xy, scores = ours()
        for other, call in others.items():
            theirs = call()
            assert np.allclose(xy, theirs[0], atol=0.05), (name, other, np.abs(xy - theirs[0]).max())
            assert np.allclose(scores, theirs[1]), (name, other)


if __name__ == "__main__":
    main(cases())
