"""Falls are told and daily life is not, whoever the camera looks at and however much of it gets lost."""

from dataclasses import replace

import numpy as np
import pytest

from edge_pose.errors import ShapeError, TimeError
from edge_pose.fall import FallConfig, FallDetector, Zone
from edge_pose.poses import Poses
from edge_pose.skeleton import Skeleton
from tests.fall import motions
from tests.fall.figure import BACK, FRONT, SIDE, SIT, STAND, Camera, Flaws, Motion, film, on, steps

CAMERA = Camera(height=1.6, away=4.0, down=10.0)
BY_NAME = {make(np.random.default_rng(0)).name: make for make in (*motions.POSITIVES, *motions.NEGATIVES)}
FALL = Motion("fall", True, steps((1.5, STAND), (0.7, BACK, True), (3, BACK)))
UP_AGAIN = Motion("up again", True, (*FALL.steps, *steps((1.5, SIT), (1.2, STAND), (4, STAND))))


def watch(motion, *, seed=1, fps=15.0, yaw=70.0, camera=CAMERA, flaws=Flaws(), config=FallConfig(), zones=()):  # noqa: B008
    """All events of a motion, in order."""
    detector = FallDetector(config, zones)
    rows = film(motion, camera, fps, np.random.default_rng(seed), flaws, yaw)
    events = [e for time_s, poses in rows for e in detector.update(poses, time_s, camera.hw)]
    return [*events, *detector.finish(rows[-1][0])]


def kinds(events):
    return [e.event for e in events]


@pytest.mark.parametrize("name", [m(np.random.default_rng(0)).name for m in motions.POSITIVES])
@pytest.mark.parametrize(("yaw", "fps"), [(20, 25), (110, 12), (200, 30)])
def test_falls_are_told_from_every_side(name, yaw, fps):
    told = watch(BY_NAME[name](np.random.default_rng(yaw)), yaw=yaw, fps=fps)
    assert any(e.event in ("fall.confirmed", "fall.candidate") for e in told)


@pytest.mark.parametrize(
    "name",
    [
        "walking", "sitting down", "dropping into a chair", "getting up and sitting down", "tying shoes on a chair",
        "bending", "crouching", "kneeling and reaching", "squats", "jumping", "sitting down on the floor",
        "lying down on a bed", "crawling",
    ],
)  # fmt: skip
@pytest.mark.parametrize(("yaw", "fps"), [(20, 25), (110, 12), (290, 30)])
def test_daily_life_is_silent_from_every_side(name, yaw, fps):
    assert watch(BY_NAME[name](np.random.default_rng(yaw)), yaw=yaw, fps=fps) == []


@pytest.mark.parametrize("height", [0.8, 1.6, 2.4])
@pytest.mark.parametrize("end", [BACK, FRONT, SIDE])
@pytest.mark.parametrize("yaw", [0, 90, 180])
def test_cameras_may_hang_low_or_high(height, end, yaw):
    down = np.rad2deg(np.arctan2(height - 0.9, 4.0))
    motion = Motion("fall", True, steps((1.5, STAND), (0.7, end, True), (2.5, end)))
    told = watch(motion, camera=replace(CAMERA, height=height, down=float(down)), yaw=yaw)
    assert kinds(told) == ["fall.confirmed"]


@pytest.mark.parametrize(
    "flaws",
    [
        Flaws(noise=0.03),
        Flaws(drop=0.4),
        Flaws(blind=0.6),
        Flaws(late=0.4),
    ],
)
@pytest.mark.parametrize("fps", [8.0, 30.0])
def test_falls_are_told_through_what_networks_do_wrong(flaws, fps):
    assert "fall.confirmed" in kinds(watch(FALL, flaws=flaws, fps=fps))


def test_being_lost_on_the_way_down_is_evidence():
    detector, told = FallDetector(), []
    for time_s, poses in film(FALL, CAMERA, 25.0, np.random.default_rng(1), Flaws(0, 0, 0), 70):
        told += detector.update(poses if time_s < 2.07 else Poses.empty(), time_s, CAMERA.hw)  # down at 2.2 s
    (event,) = told
    assert event.event == "fall.confirmed"
    assert event.evidence["rule"] == "lost after a quick descent"


