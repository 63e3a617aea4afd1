"""COCO AP/AR: the reference's ten numbers, real models on real photos, and annotation files that are none."""

import json

import cv2
import numpy as np
import pytest

from edge_pose.cli import main
from edge_pose.errors import SourceError
from edge_pose.evaluate import Annotations, Photo, boxes_from_file
from tests import tiny


@pytest.fixture
def photos(tmp_path):
    """Two photos with one person each, at known places."""
    for name in ("1.png", "2.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((120, 160, 3), np.uint8))
    person = {"category_id": 1, "iscrowd": 0, "bbox": [87.5, 35, 25, 50], "area": 1250.0}
    joints = [100, 60, 2] * 17
    document = {
        "images": [{"id": i, "file_name": f"train2017/{i}.png"} for i in (1, 2)],
        "annotations": [{**person, "id": i, "image_id": i, "keypoints": joints, "num_keypoints": 17} for i in (1, 2)],
        "categories": [{"id": 1, "name": "person"}],
    }
    (tmp_path / "a.json").write_text(json.dumps(document))
    return tmp_path


@pytest.fixture
def yolo(tmp_path):
    return str(tiny.constant_network(tmp_path / "yolo.onnx", tiny.YOLO, tiny.yolo_answer([(40, 32, 10, 20, 0.9)])))


@pytest.mark.golden
def test_the_ten_numbers(golden, tmp_path):
    data = golden("oks_coco")
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((8, 8, 3), np.uint8))
    truth = [
        {
            "id": i + 1,
            "image_id": 1,
            "category_id": 1,
            "keypoints": keypoints.ravel().tolist(),
            "area": float(area),
            "bbox": box.tolist(),
        }
        for i, (keypoints, area, box) in enumerate(
            zip(data["gt_keypoints"], data["gt_area"], data["gt_bbox_xywh"], strict=True)
        )
    ]
    document = {"images": [{"id": 1, "file_name": "1.png"}], "annotations": truth}
    (tmp_path / "a.json").write_text(json.dumps(document))
    results = [
        {"image_id": 1, "category_id": 1, "keypoints": keypoints.ravel().tolist(), "score": float(score)}
        for keypoints, score in zip(data["dt_keypoints_unsorted"], data["dt_scores"], strict=True)
    ]
    metrics = Annotations(tmp_path / "a.json", tmp_path).score(results, "keypoints")
    np.testing.assert_allclose(list(metrics.values()), data["ap_stats"], atol=1e-9)


def test_perfect_poses(photos, yolo, capsys):
    words = ["eval", yolo, "--images", str(photos), "--annotations", str(photos / "a.json")]
    assert main([*words, "--json", str(photos / "ap.json")]) == 0
    document = json.loads((photos / "ap.json").read_text())
    assert document["images"] == 2
    assert document["metrics"]["AP"] == 1.0
    assert set(document["metrics"]) >= {"AP", "AP50", "AP75", "APm", "APl", "AR"}
    assert document["seconds"] > 0
    assert capsys.readouterr().out.count("AP 1.000") == 1


def test_nobody_found_is_zero(photos, tmp_path):
    empty = tiny.constant_network(tmp_path / "none.onnx", tiny.YOLO, tiny.yolo_answer([]))
    words = ["eval", str(empty), "--images", str(photos), "--annotations", str(photos / "a.json")]
    assert main([*words, "--json", str(photos / "ap.json")]) == 0
    assert json.loads((photos / "ap.json").read_text())["metrics"]["AP"] == 0.0


@pytest.mark.parametrize("boxes", ["gt", "detector", "FILE"])
def test_models_that_take_boxes(photos, yolo, boxes):
    heatmap = tiny.constant_network(photos / "h.onnx", tiny.HEATMAP, tiny.heatmap_answer(6, 8))
    detections = [{"image_id": i, "category_id": 1, "bbox": [87.5, 35, 25, 50], "score": 0.9} for i in (1, 2, 3)]
    (photos / "det.json").write_text(json.dumps(detections))
    words = ["eval", str(heatmap), "--images", str(photos), "--annotations", str(photos / "a.json")]
    words += ["--boxes", boxes.replace("FILE", str(photos / "det.json"))]
    words += ["--detector", yolo] if boxes == "detector" else []
    assert main([*words, "--json", str(photos / "ap.json")]) == 0
    assert json.loads((photos / "ap.json").read_text())["metrics"]["AP"] == 1.0


def test_which_boxes_must_be_said(photos, yolo, capsys):
    heatmap = str(tiny.constant_network(photos / "h.onnx", tiny.HEATMAP, tiny.heatmap_answer(6, 8)))
    words = ["--images", str(photos), "--annotations", str(photos / "a.json")]
    assert main(["eval", heatmap, *words]) == 2
    assert main(["eval", heatmap, *words, "--boxes", "detector"]) == 2
    assert main(["eval", yolo, *words, "--boxes", "gt"]) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "must have 'images' and 'annotations'"),
        ({"images": [], "annotations": []}, "none of the 0 images"),
        ({"images": [{"id": 1, "file_name": "x.png"}], "annotations": []}, "none of the 1 images"),
        ({"images": [{"id": 1}], "annotations": []}, "file_name"),
        ({"images": [{"id": i, "file_name": f"{i}.png"} for i in (1, 3)], "annotations": []}, r"first is 3\.png"),
        ({"images": [{"id": 1, "file_name": "1.png"}], "annotations": [{"category_id": 1}]}, "bbox"),
        ({"images": [{"id": 1, "file_name": "1.png"}], "annotations": [3]}, "no COCO"),
        ({"images": [{"id": 1, "file_name": f"{i}.png"} for i in (1, 2)], "annotations": []}, "the same id"),
        (
            {"images": [{"id": 1, "file_name": "1.png"}], "annotations": [{"category_id": 1, "bbox": [1] * 4}]},
            "image_id",
        ),
    ],
)
def test_files_that_are_no_annotations(document, message, photos):
    (photos / "b.json").write_text(json.dumps(document))
    with pytest.raises(SourceError, match=message):
        Annotations(photos / "b.json", photos)


