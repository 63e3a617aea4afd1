import math

import numpy as np
import pytest
import torch

from edge_pose.errors import ShapeError
from edge_pose.models.flow import RealNVP
from edge_pose.models.heads import HeatmapHead, RLENet, SimDRHead, UnitLinear
from edge_pose.models.hrnet import build_hrnet
from edge_pose.models.keymaps import native_key
from edge_pose.models.resnet import build_simplebaseline
from tests.models.support import (
    TOLERANCE,
    check_network,
    error_in_stds,
    layout,
    seeded_input,
    spec_layout,
)


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("net_simdr_hrnet_w32_256x192", lambda: build_hrnet(32, head="simdr")),
        ("net_simdr_hrnet_w32_256x192", lambda: build_hrnet(32, head="simdr-star")),  # one network, other targets
        ("net_simdr_res50_upfree_256x192", lambda: build_simplebaseline(50, head="simdr", deconv=False)),
        ("net_simdr_res50_upfree_256x192", lambda: build_simplebaseline(50, head="simdr-star", deconv=False)),
        ("net_sithu_simdr_w32_256x192", lambda: build_hrnet(32, head="simdr")),  # other names
    ],
)
def test_simdr_logits_are_those_of_the_authors(golden, golden_json, name, build):
    # sithu31296 calls the whole of HRNet "backbone"; its output is the first map of stage 4.
    check_network(build(), golden_json(name), golden(name), native_key, {"backbone": "stage4.0"})


@pytest.mark.golden
def test_rle_is_that_of_the_authors(golden, golden_json):
    spec, want = golden_json("net_rle_res50_256x192"), golden("net_rle_res50_256x192")
    net = build_simplebaseline(50, head="rle")
    assert layout(net) == spec_layout(spec)
    # The mask is a constant: it must be right without a checkpoint.
    np.testing.assert_array_equal(net.flow.mask, spec["constants"]["flow.mask"])

    scores = {k: want.pop(k) for k in ("out_maxvals", "flow_in", "flow_log_prob")}
    check_network(net, spec, want)
    with torch.inference_mode():
        _, sigma = net(seeded_input(spec))
        log_prob = net.flow.log_prob(torch.from_numpy(scores["flow_in"]))
    assert error_in_stds((1 - sigma).mean(2, keepdim=True).numpy(), scores["out_maxvals"]) <= TOLERANCE
    assert error_in_stds(log_prob.numpy(), scores["flow_log_prob"]) <= TOLERANCE


def test_a_flow_without_weights_is_a_standard_normal():
    flow = RealNVP()
    for parameter in flow.parameters():
        torch.nn.init.zeros_(parameter)
    errors = torch.tensor([[0.0, 0.0], [1.0, 2.0]])
    want = torch.tensor([0.0, -2.5]) - math.log(2 * math.pi)  # -(1 + 4) / 2
    torch.testing.assert_close(flow.log_prob(errors), want)
    assert flow.log_prob(torch.zeros(0, 2)).shape == (0,)


def test_a_flow_is_a_density():
    """Any weights: the exponential of log_prob integrates to one over the plane."""
    torch.manual_seed(0)
    side = torch.linspace(-12, 12, 481)
    grid = torch.cartesian_prod(side, side)
    with torch.inference_mode():
        mass = RealNVP().log_prob(grid).exp().sum() * (side[1] - side[0]) ** 2
    assert float(mass) == pytest.approx(1, abs=1e-3)


def test_unit_linear_sees_the_direction_only():
    layer = UnitLinear(2, 1)
    with torch.no_grad():
        layer.linear.weight.copy_(torch.tensor([[5.0, 10.0]]))
        layer.linear.bias.fill_(1.0)
        rows = layer(torch.tensor([[3.0, 4.0], [300.0, 400.0], [0.0, 0.0]]))
    assert rows.flatten().tolist() == pytest.approx([12, 12, 1])  # 5 * 0.6 + 10 * 0.8 + 1; nothing gives the bias


def test_simdr_is_tied_to_its_input_size():
    net = build_hrnet(8, head="simdr", input_hw=(64, 96), init=True)
    with torch.inference_mode():
        x, y = net(torch.zeros(2, 3, 64, 96))
        assert (x.shape, y.shape) == ((2, 17, 192), (2, 17, 128))  # two bins per pixel of width, of height
        assert net(torch.zeros(0, 3, 64, 96))[0].shape == (0, 17, 192)
        with pytest.raises(ShapeError, match=r"must be \(16, 24\) cells .* got \(24, 16\)"):
            net(torch.zeros(2, 3, 96, 64))


@pytest.mark.parametrize("build", [build_hrnet, build_simplebaseline])
def test_rle_of_nobody(build):
    net = build(head="rle", init=True)
    with torch.inference_mode():
        xy, sigma = net(torch.zeros(0, 3, 64, 64))
    assert (xy.shape, sigma.shape) == ((0, 17, 2), (0, 17, 2))


def test_heads_take_maps_of_any_channels():
    maps = torch.zeros(2, 6, 4, 3)
    assert HeatmapHead(6, 5)(maps).shape == (2, 5, 4, 3)
    x, y = SimDRHead(6, 5, 8, (32, 24), maps=7)(maps)
    assert (x.shape, y.shape) == ((2, 5, 48), (2, 5, 64))
    assert RLENet(torch.nn.Identity(), 6, 5)(maps)[0].shape == (2, 5, 2)
