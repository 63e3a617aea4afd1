"""Parameters of the density that YOLO26's pose loss learns beside the keypoints, so that its files load strictly."""

import torch
from torch import Tensor, nn

from edge_pose.models.flow import COUPLINGS, HIDDEN


class FlowParameters(nn.Module):
    """Weights of six affine couplings in the plane; a trained network is run without them, so there is no forward."""

    loc: Tensor
    cov: Tensor
    mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(2))
        self.register_buffer("cov", torch.eye(2))
        self.register_buffer("mask", torch.tensor([[0.0, 1.0], [1.0, 0.0]] * (COUPLINGS // 2)))
        self.s = nn.ModuleList(layers() for _ in range(COUPLINGS))
        self.t = nn.ModuleList(layers() for _ in range(COUPLINGS))


def layers() -> nn.Sequential:
    """Three linear layers under the numbers that they have between activations."""
    between = nn.Identity()
    return nn.Sequential(nn.Linear(2, HIDDEN), between, nn.Linear(HIDDEN, HIDDEN), between, nn.Linear(HIDDEN, 2))
