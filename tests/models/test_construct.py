import copy

import pytest
import torch
from torch import nn

from edge_pose.models.construct import SideBySide
from edge_pose.models.hrnet import build_hrnet
from edge_pose.models.resnet import build_simplebaseline

BUILDS = [
    pytest.param(lambda **more: build_hrnet(8, **more), id="hrnet"),
    pytest.param(lambda **more: build_hrnet(8, attention="psa-s", **more), id="psa"),
    pytest.param(lambda **more: build_simplebaseline(50, head="rle", **more), id="rle"),
    pytest.param(lambda **more: build_simplebaseline(50, head="simdr", input_hw=(64, 64), **more), id="simdr"),
]


@pytest.mark.parametrize("build", BUILDS)
def test_nothing_is_drawn_that_a_checkpoint_replaces(build):
    before = torch.get_rng_state()
    net = build()
    assert torch.equal(torch.get_rng_state(), before)
    with torch.inference_mode():
        result = net(torch.zeros(1, 3, 64, 64))
    results = result if isinstance(result, tuple) else (result,)
    assert all(bool(r.isnan().all()) for r in results)  # forgotten weights cannot be overlooked


@pytest.mark.parametrize("build", BUILDS)
def test_weights_are_drawn_when_asked_for(build):
    torch.manual_seed(0)
    net, x = build(init=True), torch.randn(2, 3, 64, 64)
    assert all(bool(value.isfinite().all()) for value in net.state_dict().values())
    torch.manual_seed(0)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), build(init=True).parameters(), strict=True))
    result = net.train()(x)
    sum(r.square().sum() for r in (result if isinstance(result, tuple) else (result,))).backward()
    used = {name: p for name, p in net.named_parameters() if not name.startswith("flow.")}
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in used.values())
    assert any(bool(p.grad.any()) for p in used.values())


@pytest.mark.parametrize("init", [False, True])
def test_normalisation_starts_as_the_identity(init):
    for layer in build_hrnet(8, init=init).modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert bool((layer.weight == 1).all() and (layer.bias == 0).all())
            assert bool((layer.running_mean == 0).all() and (layer.running_var == 1).all())


def test_side_by_side_owns_its_layers_once_and_moves_as_one():
    net = SideBySide(nn.Sequential(nn.Linear(2, 3)), nn.ModuleDict({"last": nn.Identity()}))
    assert list(net.state_dict()) == ["0.weight", "0.bias"]

    net = build_hrnet(8, init=True)
    twin = copy.deepcopy(net).double()
    x = torch.zeros(1, 3, 32, 32)
    with torch.inference_mode():
        assert twin(x.double()).dtype == torch.float64
        assert net(x).dtype == torch.float32  # the copy has its own layers


def test_a_layer_put_in_place_of_another_is_used():
    net, x = build_hrnet(8, init=True), torch.ones(1, 3, 32, 32)
    with torch.inference_mode():
        before = net(x)
        net.conv1 = nn.Conv2d(3, 64, 3, 2, 1)
        assert not torch.equal(net(x), before)
        net.final_layer = nn.Identity()
        assert net(x).shape[1] == 8
