from dataclasses import replace

import pytest
import torch
from torch import nn

from edge_pose.errors import ModelNotFoundError, SpecError
from edge_pose.models.catalog import MODELS, build, entry, identify, signature
from edge_pose.models.count import cost, cost_of
from edge_pose.models.keymaps import native_key
from edge_pose.strict import toml_values

# One small network of each family.
FAMILIES = ["movenet-lightning", "yolov5n", "yolov8n-pose", "yolo11n", "yolo26n-pose", "hrnet-w32", "simplebaseline-50"]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_by_name_takes_what_its_spec_says(name):
    about = MODELS[name].spec(input_hw=(64, 64)).input
    net = build(name, input_hw=(64, 64), init=True)
    assert not net.training
    shape = (3, *about.hw) if about.layout == "NCHW" else (*about.hw, 3)
    with torch.inference_mode():
        result = net(torch.rand(1, *shape))
    assert result.isfinite().all()


@pytest.mark.parametrize("name", MODELS)
def test_every_entry_has_a_spec_that_survives_its_file_form(name):
    spec = MODELS[name].spec()
    assert spec.name == name
    assert type(spec).from_json(spec.to_json()) == spec
    assert type(spec).from_toml(spec.to_toml()) == spec


@pytest.mark.parametrize(
    ("name", "options", "fact"),
    [
        ("yolov5n", {}, lambda s: (s.task, s.decode.objectness, s.decode.classes) == ("detection", True, 80)),
        ("yolov8n-pose", {}, lambda s: (s.task, s.decode.classes, s.input.hw) == ("pose", 1, (640, 640))),
        ("yolo11n", {"keypoints": 5}, lambda s: (s.task, len(s.skeleton)) == ("pose", 5)),
        ("yolo26n-pose", {}, lambda s: s.decode.end_to_end),
        ("yolo26n-pose", {"end_to_end": False}, lambda s: not s.decode.end_to_end),
        ("yolo26n", {"input_hw": (320, 480)}, lambda s: s.input.hw == (320, 480)),
        ("hrnet-w32", {}, lambda s: (s.transform, s.decode.family, s.input.hw) == ("classic", "heatmap", (256, 192))),
        ("hrnet-w48-384x288", {}, lambda s: s.input.hw == (384, 288)),
        ("hrnet-w32", {"head": "rle"}, lambda s: (s.decode.family, s.decode.origin) == ("regression", "center")),
        ("simplebaseline-50-simdr", {}, lambda s: (s.decode.score, s.decode.softmax) == ("max", True)),
        ("movenet-thunder", {}, lambda s: (s.input.hw, s.input.layout, s.decode.heads) == ((256, 256), "NHWC", False)),
        ("movenet-lightning", {"decode": "outside", "layout": "nchw"}, lambda s: s.decode.heads),
        ("movenet-lightning", {"layout": "nchw"}, lambda s: s.input.layout == "NCHW"),
    ],
)
def test_a_spec_follows_the_options(name, options, fact):
    assert fact(MODELS[name].spec(**options))


def test_the_zoo_says_the_same(request):
    """Two files state what published weights expect, one without torch: they must not drift apart."""
    zoo = toml_values((request.config.rootpath / "edge_pose" / "zoo.toml").read_text(encoding="utf-8"))
    both = [name for name in zoo if name in MODELS]
    assert both
    for name in both:
        ours, theirs = MODELS[name].spec(), zoo[name]["spec"]
        # A file may take bytes where the network takes numbers, and weights of others fit the same network.
        read = type(ours).from_dict({"name": name, "license": ours.license, "source": ours.source, **theirs})
        assert replace(read, input=replace(read.input, dtype="float32")) == ours


def test_an_unknown_name_names_the_nearest():
    with pytest.raises(ModelNotFoundError, match="'hrnet-w48'"):
        build("hrnet-w49")
    with pytest.raises(LookupError, match="known are"):
        entry("")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("yolov8n-pose", {"keypoint": 5}, "did you mean 'keypoints'"),
        ("yolov8n-pose", {"size": "x"}, "has no option 'size'"),  # the name says it
        ("yolov5n", {"keypoints": 5}, "yolov5n has no option 'keypoints'"),
        ("yolov8n", {"input_hw": (640, 600)}, "multiples of 32"),
        ("hrnet-w32", {"input_hw": (0, 192)}, "multiples of 32"),
    ],
)
def test_an_unknown_option_or_size_is_refused(name, options, message):
    for call in (MODELS[name].build, MODELS[name].spec):
        with pytest.raises(SpecError, match=message):
            call(**options)


@pytest.mark.parametrize("name", FAMILIES)
def test_weights_are_recognised(name):
    fits = identify(signature(name).items())
    assert fits[0] == (name, 1.0)
    assert all(fit < 1.0 for other, fit in fits if not other.startswith(name))


