"""Estimators on networks whose answers are known: frame pixels, order, nobody, batches, threads."""

import threading
from dataclasses import replace

import numpy as np
import pytest

import edge_pose as ep
from edge_pose.errors import BackendError, DeviceError, ImageError, ModelNotFoundError, ShapeError, SpecError
from edge_pose.estimators.load import load_for_boxes
from tests import tiny

FRAME = np.zeros((120, 160, 3), np.uint8)


@pytest.fixture
def yolo(tmp_path):
    people = [(20, 30, 10, 20, 0.6), (40, 32, 10, 20, 0.9), (20, 30, 10, 20, 0.5)]
    return tiny.constant_network(tmp_path / "yolo.onnx", tiny.YOLO, tiny.yolo_answer(people))


def test_one_stage_gives_frame_pixels_best_first(yolo):
    poses = ep.load(yolo)(FRAME)
    # 160 x 120 fits 64 x 64 at 0.4: 64 x 48, 8 rows of margin above.
    np.testing.assert_allclose(poses.box_scores, [0.9, 0.6])
    np.testing.assert_allclose(poses.xy[:, 0], [[100, 60], [50, 55]], atol=1e-4)
    np.testing.assert_allclose(poses.boxes[1], [37.5, 30, 62.5, 80], atol=1e-4)
    assert poses.ids.tolist() == [-1, -1]


def test_limits(yolo):
    assert len(ep.load(yolo, confidence=0.7)(FRAME)) == 1
    assert len(ep.load(yolo, max_people=1)(FRAME)) == 1
    assert len(ep.load(yolo, iou=1.0)(FRAME)) == 3
    assert len(ep.load(yolo, confidence=0.95)(FRAME)) == 0


def test_nobody_is_ordinary(tmp_path):
    path = tiny.constant_network(tmp_path / "none.onnx", tiny.YOLO, tiny.yolo_answer([]))
    poses = ep.load(path)(FRAME)
    assert (poses.xy.shape, poses.boxes.shape) == ((0, 17, 2), (0, 4))


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 4000, 3), (4000, 1, 3), (7, 5, 3), (64, 64, 3)])
def test_any_size_of_frame(yolo, shape):
    poses = ep.load(yolo, confidence=0.7)(np.zeros(shape, np.uint8))
    assert np.isfinite(poses.xy).all()


def test_views_give_what_copies_give(asset):
    import cv2

    image = cv2.imread(str(asset("images/zidane.jpg")))
    pose = ep.load(asset("models/yolov8n-pose.onnx"), threads=1)
    for view in (image[::-1], image[:, ::-1], image[100:500, 200:900], image[::2, ::2], image[:, :, ::-1]):
        np.testing.assert_array_equal(pose(view).xy, pose(np.ascontiguousarray(view)).xy)


@pytest.mark.parametrize(
    "image", [FRAME[:, :, 0], FRAME.astype(np.float32), FRAME.astype(np.uint16), np.zeros((8, 8, 4), np.uint8), None]
)
def test_what_is_no_image_is_refused(yolo, image):
    with pytest.raises(ImageError):
        ep.load(yolo)(image)


def test_top_down(tmp_path, yolo):
    heatmap = tiny.constant_network(tmp_path / "h.onnx", tiny.HEATMAP, tiny.heatmap_answer(6, 8))
    poses = ep.load(heatmap, detector=yolo)(FRAME)
    # The peak is in the middle cell, which stands for the middle of each box.
    np.testing.assert_allclose(poses.xy[:, 0], [[100, 60], [50, 55]], atol=1e-3)
    np.testing.assert_allclose(poses.box_scores, [0.9, 0.6])
    np.testing.assert_allclose(poses.scores, 0.8, atol=1e-6)
    assert len(ep.load(heatmap, detector=yolo, max_people=1)(FRAME)) == 1


def test_nobody_found_makes_no_pose_call(tmp_path):
    empty = tiny.constant_network(tmp_path / "none.onnx", tiny.YOLO, tiny.yolo_answer([]))
    heatmap = tiny.constant_network(tmp_path / "h.onnx", tiny.HEATMAP, tiny.heatmap_answer(6, 8))
    pose = ep.load(heatmap, detector=empty)
    assert len(pose(FRAME)) == 0
    assert list(pose.timings_ms) == ["detect"]


