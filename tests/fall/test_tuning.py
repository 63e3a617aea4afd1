"""Sweeps over recordings, and the pictures of them and of single events."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge_pose.errors import EventError, OutputError, SourceError
from edge_pose.fall import FallConfig, FallDetector, FallEvent
from edge_pose.fall.evaluation import Clip
from edge_pose.fall.plot import evidence_plot, tuning_plot
from edge_pose.fall.tuning import sweep, tracked
from edge_pose.fall.watch import falls, falls_of
from edge_pose.poses import Poses
from tests.fall import augment, motions
from tests.fall.figure import BACK, STAND, Camera, Motion, film, steps

CAMERA = Camera()
FALL = Motion("fall", True, steps((1.5, STAND), (0.7, BACK, True), (2, BACK)))


def recording(motion=FALL, fps=12.0):
    rows = film(motion, CAMERA, fps, np.random.default_rng(1), yaw=70)
    return [(t, CAMERA.hw, replace(p, ids=np.full(len(p), -1))) for t, p in rows]


def test_watching_gives_ids_and_events():
    assert [e.event for e in falls_of(recording(), FallConfig())] == ["fall.confirmed"]


def test_watching_needs_a_frame():
    with pytest.raises(SourceError, match="not one frame"):
        list(falls([], FallDetector()))


def test_tracking_beforehand_changes_nothing():
    rows, detector = recording(), FallDetector()
    told = [e for t, hw, p in tracked(rows) for e in detector.update(p, t, hw)]
    told += detector.finish(rows[-1][0])
    assert [(e.event, e.time_s) for e in told] == [(e.event, e.time_s) for e in falls_of(rows, FallConfig())]


def test_higher_thresholds_tell_less():
    walk = motions.NEGATIVES[0](np.random.default_rng(1))
    clips = [(Clip("f", None, True), tracked(recording())), (Clip("a", None, False), tracked(recording(walk)))]
    steps_made = []
    points = sweep(
        clips, factors=(1.0, 4.0), dwells_s=(0.7,), advance=lambda: steps_made.append(1)
    )  # nobody plunges 4 x 0.34 heights
    assert [p.figures.sensitivity for p in points] == [1.0, 0.0]
    assert [p.figures.specificity for p in points] == [1.0, 1.0]
    assert len(steps_made) == 2


def is_picture(path):
    image = cv2.imread(str(path))
    return image is not None and image.shape[0] > 200 and image.std() > 10


def test_the_pictures_are_drawn(tmp_path):
    clips = [(Clip("f", None, True), tracked(recording()))]
    tuning_plot(sweep(clips, factors=(1.0, 2.0), dwells_s=(0.3, 0.7)), tmp_path / "new" / "t.png", clips=1)
    (event,) = falls_of(recording(), FallConfig())
    evidence_plot(FallEvent.from_json(event.to_json()), tmp_path / "e.png")
    assert is_picture(tmp_path / "new" / "t.png")
    assert is_picture(tmp_path / "e.png")


def test_an_event_without_a_series_cannot_be_drawn(tmp_path):
    with pytest.raises(EventError, match="no feature series"):
        evidence_plot(FallEvent(event="fall.confirmed", time_s=1.0), tmp_path / "e.png")


def test_a_picture_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    (event,) = falls_of(recording(), FallConfig())
    with pytest.raises(OutputError, match="cannot write"):
        evidence_plot(event, tmp_path / "file" / "e.png")


CHANGES = {
    "as it is": lambda rows: rows,
    "mirrored": augment.mirrored,
    "5 frames a second": lambda rows: augment.at_fps(rows, 5),
    "half the pixels": lambda rows: augment.scaled(rows, 0.5),
    "noise": lambda rows: augment.noisy(rows, 0.03, np.random.default_rng(1)),
    "dropped joints": lambda rows: augment.dropped(rows, 0.4, np.random.default_rng(1)),
    "lost frames": lambda rows: augment.without_frames(rows, 0.4, np.random.default_rng(1)),
    "slower": lambda rows: augment.slower(rows, 1.3),
    "quicker": lambda rows: augment.slower(rows, 0.7),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_fall_stays_one_through_other_cameras_and_networks(change):
    assert "fall.confirmed" in [e.event for e in falls_of(change(recording(fps=25)), FallConfig())]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("make", motions.NEGATIVES[:6])
def test_daily_life_stays_silent_through_them(make, change):
    assert falls_of(change(recording(make(np.random.default_rng(3)), fps=20)), FallConfig()) == ()


def test_a_mirror_twice_is_none():
    rows = recording()
    for (_, _, a), (_, _, b) in zip(rows, augment.mirrored(augment.mirrored(rows)), strict=True):
        assert np.allclose(a.xy, b.xy, atol=1e-3)
        assert np.array_equal(a.scores, b.scores)
        assert np.allclose(a.boxes, b.boxes, atol=1e-3)


def test_people_are_followed_by_the_tracker_that_the_pipeline_uses():
    two = [
        (t, hw, Poses(*(np.concatenate([getattr(p, f), getattr(p, f)]) for f in ("xy", "scores", "boxes")),
                      np.concatenate([p.box_scores, p.box_scores])))
        for t, hw, p in recording()
    ]  # fmt: skip
    assert [e.event for e in falls_of(two, FallConfig())] == ["fall.confirmed"]  # a pose found twice is one person
