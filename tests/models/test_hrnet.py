import pytest
import torch

from edge_pose.errors import ShapeError, SpecError
from edge_pose.models.hrnet import VARIANTS, build_hrnet
from tests.models.support import check_network, check_onnx, parameter_count


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "width"),
    [
        ("net_hrnet_w32_256x192", 32),
        ("net_hrnet_w48_256x192", 48),
        ("net_hrnet_w32_384x288", 32),  # the same weights' layout at another size
        ("net_hrnet_w32_128x96_b2", 32),  # batch 2
    ],
)
def test_heatmaps_are_those_of_the_authors(golden, golden_json, name, width):
    check_network(build_hrnet(width), golden_json(name), golden(name))


@pytest.mark.parametrize(
    ("variant", "millions"),
    [
        ("hrnet-w32", 28.5),  # Sun et al. 2019, table 1
        ("hrnet-w48", 63.6),
        ("hrnet-w32-384x288", 28.5),  # fully convolutional: the size changes nothing
        ("hrnet-w32-simdr", 31.3),  # Li et al. 2021 (SimDR)
        ("hrnet-w48-simdr", 66.3),
    ],
)
def test_published_parameter_counts(variant, millions):
    assert parameter_count(VARIANTS[variant]) / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_builds_ready_for_inference(variant):
    with torch.device("meta"):
        net = VARIANTS[variant]()
    assert not any(module.training for module in net.modules() if list(module.parameters(recurse=False)))


def test_nobody_is_an_empty_batch():
    with torch.inference_mode():
        assert build_hrnet(8, init=True)(torch.zeros(0, 3, 64, 32)).shape == (0, 17, 16, 8)


@pytest.mark.parametrize("hw", [(32, 32), (64, 96), (160, 128)])
def test_heatmaps_are_a_quarter_of_any_input_size(hw):
    with torch.inference_mode():
        maps = build_hrnet(8, joints=5, init=True)(torch.zeros(1, 3, *hw))
    assert maps.shape == (1, 5, hw[0] // 4, hw[1] // 4)


def test_a_batch_gives_what_its_rows_give():
    torch.manual_seed(0)
    net, x = build_hrnet(8, init=True), torch.randn(3, 3, 64, 64)
    with torch.inference_mode():
        rows = torch.cat([net(row[None]) for row in x])
        torch.testing.assert_close(net(x), rows, rtol=0, atol=1e-5 * float(rows.std()))


@pytest.mark.parametrize(
    "shape",
    [
        (1, 3, 250, 192),  # a side that the coarsest branch cannot divide
        (1, 1, 64, 64),  # grey
        (3, 64, 64),  # no batch
    ],
)
def test_an_input_that_does_not_fit_is_refused(shape):
    with pytest.raises(ShapeError, match=r"x must be \(N, 3, H, W\) with H and W multiples of 32, got"):
        build_hrnet(8)(torch.zeros(shape))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"width": 0}, "width must be 1 or more"),
        ({"attention": "psa"}, "attention must be None or one of psa-p, psa-s, got 'psa'"),
        ({"head": "simcc"}, "head must be one of heatmap, simdr, simdr-star, rle, got 'simcc'"),
        ({"head": "heatmaps"}, "did you mean 'heatmap'"),
        ({"joints": 0}, "joints must be 1 or more"),
        ({"input_hw": (250, 192)}, "input_hw must be .* multiples of 32"),
        ({"input_hw": (0, 192)}, "input_hw must be .* positive"),
    ],
)
def test_an_unknown_option_is_refused(wrong, message):
    with pytest.raises(SpecError, match=message):
        build_hrnet(**wrong)


@pytest.mark.parametrize("options", [{"width": 32}, {"width": 8, "head": "simdr"}, {"width": 8, "head": "rle"}])
def test_onnx_gives_the_same_at_any_batch(options):
    torch.manual_seed(0)
    check_onnx(build_hrnet(**options, input_hw=(64, 64), init=True), torch.randn(2, 3, 64, 64))
