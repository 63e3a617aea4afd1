"""What the four heads should say of the one person of a picture, and how far they are from it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from edge_pose.models.nano import STRIDE
from edge_pose.skeleton import COCO17

WIDTH = 0.6  # of a joint's peak, in standard deviations of its OKS
NARROWEST, WIDEST = 0.7, 3.0  # cells
USUAL = 1.0  # cells: maps of peaks this wide count as they are
LEAST_MASS = 0.3  # of a map that wants something: a peak at the border has this much of it inside
SHARE, LEAST_SIGMA, MOST_SIGMA = 0.12, 0.7, 2.0  # sigma of the centre's peak: of the body's size; cells
REACH = 1  # cells around a joint that know the way to it


def losses(heads: tuple[Tensor, ...], joints: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """Return each head's loss.

    joints (N, 17, 2): input pixels; weights (N, 17): 1 seen, between 0 and 1 less sure, 0 outside or unknown.
    A row whose weights are all 0 is nobody.

    A joint's peak is about as wide as its OKS: the greatest value of the map is then where most OKS is to be expected,
    also of joints that cannot be seen.
    """
    centre, regression, heatmaps, offsets = heads
    cells = joints / STRIDE - 0.5  # in the grid of cell centres
    there = weights > 0
    person = there.any(1)
    low = torch.where(there[..., None], cells, cells.new_tensor(1e6)).amin(1)
    high = torch.where(there[..., None], cells, cells.new_tensor(-1e6)).amax(1)
    middle = torch.where(person[:, None], (low + high) / 2, cells.new_tensor(-1e3))
    extent = torch.where(person[:, None], high - low, cells.new_tensor(10.0)).clamp(min=1)
    size = extent.amax(1).clamp(2, 30)
    sigma = (size * SHARE).clamp(LEAST_SIGMA, MOST_SIGMA)
    sigmas = torch.tensor(COCO17.sigmas, dtype=cells.dtype) * (2 * WIDTH)
    sigmas = (sigmas * extent.prod(1).sqrt()[:, None]).clamp(NARROWEST, WIDEST)

    focal, where = _maps(heatmaps, cells, sigmas, weights, (USUAL / sigmas) ** 2)
    middle_focal, middle_where = _maps(centre, middle[:, None], sigma[:, None], person[:, None].to(cells.dtype), USUAL)
    return {
        "centre": middle_focal,
        "heatmap": focal,
        "where": where + middle_where / 4,
        "regression": _regression(regression, cells, weights, middle, sigma, size),
        "offset": _offset(offsets, joints / STRIDE, cells, weights),
    }


def _maps(
    logits: Tensor, at: Tensor, sigma: Tensor, height: Tensor, worth: Tensor | float = 1.0
) -> tuple[Tensor, Tensor]:
    """Return two distances of maps (N, K, S, S) from peaks at cells (N, K, 2), sigma cells wide and 0..1 high.

    worth: what the first of a map with a peak counts.

    The first is cross-entropy weighed by the squared error (Li et al. 2020, eq. 3), per peak: it makes the height of a
    peak a probability, and silences maps of what is not there. The second is the Kullback-Leibler divergence of a map,
    as shares of its sum: it asks where the peak is, which the first, cell by cell, learns late.
    """
    grid = torch.arange(logits.shape[-1], dtype=at.dtype, device=at.device)
    spread = (2 * sigma * sigma)[..., None]
    across = -((grid - at[..., :1]) ** 2) / spread
    down = -((grid - at[..., 1:]) ** 2) / spread
    exponent = down[..., :, None] + across[..., None, :]
    wanted = torch.exp(exponent) * height[..., None, None]

    log = F.logsigmoid(logits)
    said = log.exp()
    entropy = logits - log - wanted * logits
    focal = (entropy * (said - wanted) ** 2).sum((2, 3))
    here = height > 0
    count = here.sum().clamp(min=len(wanted))

    mass = wanted.sum((2, 3))
    known = mass > LEAST_MASS * height.clamp(min=0.1)
    share = wanted / mass.clamp(min=1e-6)[..., None, None]
    against = said.sum((2, 3)).clamp(min=1e-9).log() - (share * log).sum((2, 3))
    itself = (share * exponent).sum((2, 3)) + (height.clamp(min=1e-6) / mass.clamp(min=1e-6)).log()
    where = torch.where(known, against + itself, 0.0).sum() / known.sum().clamp(min=1)
    return (focal * torch.where(here, worth, 1.0)).sum() / count, where


def _regression(maps: Tensor, cells: Tensor, weights: Tensor, middle: Tensor, sigma: Tensor, size: Tensor) -> Tensor:
    """Distance of the expected joints, in shares of the body, in the cells around the person's middle."""
    grid = torch.arange(maps.shape[-1], dtype=cells.dtype, device=cells.device)
    radius = sigma * 1.35  # where a peak of this sigma has fallen to 0.4
    far = (grid - middle[:, 1:])[:, :, None] ** 2 + (grid - middle[:, :1])[:, None, :] ** 2  # (N, y, x)
    n, y, x = torch.nonzero(far < radius[:, None, None] ** 2, as_tuple=True)
    if not len(n):
        return maps.sum() * 0
    said = maps.unflatten(1, (cells.shape[1], 2))[n, :, :, y, x]  # (M, 17, 2): y, x
    wanted = cells[n].flip(-1) - torch.stack([y, x], 1)[:, None].to(cells.dtype)
    weight = weights[n]
    error = F.smooth_l1_loss(said, wanted, reduction="none", beta=0.5).sum(2) / size[n][:, None]
    return (error * weight).sum() / weight.sum().clamp(min=1)


def _offset(maps: Tensor, places: Tensor, cells: Tensor, weights: Tensor) -> Tensor:
    """Distance in cells of the finer place that the cells around a joint tell; decoding adds it to row and column."""
    joints = cells.shape[1]
    nearest = cells.round().long()
    near = torch.arange(-REACH, REACH + 1, device=maps.device)
    spots = nearest[:, :, None] + torch.stack(torch.meshgrid(near, near, indexing="ij"), -1).view(-1, 2)
    inside = ((spots >= 0) & (spots < maps.shape[-1])).all(-1) & (weights > 0)[..., None]
    n, k, nth = torch.nonzero(inside, as_tuple=True)
    x, y = spots[n, k, nth].unbind(1)
    said = maps.unflatten(1, (joints, 2))[n, k, :, y, x]
    wanted = places[n, k].flip(-1) - torch.stack([y, x], 1)
    weight = weights[n, k]
    return ((said - wanted).abs().sum(1) * weight).sum() / weight.sum().clamp(min=1)