@pytest.mark.golden
@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("net_yolov5n", "yolov5n"),
        ("net_yolov8n", "yolov8n"),
        ("net_yolov8n_pose", "yolov8n-pose"),
        ("net_yolo11n", "yolo11n"),
        ("net_yolo11n_pose", "yolo11n-pose"),
        ("net_yolo26n", "yolo26n"),
        ("net_yolo26n_pose", "yolo26n-pose"),
        ("net_hrnet_w48_256x192", "hrnet-w48"),
        ("net_simplebaseline_res50_256x192", "simplebaseline-50"),
        ("net_movenet_thunder", "movenet-thunder"),
    ],
)
def test_the_authors_files_are_recognised(golden_json, reference, name):
    assert identify(golden_json(reference)["keys"])[0] == (name, 1.0)


def test_weights_with_other_peoples_prefixes_and_another_head_are_recognised():
    weights = dict(signature("hrnet-w48"))
    assert identify((f"module.backbone.{key}", shape) for key, shape in weights.items())[0] == ("hrnet-w48", 1.0)
    weights["final_layer.weight"] = (21, 48, 1, 1)
    name, fit = identify(weights.items())[0]
    assert name == "hrnet-w48"
    assert 0.99 < fit < 1.0


@pytest.mark.parametrize("weights", [[], [("classifier.weight", (1000, 512))]])
def test_what_is_no_network_of_ours_fits_nothing(weights):
    assert identify(weights) == []


def test_native_names_do_not_collide():
    for name in FAMILIES:
        with torch.device("meta"):
            keys = build(name).state_dict()
        assert len({native_key(key) for key in keys}) == len(keys)


def test_cost_by_hand():
    """A 3x3 convolution of 4 to 8 channels on 5x6 cells: 9 * 4 * 8 multiply-adds a cell."""
    net = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.BatchNorm2d(8))
    got = cost(net, torch.zeros(1, 4, 5, 6))
    assert got.flops == 2 * 9 * 4 * 8 * 30
    assert got.gflops == got.flops / 1e9
    assert got.parameters == 288 + 16 + 16
    assert got.deployed == 288 + 8 + 16  # the second one has nothing before it to fold into


def test_what_inference_does_not_use_is_not_deployed():
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.Linear(3, 2), nn.Linear(3, 5)

        def forward(self, x):
            return self.used(x)

    got = cost(Half(), torch.zeros(7, 3))
    assert (got.parameters, got.deployed, got.flops) == (8 + 20, 8, 2 * 7 * 3 * 2)


@pytest.mark.parametrize(
    ("name", "options", "gflops"),
    [
        ("yolov8n", {}, 8.7),  # docs.ultralytics.com/models/yolov8
        ("yolov8n-pose", {}, 9.2),
        ("yolov5s", {}, 16.5),
        ("hrnet-w32", {}, 2 * 7.68),  # MMPose's model zoo counts a multiply-add once
        ("simplebaseline-50", {}, 2 * 5.46),
    ],
)
def test_published_costs(name, options, gflops):
    assert cost_of(name, **options).gflops == pytest.approx(gflops, rel=0.01)


def test_cost_grows_with_the_picture():
    assert cost_of("yolov8n", input_hw=(320, 640)).flops * 2 == cost_of("yolov8n").flops


@pytest.mark.parametrize("name", FAMILIES)
def test_the_documented_table_has_these_numbers(request, name):
    """docs/models.md is written by benchmarks/model_table.py; a stale row fails here."""
    text = (request.config.rootpath / "docs" / "models.md").read_text(encoding="utf-8")
    (row,) = [line for line in text.splitlines() if line.startswith(f"| {name} |")]
    got = cost_of(name)
    numbers = [cell.strip() for cell in row.split("|")[3:6]]
    assert numbers == [f"{got.parameters / 1e6:.2f}", f"{got.deployed / 1e6:.2f}", f"{got.gflops:.2f}"]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("hrnet-w32", {"head": "simdr-sta"}, "head must be one of heatmap.*did you mean 'simdr-star'"),
        ("hrnet-w32", {"head": 3}, "head must be str, got 3"),
        ("hrnet-w32", {"joints": 0}, "joints must be 1 or more, got 0"),
        ("hrnet-w32", {"joints": "x"}, "joints must be int, got 'x'"),
        ("hrnet-w32", {"attention": "foo"}, "attention must be None or one of psa-p, psa-s"),
        ("movenet-lightning", {"decode": "foo"}, "decode must be inside or outside"),
        ("yolov8n", {"classes": 1.5}, "classes must be int, got 1.5"),
        ("yolo26n", {"end_to_end": 1}, "end_to_end must be bool, got 1"),
    ],
)
def test_a_specification_refuses_what_cannot_be_built(name, options, message):
    for action in (MODELS[name].spec, MODELS[name].build):
        with pytest.raises(SpecError, match=message):
            action(**options)
