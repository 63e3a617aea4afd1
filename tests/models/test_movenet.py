"""MoveNet Lightning and Thunder against the vectors of the re-implementation whose names we keep."""

import numpy as np
import pytest
import torch

from edge_pose.errors import ShapeError, SpecError
from edge_pose.models.movenet import build_movenet
from tests import golden_weights

VARIANTS = ("lightning", "thunder")
HEADS = ("hm", "hps", "hm_hp", "hp_offset")


def filled(golden_json, variant, **options):
    """Build the network with the golden weights, and the golden input."""
    about = golden_json(f"net_movenet_{variant}")
    net = build_movenet(variant, **options)
    golden_weights.load_into(net, about["seed"], about["gain"])
    pictures = np.random.default_rng(about["seed"]).integers(0, 256, about["input_shape"]).astype(np.float32)
    return net, torch.from_numpy(pictures)


def gap(got, wanted):
    return np.abs(got - wanted).max() / wanted.std()


@pytest.mark.golden
@pytest.mark.parametrize("variant", VARIANTS)
def test_names_and_shapes_are_those_of_the_published_checkpoints(golden_json, variant):
    state = build_movenet(variant).state_dict()
    assert [[name, list(value.shape)] for name, value in state.items()] == golden_json(f"net_movenet_{variant}")["keys"]


@pytest.mark.golden
@pytest.mark.parametrize("variant", VARIANTS)
def test_heads_features_and_joints_are_the_reference_s(golden, golden_json, variant):
    net, pictures = filled(golden_json, variant, decode="outside")
    wanted = golden(f"net_movenet_{variant}")
    features = []
    net.backbone.register_forward_hook(lambda *args: features.append(args[2].numpy().reshape(-1)))
    with torch.no_grad():
        heads = net(pictures)
        joints = net.decoder(*heads).numpy()
    assert gap(features[0][wanted["backbone_pos"]], wanted["backbone_stats"]) < 1e-4
    for name, head in zip(HEADS, heads, strict=True):
        if f"head_{name}" in wanted:
            assert gap(head.numpy(), wanted[f"head_{name}"]) < 1e-4, name
        else:
            assert gap(golden_weights.samples(head.numpy(), 400)[2], wanted[f"head_{name}_val400"]) < 1e-4, name
    assert joints.shape == wanted["out_kpts_yx_score"].shape
    np.testing.assert_allclose(joints, wanted["out_kpts_yx_score"], atol=1e-5)


@pytest.mark.golden
def test_decoding_inside_the_graph_is_the_reference_s(golden):
    """Planted heads: no joints, a flat centre map, peaks at borders."""
    wanted = golden("movenet_decode_leeman")
    count, height, width, _ = wanted["hps"].shape
    names = ("hm_logit", "hps", "hm_hp_logit", "hp_offset")
    heads = [torch.from_numpy(wanted[name][:count].astype(np.float32)).permute(0, 3, 1, 2) for name in names]
    net = build_movenet("lightning", input_hw=(4 * height, 4 * width))
    with torch.no_grad():
        got = net.decoder(*heads).numpy()
        # All heads that only say where the person is, through the nearness table alone.
        centre = torch.from_numpy(wanted["hm_logit"].astype(np.float32)).permute(0, 3, 1, 2)
        person = (torch.sigmoid(centre).flatten(1) * net.decoder.nearness.flatten()).argmax(1)
    np.testing.assert_allclose(got[:, 0], wanted["out_yx_score"], atol=1e-6)
    np.testing.assert_array_equal(person.numpy(), wanted["center_index"])
    np.testing.assert_allclose(net.decoder.nearness.numpy(), wanted["weight_to_center"], rtol=1e-6)


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(1)
    return build_movenet("lightning", init=True)


@pytest.fixture(scope="module")
def pictures():
    return torch.from_numpy(np.random.default_rng(2).integers(0, 256, (3, 192, 192, 3), dtype=np.uint8))


def test_a_batch_gives_what_single_pictures_give(net, pictures):
    with torch.no_grad():
        together, alone = net(pictures), torch.cat([net(picture[None]) for picture in pictures])
    assert together.shape == (3, 1, 17, 3)
    torch.testing.assert_close(together, alone)


def test_nobody_asked_nobody_found(net, pictures):
    with torch.no_grad():
        assert net(pictures[:0]).shape == (0, 1, 17, 3)


def test_layouts_and_number_types_give_the_same(net, pictures):
    other = build_movenet("lightning", layout="nchw")
    other.load_state_dict(net.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(other(pictures.permute(0, 3, 1, 2).float()), net(pictures))


def test_decoding_outside_gives_the_maps_that_inside_decodes(net, pictures):
    outside = build_movenet("lightning", decode="outside")
    outside.load_state_dict(net.state_dict())
    with torch.no_grad():
        heads = outside(pictures)
        torch.testing.assert_close(net.decoder(*heads), net(pictures))
    assert [tuple(head.shape) for head in heads] == [(3, channels, 48, 48) for channels in (1, 34, 17, 34)]


def test_another_size_needs_another_network_and_then_works():
    with torch.no_grad():
        found = build_movenet("lightning", input_hw=(96, 160), init=True)(torch.zeros(1, 96, 160, 3))
    assert found.shape == (1, 1, 17, 3)


@pytest.mark.parametrize("shape", [(1, 3, 192, 192), (1, 191, 192, 3), (192, 192, 3)])
def test_pictures_of_another_shape_are_refused(net, shape):
    with pytest.raises(ShapeError, match=r"\(N, 192, 192, 3\)"):
        net(torch.zeros(shape))


@pytest.mark.parametrize(
    ("variant", "options"),
    [
        ("lightening", {}),
        ("thunder", {"decode": "both"}),
        ("thunder", {"layout": "hwc"}),
        ("thunder", {"input_hw": (0, 32)}),
    ],
)
def test_words_and_sizes_that_mean_nothing_are_refused(variant, options):
    with pytest.raises(SpecError):
        build_movenet(variant, **options)


def test_weights_that_nobody_loaded_are_seen_at_once():
    assert all(
        value.isnan().all() for name, value in build_movenet("lightning").state_dict().items() if "weight" in name
    )