def test_a_document_without_end_is_none(photos):
    (photos / "b.json").write_text("[" * 100_000)
    with pytest.raises(SourceError, match="no JSON document"):
        Annotations(photos / "b.json", photos)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": [1, 2, 2] * 16}, "keypoints must be 51 numbers, got 48"),
        ({"bbox": [1, 2, 3]}, "bbox must be 4 finite numbers"),
        ({"bbox": [1, 2, float("nan"), 3]}, "bbox must be 4 finite numbers"),
        ({"bbox": "abcd"}, "no COCO annotation file"),
    ],
)
def test_annotations_that_are_none(photos, change, message):
    rewrite(photos, lambda document: document["annotations"][0].update(change))
    with pytest.raises(SourceError, match=message):
        Annotations(photos / "a.json", photos)


def rewrite(folder, change):
    """Change the annotation document of a folder."""
    document = json.loads((folder / "a.json").read_text())
    change(document)
    (folder / "a.json").write_text(json.dumps(document))


def perfect(annotations):
    """Return results that are the annotations."""
    return [{k: a[k] for k in ("image_id", "category_id", "keypoints")} | {"score": 1.0} for a in annotations]


@pytest.mark.parametrize(
    "change",
    [
        lambda document: [a.update(id=i) for i, a in enumerate(document["annotations"])],  # from 0
        lambda document: [a.update(id=7) for a in document["annotations"]],
        lambda document: [a.pop("id") for a in document["annotations"]],
        lambda document: [a.update(image_id=str(a["image_id"])) for a in document["annotations"]],
        lambda document: [i.update(id=str(i["id"])) for i in document["images"]],
        lambda document: document["images"].append(document["images"][0]),
        lambda document: document["annotations"].append({"category_id": 1, "image_id": 1, "bbox": [1, 1, 2, 2]}),
        lambda document: document["annotations"].append({"category_id": 18, "image_id": 1}),
        lambda document: [document.pop("categories"), *(a.pop("area") for a in document["annotations"])],
    ],
)
def test_odd_files_cost_no_precision(photos, change):
    people = perfect(json.loads((photos / "a.json").read_text())["annotations"])
    rewrite(photos, change)
    truth = Annotations(photos / "a.json", photos)
    assert truth.score(people, "keypoints")["AP"] == pytest.approx(1)
    assert [photo.id for photo in truth.photos] == [1, 2]


def test_nobody_to_find_is_nothing_to_measure(photos):
    rewrite(photos, lambda document: document.update(annotations=[]))
    assert set(Annotations(photos / "a.json", photos).score([], "keypoints").values()) == {-1.0}


@pytest.mark.parametrize("document", [{"a": 1}, [{"image_id": 1, "bbox": [1, 2, 3, 4], "score": "high"}]])
def test_files_that_are_no_detections(photos, document):
    (photos / "d.json").write_text(json.dumps(document))
    with pytest.raises(SourceError, match="no COCO detection file"):
        boxes_from_file(photos / "d.json", [Photo(1, photos / "1.png")])


# Least keypoint AP of the same weights in a hand-written script, less half a point; and box AP as measured here.
@pytest.mark.parametrize(
    ("model", "more", "least"),
    [
        ("yolov8n-pose.onnx", [], 0.476),
        ("pp_tinypose_256x192.onnx", ["--boxes", "gt"], 0.555),
        ("movenet_lightning.onnx", ["--boxes", "gt"], 0.298),
        ("yolov5n.onnx", [], 0.41),
    ],
)
def test_real_models_keep_their_accuracy(asset, tmp_path, model, more, least):
    photos = asset("images/coco_mini")
    words = ["eval", str(asset(f"models/{model}")), "--images", str(photos), "--threads", "1", *more]
    words += ["--annotations", str(photos / "annotations.json"), "--json", str(tmp_path / "ap.json")]
    assert main(words) == 0
    assert json.loads((tmp_path / "ap.json").read_text())["metrics"]["AP"] >= least


def test_published_detections(asset, tmp_path):
    """The detector boxes that MMPose ships with these four photos."""
    photos = asset("images/mmpose_coco")
    words = ["eval", str(asset("models/pp_tinypose_256x192.onnx")), "--images", str(photos), "--threads", "1"]
    words += ["--boxes", str(photos / "test_coco_det_AP_H_56.json"), "--json", str(tmp_path / "ap.json")]
    assert main([*words, "--annotations", str(photos / "test_coco.json")]) == 0
    document = json.loads((tmp_path / "ap.json").read_text())
    assert document["images"] == 4
    assert document["metrics"]["AP"] > 0.5
