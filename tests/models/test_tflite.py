"""Google's TFLite files: the network they give, the ways they are written, and what happens when they are not that."""

import cv2
import numpy as np
import onnxruntime
import pytest
import torch

from edge_pose.errors import CheckpointError
from edge_pose.models.checkpoints import load_checkpoint, load_into
from edge_pose.models.movenet import build_movenet
from edge_pose.models.movenet_tflite import movenet_from_tflite
from edge_pose.models.onnx_weights import read_onnx
from edge_pose.models.tflite import read_tflite
from tests.models.tflite_writer import CONV, RELU, Graph, movenet_graph, write

PHOTOS = [
    "images/bus.jpg",
    "images/zidane.jpg",
    *(f"images/mmpose_coco/{n:012}.jpg" for n in (785, 40083, 196141, 197388)),
]
PHOTOS += [f"images/coco_mini/{n:012}.jpg" for n in (139, 790, 30752, 34417, 37666, 151938, 172648, 488571)]


@pytest.fixture(scope="module")
def google(asset):
    """Google's int8 Lightning in our network."""
    net = build_movenet("lightning")
    load_into(net, load_checkpoint(asset("models/movenet_lightning_int8.tflite")))
    return net


@pytest.fixture(scope="module")
def reference(asset):
    """The same file, made into ONNX by tf2onnx."""
    return onnxruntime.InferenceSession(str(asset("models/movenet_lightning.onnx")))


def square(path):
    """Pad with zeros to a square, as MoveNet wants it, and shrink."""
    image = cv2.imread(str(path))[:, :, ::-1]
    height, width = image.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    padded = np.pad(image, ((top, side - height - top), (left, side - width - left), (0, 0)))
    return cv2.resize(padded, (192, 192), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("photo", PHOTOS)
def test_on_photos_the_network_gives_what_google_s_file_gives(google, reference, asset, photo):
    picture = square(asset(photo))[None]
    (wanted,) = reference.run(None, {reference.get_inputs()[0].name: picture})
    with torch.no_grad():
        got = google(torch.from_numpy(picture)).numpy()
    np.testing.assert_allclose(got, wanted, atol=1e-3)


def test_every_weight_is_bit_for_bit_that_of_tf2onnx(asset):
    weights = movenet_from_tflite(read_tflite(asset("models/movenet_lightning_int8.tflite")))
    theirs = set()
    for entry in read_onnx(asset("models/movenet_lightning.onnx")).initializers.values():
        buffer = bytearray(entry.storage.size)
        entry.storage.read_into(memoryview(buffer))
        theirs.add((entry.shape, bytes(buffer)))
    missing = [
        name
        for name, value in weights.items()
        if "decoder" not in name and (value.shape, value.tobytes()) not in theirs
    ]
    assert len(weights) == 148 + 3
    assert missing == []


def random_state(variant):
    torch.manual_seed(3)
    return {name: value.numpy() for name, value in build_movenet(variant, init=True).state_dict().items()}


@pytest.mark.parametrize("variant", ["lightning", "thunder"])
@pytest.mark.parametrize(("precision", "allowed"), [("float32", 0.0), ("float16", 2**-11), ("int8", 0.5 / 127)])
def test_all_precisions_of_both_variants_are_read(tmp_path, variant, precision, allowed):
    """allowed: rounding, as a share of the largest weight of the channel."""
    state = random_state(variant)
    path = tmp_path / "movenet.tflite"
    path.write_bytes(write(movenet_graph(state, 192 if variant == "lightning" else 256, precision)))
    net = build_movenet(variant)
    report = load_into(net, load_checkpoint(path))
    assert (report.missing, report.left_over) == ((), ())
    for name, got in net.state_dict().items():
        rounding = np.abs(state[name]).max() * allowed * 1.01
        np.testing.assert_allclose(got.numpy(), state[name], rtol=0, atol=rounding, err_msg=name)


@pytest.mark.parametrize("order", [("hps", "hp_offset", "hm_hp", "hm"), ("hp_offset", "hm", "hps", "hm_hp")])
@pytest.mark.parametrize("laterals_late", [False, True])
def test_the_order_in_which_the_converter_wrote_the_operators_does_not_matter(tmp_path, order, laterals_late):
    state = random_state("lightning")
    path = tmp_path / "movenet.tflite"
    path.write_bytes(write(movenet_graph(state, 192, head_order=order, laterals_late=laterals_late)))
    weights = movenet_from_tflite(read_tflite(path))
    assert weights.keys() == state.keys()
    for name, got in weights.items():
        np.testing.assert_array_equal(got, state[name], err_msg=name)


def change(graph, kind, nth, **options):
    """Change the nth operator of a kind."""
    [op for op in graph.operators if op["kind"] == kind][nth].update(options)


def drop_bias(graph):
    [op for op in graph.operators if op["kind"] == CONV][2]["inputs"].pop()


def drop_heads(graph):
    graph.operators = [op for op in graph.operators if op["output"] != graph.output]
    graph.output = graph.operators[-1]["output"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda g: change(g, CONV, 0, stride=1), r"backbone\.body\.0\.1, must move by 2"),
        (lambda g: change(g, CONV, 5, activation=RELU), r"backbone\.body\.\d+\.conv\.\d.* must end with"),
        (drop_bias, r"backbone\.body\.2\.conv\.0\.0, must have weights and bias"),
        (drop_heads, "looked up where the 17 heatmaps peak"),
    ],
)
def test_a_graph_that_is_not_movenet_s_names_where(tmp_path, spoil, message):
    graph = movenet_graph(random_state("lightning"), 192)
    spoil(graph)
    path = tmp_path / "movenet.tflite"
    path.write_bytes(write(graph))
    with pytest.raises(CheckpointError, match=message):
        movenet_from_tflite(read_tflite(path))