def test_boxes_are_required(tmp_path):
    heatmap = tiny.constant_network(tmp_path / "h.onnx", tiny.HEATMAP, tiny.heatmap_answer(6, 8))
    with pytest.raises(SpecError, match="needs a detector"):
        ep.load(heatmap)
    pose = load_for_boxes(heatmap)
    with pytest.raises(ShapeError, match=r"boxes must be edge_pose\.Boxes, got NoneType"):
        pose(FRAME, None)
    np.testing.assert_allclose(pose(FRAME, ep.Boxes.whole(FRAME)).xy[0, 0], [80, 60], atol=1e-3)
    assert len(pose(FRAME, ep.Boxes.empty())) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_boxes_must_be_finite(tmp_path, bad):
    pose = load_for_boxes(tiny.constant_network(tmp_path / "h.onnx", tiny.HEATMAP, tiny.heatmap_answer(6, 8)))
    boxes = ep.Boxes(np.array([[1, 2, 30, 40], [1, bad, 30, 40]], np.float32), np.ones(2, np.float32))
    with pytest.raises(ShapeError, match=r"boxes must be finite, box 1 is \[1\.0, -?(nan|inf), 30\.0, 40\.0\]"):
        pose(FRAME, boxes)


@pytest.mark.parametrize("batch", [1, "N", 3])
def test_many_people_give_what_each_gives_alone(asset, tmp_path, batch):
    """Whatever rows the file takes: one, any number, or a fixed three."""
    heatmap = tiny.constant_network(tmp_path / "h.onnx", tiny.HEATMAP, tiny.heatmap_answer(3, 4), batch)
    boxes = np.array([[10 * i, 5 * i, 10 * i + 40, 5 * i + 60] for i in range(7)], np.float32)
    pose = load_for_boxes(heatmap)
    together = pose(FRAME, ep.Boxes(boxes, np.ones(7)))
    for i, box in enumerate(boxes):
        alone = pose(FRAME, ep.Boxes(box[None], np.ones(1)))
        np.testing.assert_array_equal(together.xy[i], alone.xy[0])


def test_movenet_sees_one_person_or_nobody(tmp_path):
    seen = tiny.constant_network(tmp_path / "seen.onnx", tiny.MOVENET, tiny.movenet_answer(0.7))
    poses = ep.load(seen)(FRAME)
    np.testing.assert_allclose(poses.xy[0], [[80, 60]] * 17, atol=1e-4)
    np.testing.assert_allclose(poses.box_scores, [0.7], atol=1e-6)
    unseen = tiny.constant_network(tmp_path / "unseen.onnx", tiny.MOVENET, tiny.movenet_answer(0.1))
    assert len(ep.load(unseen)(FRAME)) == 0
    assert len(ep.load(unseen, confidence=0.05)(FRAME)) == 0  # no joint is seen


def test_movenet_follows_seventeen_joints(tmp_path):
    three = ep.Skeleton("three", ("a", "b", "c"), (), (), (0.1, 0.1, 0.1))
    spec = replace(tiny.MOVENET, skeleton=three)
    with pytest.raises(SpecError, match="COCO's 17 joints, its skeleton 'three' has 3"):
        ep.load(tiny.constant_network(tmp_path / "m.onnx", spec, np.zeros((1, 1, 3, 3))))


def test_movenet_looks_where_the_person_was(asset):
    import cv2

    image = cv2.imread(str(asset("images/mmpose_coco/000000000785.jpg")))
    pose = ep.load(asset("models/movenet_lightning.onnx"), threads=1)
    first = pose(image)
    second = pose(image)
    pose.reset()
    np.testing.assert_array_equal(pose(image).xy, first.xy)
    assert not np.array_equal(first.xy, second.xy)
    assert second.box_scores[0] > first.box_scores[0]  # nearer, so surer
    smaller = image[:200]
    np.testing.assert_array_equal(pose(smaller).xy, ep.load(asset("models/movenet_lightning.onnx"))(smaller).xy)


def test_two_threads_with_two_estimators_give_what_one_gives(asset):
    import cv2

    image = cv2.imread(str(asset("images/bus.jpg")))
    names = [asset("models/yolov8n-pose.onnx")] * 2
    wanted = ep.load(names[0], threads=1)(image)
    found = [None, None]

    def work(i):
        pose = ep.load(names[i], threads=1)
        for _ in range(3):
            found[i] = pose(image)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for poses in found:
        np.testing.assert_array_equal(poses.xy, wanted.xy)


def test_models_in_the_wrong_place(tmp_path, yolo):
    heatmap = tiny.constant_network(tmp_path / "h.onnx", tiny.HEATMAP, tiny.heatmap_answer(6, 8))
    with pytest.raises(SpecError, match="finds people by itself"):
        ep.load(yolo, detector=yolo)
    with pytest.raises(SpecError, match="cannot be the detector"):
        ep.load(heatmap, detector=heatmap)
    with pytest.raises(SpecError, match="takes no boxes"):
        load_for_boxes(yolo)
    for options in ({"confidence": 2.0}, {"max_people": 0}, {"iou": -1}):
        with pytest.raises(SpecError, match="must be"):
            ep.load(yolo, **options)


