"""Write docs/models.md: python benchmarks/model_table.py [--check] [--output docs/models.md].

Sizes and costs are computed by edge_pose.models.count. What cannot be computed here (accuracy, and whether real weights
were run by the tests) stands below with its source. --check: fail where the file differs from what would be written.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from edge_pose.models.catalog import MODELS, ModelEntry
from edge_pose.models.count import cost_of

# AP as published, in percent: rows of one name with the sizes n, s, m, l, x.
SIZES = {
    "yolov5{}": (28.0, 37.4, 45.4, 49.0, 50.7),
    "yolov8{}": (37.3, 44.9, 50.2, 52.9, 53.9),
    "yolov8{}-pose": (50.4, 60.0, 65.0, 67.6, 69.2),
    "yolo11{}": (39.5, 47.0, 51.5, 53.4, 54.7),
    "yolo11{}-pose": (50.0, 58.9, 64.9, 66.1, 69.5),
    "yolo26{}": (40.1, 47.8, 52.5, 54.4, 56.9),
    "yolo26{}-pose": (57.2, 63.0, 68.8, 70.4, 71.6),
}
AP = {
    "movenet-lightning": 63.0,
    "movenet-thunder": 72.0,
    "hrnet-w32": 74.4,
    "hrnet-w48": 75.1,
    "hrnet-w32-384x288": 75.8,
    "hrnet-w48-384x288": 76.3,
    "simplebaseline-50": 70.4,
    "simplebaseline-101": 71.4,
    "simplebaseline-152": 72.0,
    "simplebaseline-50-384x288": 72.2,
    "simplebaseline-101-384x288": 73.6,
    "simplebaseline-152-384x288": 74.3,
    **{row.format(size): ap for row, aps in SIZES.items() for size, ap in zip("nsmlx", aps, strict=True)},
}
# Section: prefix of its names, what its accuracy is, and whose number that is.
SECTIONS = {
    "MoveNet": (
        ("movenet", "edge-pose-nano"),
        "keypoint AP of the float16 files on the single-person part of COCO val2017",
        "tensorflow.org/lite/examples/pose_estimation/overview",
    ),
    "YOLOv5": ("yolov5", "box AP on COCO val2017, 640 px", "pytorch.org/hub/ultralytics_yolov5"),
    "YOLOv8": (
        "yolov8",
        "box AP, or keypoint AP for `-pose`, on COCO val2017, 640 px",
        "docs.ultralytics.com/models/yolov8",
    ),
    "YOLO11": (
        "yolo11",
        "box AP, or keypoint AP for `-pose`, on COCO val2017, 640 px",
        "docs.ultralytics.com/models/yolo11",
    ),
    "YOLO26": (
        "yolo26",
        "box AP, or keypoint AP for `-pose`, of the one-to-one branch on COCO val2017, 640 px",
        "docs.ultralytics.com/tasks/detect and tasks/pose",
    ),
    "HRNet": (
        "hrnet",
        "keypoint AP on COCO val2017 with a person detector of 56.4 AP and flip test",
        "Sun et al. 2019, table 1; other heads: see their papers",
    ),
    "SimpleBaseline and ResNet": (
        ("simplebaseline", "resnet"),
        "keypoint AP on COCO val2017 with a person detector of 56.4 AP and flip test",
        "Xiao et al. 2018, table 2 and its repository; other heads: see their papers",
    ),
}
REAL = frozenset({"edge-pose-nano", "movenet-lightning", "yolov5n", "yolov8n-pose"})
GOLDEN = frozenset(
    {
        "movenet-thunder", "yolov8n", "yolo11n", "yolo11n-pose", "yolo26n", "yolo26n-pose", "hrnet-w32", "hrnet-w48",
        "hrnet-w32-384x288", "hrnet-w32-simdr", "simplebaseline-50", "simplebaseline-50-simdr-upfree", "resnet-50-rle",
    }
)  # fmt: skip

HEAD = """\
# Networks

