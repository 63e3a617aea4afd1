"""Several people who cross and are hidden for half a second, with known identities."""

import numpy as np
import pytest

import edge_pose as ep
from benchmarks.crossings import FRAME_HW, walk
from edge_pose.poses import Poses
from edge_pose.track import Tracker
from edge_pose.track.identity import identity_scores

FPS = 15.0


@pytest.fixture(scope="module")
def images(asset):
    return asset("images/coco_mini")


def seen(truth, rng):
    """What a good network would see: people who show by a quarter or more, a little off."""
    rows = np.flatnonzero(truth.visible > 0.25)
    xy = truth.joints[rows] + rng.normal(0, 2, (len(rows), 17, 2))
    scores = np.where(truth.labelled[rows], 0.9, 0.05)
    boxes = truth.boxes[rows] + rng.normal(0, 2, (len(rows), 4))
    return Poses(xy, scores, boxes, 0.3 + 0.6 * truth.visible[rows])


def test_the_clip_is_what_it_says(images):
    clip = walk(images, 1, people=4, fps=FPS)
    assert clip.crossings() >= 8 and clip.longest_hidden() <= 0.8
    picture = next(clip.pictures(images))
    assert picture.shape == (*FRAME_HW, 3)
    truth = clip.truth(0)
    assert truth.boxes.shape == (4, 4) and ((truth.visible >= 0) & (truth.visible <= 1)).all()


def test_poses_of_people_who_cross_keep_their_ids(images):
    crossings, frames = 0, []
    for seed in range(4):
        clip, tracker, rng = (
            walk(images, seed, people=4, pillar=bool(seed % 2), fps=FPS),
            Tracker(),
            np.random.default_rng(seed),
        )
        crossings += clip.crossings()
        for i in range(clip.frames):
            truth = clip.truth(i)
            found = tracker.update(seen(truth, rng), truth.time_s)
            names = truth.judged()
            # Each clip has its own people and its own ids.
            frames.append(
                (
                    np.where(names < 0, -1, names + 10 * seed),
                    truth.boxes,
                    np.where(found.ids < 0, -1, found.ids + 100 * seed),
                    found.boxes,
                )
            )
    scores = identity_scores(frames)
    assert crossings >= 30
    assert scores.switches <= crossings / 10, scores
    assert scores.idf1 > 0.9


@pytest.mark.slow
def test_people_who_cross_keep_their_ids_behind_a_real_network(images, asset, monkeypatch):
    monkeypatch.setenv("EDGE_POSE_MODELS", str(asset("models")))
    clip, tracker, frames = walk(images, 9, people=4, fps=FPS), Tracker(), []
    with ep.load("yolov8n-pose", confidence=0.1) as estimator:
        for i, picture in enumerate(clip.pictures(images)):
            truth = clip.truth(i)
            found = tracker.update(estimator(picture), truth.time_s)
            frames.append((truth.judged(), truth.boxes, found.ids, found.boxes))
    scores = identity_scores(frames)
    assert clip.crossings() >= 10
    assert scores.switches <= clip.crossings() / 10, scores
    assert scores.idf1 > 0.9
