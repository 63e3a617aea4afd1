"""edge-pose-nano's network: what comes out, and that its raw heads mean the same in the graph and in the core."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from edge_pose.errors import SpecError
from edge_pose.estimators.decoding import decode_crops
from edge_pose.geometry import Affine
from edge_pose.models.catalog import entry
from edge_pose.models.nano import STRIDE, build_nano
from edge_pose.spec import MovenetDecode


@pytest.fixture
def net():
    torch.manual_seed(0)
    net = build_nano(decode="outside", layout="nchw", init=True)
    for head in (net.hm, net.hm_hp):  # peaks of which some are far from where the regression expects them
        torch.nn.init.normal_(head[-1].weight, std=5.0)
    return net


def test_it_has_what_the_package_may_hold(net):
    assert sum(p.numel() for p in net.parameters()) <= 1_500_000


@pytest.mark.parametrize("hw", [(192, 192), (128, 224)])
def test_heads_have_a_cell_for_eight_pixels(net, hw):
    other = build_nano(decode="outside", layout="nchw", input_hw=hw)
    other.load_state_dict(net.state_dict())
    with torch.no_grad():
        shapes = [tuple(head.shape) for head in other(torch.rand(2, 3, *hw) * 255)]
    assert shapes == [(2, c, hw[0] // STRIDE, hw[1] // STRIDE) for c in (1, 34, 17, 34)]


def test_the_core_decodes_raw_heads_as_the_graph_does(net):
    pictures = torch.rand(4, 3, 192, 192, generator=torch.Generator().manual_seed(1)) * 255
    with torch.no_grad():
        heads = net(pictures)
        rows = net.decoder(*heads)[:, 0].numpy()
    spec = entry("edge-pose-nano").spec(decode="outside", layout="nchw")
    home = np.tile(np.array([[1.5, 0, 7], [0, 1.5, -3]]), (4, 1, 1))
    xy, scores = decode_crops(spec, [head.numpy() for head in heads], Affine(home))
    np.testing.assert_allclose(xy, rows[..., 1::-1] * 192 * 1.5 + [7, -3], atol=1e-2)
    np.testing.assert_allclose(scores, rows[..., 2], atol=1e-5)
    movenets = replace(spec, decode=replace(spec.decode, fall_off=MovenetDecode().fall_off))
    nearer, _ = decode_crops(movenets, [head.numpy() for head in heads], Affine(home))
    assert np.abs(nearer - xy).max() > 1  # or this shows nothing of fall_off
    alone = replace(spec, decode=replace(spec.decode, votes=False))
    one, _ = decode_crops(alone, [head.numpy() for head in heads], Affine(home))
    assert np.abs(one - xy).max() > 0.1  # nor this of votes


@pytest.mark.parametrize("hw", [(190, 192), (16, 192)])
def test_sides_that_do_not_fit_are_refused(hw):
    with pytest.raises(SpecError, match="multiples of 32"):
        build_nano(input_hw=hw)