def test_files_that_are_no_models(tmp_path):
    with pytest.raises(ModelNotFoundError, match=r"none\.onnx"):
        ep.load(tmp_path / "none.onnx")
    with pytest.raises(ModelNotFoundError, match="did you mean 'yolov8n-pose'"):
        ep.load("yolov8n-posse")
    (tmp_path / "empty.onnx").write_bytes(b"")
    with pytest.raises(BackendError, match="is empty"):
        ep.load(tmp_path / "empty.onnx")
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(BackendError, match="no ONNX file"):
        ep.load(tmp_path / "text.onnx")
    with pytest.raises(ModelNotFoundError, match="did you mean 'yolov8n-pose'"):
        ep.load("YOLOv8n-Pose")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(ModelNotFoundError, match=r"no ordinary file: .*folder\.onnx"):
        ep.load(tmp_path / "folder.onnx")
    (tmp_path / "weights.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(BackendError, match=r"weights\.pt holds weights, .*edge-pose export"):
        ep.load(tmp_path / "weights.pt")


def test_a_wrong_specification_says_where_it_is(tmp_path, yolo):
    import onnx

    model = onnx.load(yolo)
    model.metadata_props[0].value = '{"nmae": "x"}'
    onnx.save(model, tmp_path / "wrong.onnx")
    with pytest.raises(SpecError, match=r"in .*wrong\.onnx is wrong: unknown field nmae: did you mean 'name'\?"):
        ep.load(tmp_path / "wrong.onnx")
    assert len(ep.load(tmp_path / "wrong.onnx", spec=tiny.YOLO)(FRAME)) == 2
    (tmp_path / "my.toml").write_text("nmae = 1")
    with pytest.raises(SpecError, match=r"my\.toml: unknown field nmae"):
        ep.load(yolo, spec=tmp_path / "my.toml")


def test_truncated_model(tmp_path, yolo):
    whole = yolo.read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises((BackendError, SpecError)):
        ep.load(tmp_path / "cut.onnx")


def test_a_file_that_says_nothing_of_itself(tmp_path):
    import onnx

    path = tiny.constant_network(tmp_path / "bare.onnx", tiny.YOLO, tiny.yolo_answer([]))
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    with pytest.raises(SpecError, match=r"has no edge_pose metadata.*--spec my\.toml"):
        ep.load(path)
    (tmp_path / "my.toml").write_text(tiny.YOLO.to_toml())
    assert len(ep.load(path, spec=tmp_path / "my.toml")(FRAME)) == 0
    (tmp_path / "other.toml").write_text(tiny.HEATMAP.to_toml())
    with pytest.raises(SpecError, match="belongs to another model or is wrong"):
        load_for_boxes(path, spec=tmp_path / "other.toml")


def test_a_head_of_another_size(tmp_path):
    path = tiny.constant_network(tmp_path / "odd.onnx", tiny.YOLO, np.zeros((1, 57, 16), np.float32))
    with pytest.raises(SpecError, match="the file's output is not what the specification says: pred must have 56 ch"):
        ep.load(path)(FRAME)
    path = tiny.constant_network(tmp_path / "deep.onnx", tiny.HEATMAP, np.zeros((1, 17, 16), np.float32))
    with pytest.raises(SpecError, match="the file's output is not what the specification says"):
        load_for_boxes(path)(FRAME, ep.Boxes.whole(FRAME))
    path = tiny.constant_network(tmp_path / "maps.onnx", tiny.HEATMAP, np.zeros((1, 18, 16, 12), np.float32))
    with pytest.raises(SpecError, match="gives 18 joints"):
        load_for_boxes(path)(FRAME, ep.Boxes.whole(FRAME))


def test_devices(yolo):
    import onnxruntime

    with pytest.raises(BackendError, match="device 'gpu' is unknown"):
        ep.load(yolo, device="gpu")
    with pytest.raises(BackendError, match="engine 'onnxruntim' is unknown: did you mean 'onnxruntime'"):
        ep.load(yolo, engine="onnxruntim")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(DeviceError, match="onnxruntime-gpu"):
            ep.load(yolo, device="cuda")


def test_closing(yolo):
    with ep.load(yolo) as pose:
        assert len(pose(FRAME)) == 2
    with pytest.raises(BackendError, match="closed"):
        pose(FRAME)


@pytest.mark.parametrize("threads", [0, -1, 257, 100_000])
def test_threads_are_bounded(yolo, threads):
    with pytest.raises(BackendError, match=f"threads must be from 1 to 256, got {threads}"):
        ep.load(yolo, threads=threads)
