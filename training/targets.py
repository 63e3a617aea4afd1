"""What the four heads should say of a picture, and how far they are from it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

STRIDE = 4
SIGMA = 1.5  # cells, of the joints' peaks
LEAST_MASS = 0.3  # of a map that wants something: a peak at the border has this much of it inside
SHARE = 0.12  # sigma of the centre's peak, of the body's size


def losses(heads: tuple[Tensor, ...], joints: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """Return each head's loss.

    joints (N, P, 17, 2): input pixels; weights (N, P, 17): 1 seen, between 0 and 1 less sure, 0 outside or unknown.
    A row whose weights are all 0 is nobody.
    """
    centre, regression, heatmaps, offsets = heads
    side = centre.shape[-1]
    cells = joints / STRIDE - 0.5  # in the grid of cell centres
    there = weights > 0
    person = there.any(2)
    wide = torch.where(there[..., None], cells, cells.new_tensor(1e6))
    low = wide.amin(2)
    high = torch.where(there[..., None], cells, cells.new_tensor(-1e6)).amax(2)
    middle = torch.where(person[..., None], (low + high) / 2, cells.new_tensor(-1e3))
    size = torch.where(person, (high - low).amax(2), cells.new_tensor(10.0)).clamp(4, 60)

    wanted = torch.zeros_like(heatmaps)
    for nth in range(cells.shape[1]):  # the first of each picture, the second: most pictures show one
        rows = torch.nonzero(person[:, nth])[:, 0]
        peaks = _peaks(cells[rows, nth], cells.new_tensor(SIGMA), side) * weights[rows, nth, :, None, None]
        wanted[rows] = torch.maximum(wanted[rows], peaks)
    at_middle = _peaks(middle, (size * SHARE).clamp(1, 4), side) * person[..., None, None]
    wanted_middle = at_middle.amax(1, keepdim=True)
    return {
        "centre": _quality_focal(centre, wanted_middle),
        "heatmap": _quality_focal(heatmaps, wanted),
        "where": _where(heatmaps, wanted) + _where(centre, wanted_middle) / 4,
        "regression": _regression(regression, cells, weights, at_middle, size),
        "offset": _offset(offsets, joints / STRIDE, cells, weights),
    }


def _peaks(at: Tensor, sigma: Tensor, side: int) -> Tensor:
    """Gaussians (..., side, side) around cells (..., 2)."""
    grid = torch.arange(side, dtype=at.dtype, device=at.device)
    spread = (2 * sigma * sigma)[..., None]
    along = torch.exp(-((grid - at[..., :1]) ** 2) / spread)
    down = torch.exp(-((grid - at[..., 1:]) ** 2) / spread)
    return down[..., :, None] * along[..., None, :]


def _quality_focal(logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy with soft targets, weighed by the squared error (Li et al. 2020, eq. 3), per peak."""
    error = (torch.sigmoid(logits) - wanted).abs()
    loss = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * error * error
    return loss.sum() / (wanted > 0.9).sum().clamp(min=len(wanted))


def _where(logits: Tensor, wanted: Tensor) -> Tensor:
    """Kullback-Leibler divergence of a map, as shares of its sum, from the wanted one, where anything is wanted.

    It asks where the peak is, which the focal loss, cell by cell, learns late.
    """
    mass = wanted.flatten(2).sum(2)
    known = mass > LEAST_MASS
    share = wanted.flatten(2) / mass.clamp(min=1e-6)[..., None]
    divergence = F.kl_div(F.log_softmax(F.logsigmoid(logits.flatten(2)), 2), share, reduction="none").sum(2)
    return (divergence * known).sum() / known.sum().clamp(min=1)


def _regression(maps: Tensor, cells: Tensor, weights: Tensor, at_middle: Tensor, size: Tensor) -> Tensor:
    """Distance of the expected joints, in shares of the body, in the cells around a person's middle."""
    joints = cells.shape[2]
    best, whose = at_middle.max(1)  # (N, side, side): each cell answers for the person whose middle it is nearest
    n, y, x = torch.nonzero(best > 0.4, as_tuple=True)
    if not len(n):
        return maps.sum() * 0
    p = whose[n, y, x]
    said = maps.unflatten(1, (joints, 2))[n, :, :, y, x]  # (M, 17, 2): y, x
    here = torch.stack([y, x], 1)[:, None].to(cells.dtype)
    wanted = cells[n, p].flip(-1) - here
    weight = weights[n, p] * best[n, y, x][:, None]
    error = F.smooth_l1_loss(said, wanted, reduction="none", beta=0.5).sum(2) / size[n, p][:, None]
    return (error * weight).sum() / weight.sum().clamp(min=1)


def _offset(maps: Tensor, places: Tensor, cells: Tensor, weights: Tensor) -> Tensor:
    """Distance in cells of the finer place that the cells around a joint tell; decoding adds it to row and column."""
    joints = cells.shape[2]
    nearest = cells.round().long()
    near = torch.stack(torch.meshgrid(*[torch.arange(-1, 2, device=maps.device)] * 2, indexing="ij"), -1).view(9, 2)
    spots = nearest[..., None, :] + near  # (N, P, 17, 9, 2): x, y
    inside = ((spots >= 0) & (spots < maps.shape[-1])).all(-1) & (weights > 0)[..., None]
    n, p, k, nth = torch.nonzero(inside, as_tuple=True)
    x, y = spots[n, p, k, nth].unbind(1)
    said = maps.unflatten(1, (joints, 2))[n, k, :, y, x]
    wanted = places[n, p, k].flip(-1) - torch.stack([y, x], 1)
    weight = weights[n, p, k]
    return ((said - wanted).abs().sum(1) * weight).sum() / weight.sum().clamp(min=1)
