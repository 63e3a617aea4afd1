import math

import pytest
import torch

from edge_pose.errors import SpecError
from edge_pose.models.attention import KINDS, ParallelPSA, SequentialPSA
from edge_pose.models.blocks import BasicBlock
from edge_pose.models.hrnet import build_hrnet
from tests.models.support import check_network, check_onnx


@pytest.mark.golden
@pytest.mark.parametrize(("name", "kind"), [("net_psa_p", "psa-p"), ("net_psa_s", "psa-s")])
def test_attention_is_that_of_the_authors(golden, golden_json, name, kind):
    spec = golden_json(name)
    check_network(KINDS[kind](spec["input_shape"][1]), spec, golden(name))


def without_weights(module):
    for parameter in module.parameters():
        torch.nn.init.zeros_(parameter)
    return module


def test_without_weights_every_channel_and_cell_counts_the_same():
    x = torch.randn(2, 8, 4, 3)
    half, cell = 0.5, 1 / (1 + math.exp(-1 / 12))  # sigmoid of nothing, and of one twelfth: the share of each cell
    torch.testing.assert_close(without_weights(ParallelPSA(8))(x), (half + cell) * x)
    torch.testing.assert_close(without_weights(SequentialPSA(8))(x), half * half * x)


@pytest.mark.parametrize("kind", KINDS)
def test_nobody(kind):
    assert KINDS[kind](8)(torch.zeros(0, 8, 4, 3)).shape == (0, 8, 4, 3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [0, 7])
def test_channels_must_come_in_pairs(kind, channels):
    with pytest.raises(SpecError, match=f"channels must be even and positive .* got {channels}"):
        KINDS[kind](channels)


@pytest.mark.parametrize("kind", KINDS)
def test_hrnet_has_it_in_every_block_of_its_branches(kind):
    """Liu et al. 2021: after the first 3x3 convolution. Blocks: 4 * (1 * 2 + 4 * 3 + 3 * 4) branches."""
    plain, net = build_hrnet(8), build_hrnet(8, attention=kind)
    added = [key for key in net.state_dict() if ".deattn." in key]
    assert [key for key in net.state_dict() if ".deattn." not in key] == list(plain.state_dict())
    assert len({key.partition(".deattn.")[0] for key in added}) == 104
    assert all(".branches." in key for key in added)


def test_it_stands_between_the_first_activation_and_the_second_convolution():
    seen = []

    class Silence(torch.nn.Module):
        def forward(self, x):
            seen.append(x)
            return x * 0

    block, x = BasicBlock(8, attention=lambda channels: Silence()).eval(), torch.randn(1, 8, 6, 6)
    torch.testing.assert_close(block(x), x.relu())  # nothing reaches the second convolution, only the shortcut is left
    torch.testing.assert_close(seen[0], block.bn1(block.conv1(x)).relu())


@pytest.mark.parametrize("kind", KINDS)
def test_onnx_gives_the_same_at_any_batch(kind):
    torch.manual_seed(0)
    check_onnx(KINDS[kind](16), torch.randn(3, 16, 6, 5))
