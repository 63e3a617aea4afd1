"""The other MoveNet re-implementation against its authors' vectors."""

import numpy as np
import pytest
import torch

from edge_pose.models.movenet_fire717 import build_movenet_fire717
from tests import golden_weights


@pytest.mark.golden
def test_names_shapes_stages_and_outputs_are_the_reference_s(golden, golden_json):
    about, wanted = golden_json("net_movenet_fire717"), golden("net_movenet_fire717")
    net = build_movenet_fire717()
    assert [[name, list(value.shape)] for name, value in net.state_dict().items()] == about["keys"]
    golden_weights.load_into(net, about["seed"], about["gain"])
    stages = {}
    for name in about["stage_stats"]:
        net.get_submodule(name).register_forward_hook(lambda *args, name=name: stages.update({name: args[2].numpy()}))
    with torch.no_grad():
        maps = net(torch.from_numpy(golden_weights.make_input(about["input_shape"], about["input_seed"])))
    for name, said in about["stage_stats"].items():
        assert list(stages[name].shape) == said["shape"]
        np.testing.assert_allclose(stages[name].reshape(-1)[said["pos"]], said["val"], atol=1e-4 * said["std"])
    assert len(maps) == 4
    for index, got in enumerate(maps):
        reference = wanted[f"out_{index}"]
        assert np.abs(got.numpy() - reference).max() <= 1e-4 * reference.std(), index


def test_no_picture_gives_no_maps():
    with torch.no_grad():
        maps = build_movenet_fire717(init=True)(torch.zeros(0, 3, 192, 192))
    assert [tuple(part.shape) for part in maps] == [(0, channels, 48, 48) for channels in (17, 1, 34, 34)]