def test_another_network_keeps_its_own_names_and_says_why(tmp_path):
    graph = Graph()
    state = {"only.weight": np.ones((2, 3, 1, 1), np.float32), "only.bias": np.zeros(2, np.float32)}
    graph.output = graph.conv(graph.tensor((1, 8, 8, 3)), state, "only")
    path = tmp_path / "other.tflite"
    path.write_bytes(write(graph))
    checkpoint = load_checkpoint(path)
    assert [tuple(value.shape) for value in checkpoint.tensors.values()] == [(2, 1, 1, 3), (2,)]
    assert "no MoveNet: MoveNet ends in convolutions with 1, 17, 34 and 34 channels" in checkpoint.warnings[0]


def test_weights_of_thunder_do_not_go_into_lightning(tmp_path):
    path = tmp_path / "movenet.tflite"
    path.write_bytes(write(movenet_graph(random_state("thunder"), 256)))
    with pytest.raises(CheckpointError, match=r"of another shape .*look like movenet-thunder"):
        load_into(build_movenet("lightning"), load_checkpoint(path))


def test_a_damaged_file_is_refused_or_read_never_worse(asset, tmp_path):
    """Bytes changed at random, most of them in the tables, and files cut off."""
    whole, path = asset("models/movenet_lightning_int8.tflite").read_bytes(), tmp_path / "damaged.tflite"
    refused = 0
    for damage in range(150):
        rng, data = np.random.default_rng(damage), bytearray(whole)
        if damage % 3 == 0:
            del data[rng.integers(len(data)) :]
        else:
            first = 0 if damage % 3 == 1 else len(data) - 90_000  # the tables are at both ends
            for at in rng.integers(first, first + 90_000, 20):
                data[at] = rng.choice([0, 1, 0x7F, 0xFF, rng.integers(256)])
        path.write_bytes(data)
        try:
            movenet_from_tflite(read_tflite(path))
        except CheckpointError as err:
            assert str(err)
            refused += 1
    assert refused > 75