def test_being_lost_while_standing_is_none():
    detector = FallDetector()
    for time_s, poses in film(FALL, CAMERA, 25.0, np.random.default_rng(1), Flaws(0, 0, 0), 70):
        assert detector.update(poses if time_s < 1.5 else Poses.empty(), time_s, CAMERA.hw) == ()
    assert detector.finish(10.0) == ()


def test_leaving_the_frame_is_no_fall():
    away = Motion("leaving", False, (*steps((1, STAND)), *motions.walk(STAND, 0.0, 4.0, 3.0)))
    assert watch(away, yaw=0) == []


@pytest.mark.parametrize("fps", [5.0, 8.0, 15.0, 30.0, 60.0])
def test_the_frame_rate_hardly_matters(fps):
    (event,) = watch(FALL, fps=fps)
    assert 2.2 + 0.3 < event.time_s < 2.2 + 1.3  # the fall ends at 2.2 s


def test_a_fall_is_told_once_and_recovery_after_it():
    assert kinds(watch(UP_AGAIN)) == ["fall.confirmed", "fall.recovered"]


def test_somebody_who_stays_down_is_escalated_once():
    long = Motion("long", True, (*FALL.steps, *steps((75, BACK))))
    first, second = watch(long, fps=8)
    assert (first.event, second.event) == ("fall.confirmed", "fall.still_down")
    assert second.time_s - first.time_s == pytest.approx(60, abs=0.5)
    assert second.track_id == first.track_id


def test_a_clip_that_ends_during_the_dwell_gives_a_candidate():
    short = Motion("short", True, steps((1.5, STAND), (0.7, BACK, True), (0.3, BACK)))
    assert kinds(watch(short, flaws=Flaws(0, 0, 0))) == ["fall.candidate"]


def test_events_say_why():
    (event,) = watch(FALL)
    assert event.evidence["rule"] == "quick descent from standing to the floor"
    assert event.evidence["descent"]["plunge"] >= event.evidence["thresholds"]["plunge"]
    series = event.evidence["series"]
    assert len(series["time_s"]) == len(series["shoulders"]) == len(series["plunge"]) > 10
    assert series["time_s"][-1] == pytest.approx(event.time_s, abs=0.01)
    assert max(v for v in series["shoulders"] if v is not None) > 0.7
    assert series["shoulders"][-1] < 0.4
    assert 0 <= event.confidence <= 1


ALL = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


def test_where_to_ignore_nothing_is_told():
    assert watch(FALL, zones=(Zone("mirror", "ignore", ALL),)) == []


def test_on_a_bed_more_is_asked_for():
    (event,) = watch(FALL, zones=(Zone("bed", "bed", ALL),))
    (bare,) = watch(FALL)
    assert event.time_s > bare.time_s + 1
    drop = Motion("drop", True, steps((1.5, STAND), (0.9, on(BACK, 0.5)), (5, on(BACK, 0.5))))
    assert kinds(watch(drop)) == ["fall.confirmed"]
    assert watch(drop, zones=(Zone("bed", "bed", ALL),)) == []


def test_a_zone_elsewhere_changes_nothing():
    corner = ((0.0, 0.0), (0.1, 0.0), (0.1, 0.1))
    assert kinds(watch(FALL, zones=(Zone("sofa", "sofa", corner), Zone("x", "ignore", corner)))) == ["fall.confirmed"]


def test_a_broken_track_carries_on_under_another_id():
    detector, told = FallDetector(), []
    for time_s, poses in film(FALL, CAMERA, 15.0, np.random.default_rng(1), yaw=70):
        broken = replace(poses, ids=np.where(poses.ids > 0, 1 + int(time_s / 0.4), -1))
        told += detector.update(broken, time_s, CAMERA.hw)
    assert kinds(told) == ["fall.confirmed"]