PyTorch definitions for export; `edge_pose` itself runs without torch. This page is written by
`benchmarks/model_table.py`: do not edit it.

```python
from edge_pose.models.catalog import MODELS, build, identify

net = build("yolov8n-pose")                  # eval mode; weights are NaN until a checkpoint is loaded
net.load_state_dict(state, assign=True)      # keys are those of the published files, strictly
net = build("hrnet-w32", head="rle")         # options of the family: MODELS["hrnet-w32"].options
spec = MODELS["yolo26n-pose"].spec(input_hw=(480, 640))   # what the exporter writes into the ONNX file
identify((key, value.shape) for key, value in state.items())[0]   # ("hrnet-w48", 1.0)
```

- **parameters**: millions that the checkpoint has; *deployed*: those left for inference, with BatchNorm folded into the
  convolution before it and training-only branches gone. Published tables of the YOLO family count the latter, and all
  thirty-five agree with them (two of YOLOv8-pose, 44.47 and 69.46, are printed there as 44.4 and 69.4).
- **GFLOPs**: 2 for each multiply-add of convolutions, linear layers and matrix products in one forward pass of one
  picture; activations, pooling and decoding are not counted. MMPose counts a multiply-add once: half of these numbers.
  The papers on HRNet and SimpleBaseline have other rules for upsampling and transposed convolutions.
- **AP**: as published, not measured here; a dash where we state none.
- **checked with**: *real* weights are run by our tests and agree with the published file; *seeded* weights were run
  through the original authors' code and ours, layer by layer; *sibling*: the same code in another size or combination
  (every YOLO has its parameter count compared with the published one).
- **weights**: where they are and under which licence; a dash where none are known, or no licence is stated. The
  weights of edge-pose-nano are in the package (docs/models/edge-pose-nano.md); all others are their publishers', and
  edge-pose's Apache-2.0 licence covers none of them. YOLO weights are AGPL-3.0 (or commercial).
- Input is RGB; sides are multiples of 32. YOLO and the heatmap networks take any such size.

PP-TinyPose (`pp-tinypose`, Apache-2.0, PaddleDetection) has no definition here: it is used as the ONNX file that its
publisher's tools write, and the tests run that file with its real weights.
"""


def rows(prefix: str | tuple[str, ...]) -> Iterator[str]:
    for name, model in MODELS.items():
        if name.startswith(prefix):
            yield row(name, model)


def row(name: str, model: ModelEntry) -> str:
    spec, cost = model.spec(), cost_of(name)
    height, width = spec.input.hw
    checked = "real" if name in REAL else "seeded" if name in GOLDEN else "sibling"
    ap = f"{AP[name]:.1f}" if name in AP else "–"
    place = spec.source.removeprefix("https://").removeprefix("www.")
    weights = f"[{place}]({spec.source})" if place else "–"
    return (
        f"| {name} | {height}x{width} | {cost.parameters / 1e6:.2f} | {cost.deployed / 1e6:.2f} | {cost.gflops:.2f} "
        f"| {ap} | {checked} | {weights} | {spec.license or '–'} |"
    )


def page() -> str:
    parts = [HEAD.rstrip()]
    for title, (prefix, meaning, source) in SECTIONS.items():
        parts += [
            f"\n## {title}\n\nAP: {meaning} ({source}).\n",
            "| network | input | parameters (M) | deployed (M) | GFLOPs | AP | checked with | weights | licence |",
            "|---|---|---|---|---|---|---|---|---|",
            *rows(prefix),
        ]
    return "\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "docs" / "models.md")
    parser.add_argument("--check", action="store_true", help="compare instead of writing; exit 1 where it differs")
    arguments = parser.parse_args()
    text = page()
    if arguments.check:
        if arguments.output.read_text(encoding="utf-8") != text:
            raise SystemExit(f"{arguments.output} is stale: run python benchmarks/model_table.py")
        return
    arguments.output.write_text(text, encoding="utf-8")
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
