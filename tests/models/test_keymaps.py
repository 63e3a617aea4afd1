import pytest

from edge_pose.errors import CheckpointError
from edge_pose.models.hrnet import build_hrnet
from edge_pose.models.keymaps import native_key, native_state
from edge_pose.models.resnet import build_simplebaseline
from tests.models.support import layout, spec_layout


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("mmpose_hrnet_w32_keymap", lambda: build_hrnet(32)),
        ("mmpose_hrnet_w48_keymap", lambda: build_hrnet(48)),
        ("mmpose_res50_keymap", lambda: build_simplebaseline(50)),
        ("sithu_posehrnet_w32_keymap", lambda: build_hrnet(32)),
    ],
)
def test_foreign_names_become_those_of_the_authors(golden_json, name, build):
    keymap = golden_json(name)
    assert {key: native_key(key) for key in keymap["map"]} == keymap["map"]
    assert keymap.get("reference_keys_without_counterpart", []) == []
    # Each weight arrives under its name, and together they are the network that gives the same output.
    net = build()
    assert native_state(keymap["map"]) == {key: key for key in net.state_dict()}
    assert layout(net) == spec_layout(golden_json(keymap["same_output_file"]))


@pytest.mark.parametrize(
    ("key", "native"),
    [
        ("keypoint_head.deconv_layers.0.weight", "deconv_layers.0.weight"),  # MMPose 0.x
        ("module.conv1.weight", "conv1.weight"),  # DataParallel
        ("module.backbone.conv1.weight", "conv1.weight"),
        ("preact.conv1.weight", "preact.conv1.weight"),  # RLE: native
        ("mlp_head_x.weight", "mlp_head_x.weight"),  # not "head."
    ],
)
def test_prefixes(key, native):
    assert native_key(key) == native


def test_order_and_values_stay():
    assert list(native_state({"head.b": 2, "backbone.a": 1}).items()) == [("b", 2), ("a", 1)]
    assert native_state({}) == {}


def test_two_networks_in_one_file_are_refused():
    with pytest.raises(CheckpointError, match=r"two weights for 'conv1\.weight'"):
        native_state({"backbone.conv1.weight": 1, "module.conv1.weight": 2})