def test_recovery_has_the_id_of_its_alarm_though_tracks_broke():
    detector, told = FallDetector(), []
    for time_s, poses in film(UP_AGAIN, CAMERA, 15.0, np.random.default_rng(1), yaw=70):
        broken = replace(poses, ids=np.where(poses.ids > 0, 1 + int(time_s / 1.1), -1))
        told += detector.update(broken, time_s, CAMERA.hw)
    assert kinds(told) == ["fall.confirmed", "fall.recovered"]
    assert told[0].track_id == told[1].track_id > 0


def test_a_stream_that_comes_back_in_another_size_begins_anew():
    detector = FallDetector()
    for time_s, poses in film(Motion("s", False, steps((1, STAND))), CAMERA, 15.0, np.random.default_rng(1)):
        detector.update(poses, time_s, CAMERA.hw)
    assert len(detector.people) == 1
    detector.update(Poses.empty(), 1.1, (240, 320))
    assert detector.people == []


def test_one_fall_seen_twice_is_one_alarm():
    detector, told = FallDetector(), []
    for time_s, poses in film(FALL, CAMERA, 15.0, np.random.default_rng(1), Flaws(0, 0, 0), yaw=70):
        twice = np.concatenate([poses.xy, poses.xy + np.float32(3)])
        both = Poses(twice, np.repeat(poses.scores, 2, 0), np.repeat(poses.boxes, 2, 0), np.repeat(poses.box_scores, 2),
                     np.array([1, 2]))  # fmt: skip
        told += detector.update(both, time_s, CAMERA.hw)
    assert kinds(told) == ["fall.confirmed"]


def test_bystanders_neither_hide_nor_raise_a_fall():
    detector, told = FallDetector(), []
    faller = film(FALL, CAMERA, 15.0, np.random.default_rng(1), Flaws(blind=0), 70, (0.0, -0.9))
    stander = film(
        Motion("s", False, steps((9, STAND))), CAMERA, 15.0, np.random.default_rng(2), Flaws(), 70, (0.5, 0.9)
    )
    for (time_s, a), (_, b) in zip(faller, stander, strict=False):
        both = Poses(
            np.concatenate([b.xy, a.xy]), np.concatenate([b.scores, a.scores]), np.concatenate([b.boxes, a.boxes]),
            np.concatenate([b.box_scores, a.box_scores]), np.array([7] * len(b) + [9] * len(a)),
        )  # fmt: skip
        told += detector.update(both, time_s, CAMERA.hw)
    assert [(e.event, e.track_id) for e in told] == [("fall.confirmed", 9)]


def test_the_same_poses_give_the_same_events():
    first, second = watch(UP_AGAIN), watch(UP_AGAIN)
    assert [(e.event, e.time_s, e.track_id, e.confidence) for e in first] == [
        (e.event, e.time_s, e.track_id, e.confidence) for e in second
    ]
    assert [e.evidence for e in first] == [e.evidence for e in second]


def test_an_empty_room_and_the_end_of_it():
    detector = FallDetector()
    assert detector.update(Poses.empty(), 0.0, (480, 640)) == ()
    assert detector.update(Poses.empty(), 10.0, (480, 640)) == ()
    assert detector.finish(10.0) == ()


def test_nobody_is_remembered_for_ever():
    detector = FallDetector()
    for time_s, poses in film(BY_NAME["walking"](np.random.default_rng(1)), CAMERA, 10, np.random.default_rng(1)):
        detector.update(poses, time_s, CAMERA.hw)
    assert len(detector.people) == 1
    detector.update(Poses.empty(), 100.0, CAMERA.hw)
    assert detector.people == []


def test_time_must_grow_and_after_a_reset_may_begin_again():
    detector = FallDetector()
    detector.update(Poses.empty(), 5.0, (480, 640))
    with pytest.raises(TimeError, match=r"got 5\.0 after 5\.0"):
        detector.update(Poses.empty(), 5.0, (480, 640))
    with pytest.raises(TimeError, match="nan"):
        detector.update(Poses.empty(), float("nan"), (480, 640))
    detector.reset()
    detector.update(Poses.empty(), 0.0, (480, 640))


