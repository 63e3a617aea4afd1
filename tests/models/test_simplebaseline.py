import pytest
import torch

from edge_pose.errors import SpecError
from edge_pose.models.resnet import VARIANTS, build_simplebaseline
from tests.models.support import check_network, check_onnx, parameter_count


@pytest.mark.golden
def test_heatmaps_are_those_of_the_authors(golden, golden_json):
    name = "net_simplebaseline_res50_256x192"
    check_network(build_simplebaseline(50), golden_json(name), golden(name))


@pytest.mark.parametrize(
    ("variant", "millions"),
    [
        ("simplebaseline-50", 34.0),  # Xiao et al. 2018, as counted by Sun et al. 2019, table 1
        ("simplebaseline-101", 53.0),
        ("simplebaseline-152", 68.6),
        ("simplebaseline-50-simdr", 36.8),  # Li et al. 2021 (SimDR)
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
        assert build_simplebaseline(init=True)(torch.zeros(0, 3, 64, 96)).shape == (0, 17, 16, 24)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"depth": 34}, "depth must be one of 50, 101, 152, got 34"),
        ({"deconv": False}, "deconv must be True for heatmaps"),
        ({"head": "RLE"}, "head must be one of"),
    ],
)
def test_an_unknown_option_is_refused(wrong, message):
    with pytest.raises(SpecError, match=message):
        build_simplebaseline(**wrong)


def test_onnx_gives_the_same_at_any_batch():
    torch.manual_seed(0)
    check_onnx(build_simplebaseline(init=True), torch.randn(2, 3, 64, 64))