def test_another_skeleton_is_refused():
    stick = Skeleton("stick", ("a", "b"), ((0, 1),), (), (0.1, 0.1))
    with pytest.raises(ShapeError, match="17 joints, got poses of 2"):
        FallDetector().update(Poses.empty(stick), 0.0, (480, 640))


def dim(rows, rng):
    """What a network makes of somebody in the dark: it is hardly sure, and sees nothing in half of the frames."""
    for time_s, poses in rows:
        if rng.random() < 0.5:
            yield time_s, Poses.empty()
        else:
            yield time_s, replace(poses, box_scores=poses.box_scores * np.float32(0.35))


def test_in_the_dark_being_lost_means_nothing():
    detector = FallDetector()
    rows = film(FALL, CAMERA, 25.0, np.random.default_rng(1), Flaws(0, 0, 0), 70)
    for time_s, poses in dim(rows, np.random.default_rng(1)):
        assert detector.update(poses if time_s < 2.07 else Poses.empty(), time_s, CAMERA.hw) == ()


def test_in_the_dark_a_fall_that_is_seen_is_told():
    detector, told = FallDetector(), []
    rows = film(FALL, CAMERA, 25.0, np.random.default_rng(1), Flaws(0, 0, 0), 70)
    for time_s, poses in dim(rows, np.random.default_rng(1)):
        told += detector.update(poses, time_s, CAMERA.hw)
    assert kinds(told) == ["fall.confirmed"]


@pytest.mark.parametrize("name", ["sitting down", "dropping into a chair", "crouching", "squats", "bending"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_recording_may_end_at_any_moment_of_daily_life(name, seed):
    motion = BY_NAME[name](np.random.default_rng(seed))
    rows = film(motion, CAMERA, 12.0, np.random.default_rng(seed), yaw=70 * seed)
    for until in range(20, len(rows), 9):
        detector = FallDetector()
        for time_s, poses in rows[:until]:
            detector.update(poses, time_s, CAMERA.hw)
        assert detector.finish(rows[until][0]) == ()


@pytest.mark.parametrize("height", [1.6, 2.0, 2.4, 2.8])
@pytest.mark.parametrize(("yaw", "way"), [(180, 3.8), (170, 3.8), (0, -3.6)])
@pytest.mark.parametrize("seconds", [2.5, 4.5])
def test_walking_out_below_the_camera_is_no_fall(height, yaw, way, seconds):
    walk = Motion("out", False, (*steps((1, STAND)), *motions.walk(STAND, way, 0.0, seconds)))
    assert watch(walk, yaw=yaw, camera=replace(CAMERA, height=height, down=15.0)) == []


@pytest.mark.parametrize("seed", range(20))
def test_whatever_a_network_gives_it_raises_nothing(seed):
    """Noise of every size, not finite numbers, ids that jump: events may come of it, errors may not."""
    rng = np.random.default_rng(seed)
    detector, time_s = FallDetector(), 0.0
    strange = np.array([np.nan, np.inf, -np.inf, 0.0, 1e30, -1e30, 1e-30], np.float32)
    for _ in range(150):
        time_s += float(rng.choice([1e-9, 0.01, 0.1, 1.0, 50.0]))
        n = int(rng.integers(0, 4))
        xy = rng.normal(240, rng.choice([1, 100, 1e4]), (n, 17, 2)).astype(np.float32)
        scores = rng.random((n, 17)).astype(np.float32)
        boxes = np.sort(rng.normal(240, 150, (n, 2, 2)), axis=1).reshape(n, 4).astype(np.float32)
        for array in (xy, scores, boxes):
            odd = rng.random(array.shape) < rng.choice([0, 0.02, 0.3])
            array[odd] = rng.choice(strange, int(odd.sum()))
        ids = np.where(rng.random(n) < 0.2, -1, rng.permutation(5)[:n])
        poses = Poses(xy, scores, boxes, rng.random(n).astype(np.float32), ids)
        detector.update(poses, time_s, CAMERA.hw)
        place = detector.look_at(poses)
        assert place is None or all(np.isfinite(place))
    detector.finish(time_s)
