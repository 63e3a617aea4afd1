"""A program that embeds the pipeline gets the alarms that the command line gives: one mechanism, not two."""

import numpy as np
import pytest

from edge_pose.cli import main
from edge_pose.errors import TimeError
from edge_pose.estimators import Estimator
from edge_pose.fall import FallConfig, FallDetector, FallEvent
from edge_pose.fall.second_look import SecondLook
from edge_pose.frames import Frame
from edge_pose.pipeline import Pipeline, open_replay
from edge_pose.poses import Poses
from edge_pose.recording import Recorder
from edge_pose.skeleton import COCO17
from edge_pose.sources import Source
from edge_pose.track import TrackConfig
from tests.fall.figure import BACK, STAND, Camera, Flaws, Motion, film, steps

CAMERA = Camera()
FALL = Motion("fall", True, steps((1.5, STAND), (0.7, BACK, True), (4, BACK)))
FPS = 12.0


class Room(Source):
    """Somebody falls; the first bytes of a picture tell which frame it is."""

    def __init__(self, name="room", frames=None):
        self.rows = film(FALL, CAMERA, FPS, np.random.default_rng(1), Flaws(0, 0, 0), 70)
        super().__init__(name, fps=FPS, count=frames or len(self.rows))

    def _read(self):
        if self.taken >= self.count:
            return None
        image = np.zeros((*CAMERA.hw, 3), np.uint8)
        image.reshape(-1)[:4] = np.frombuffer(np.int32(self.taken + 1).tobytes(), np.uint8)
        return Frame(image, self.rows[self.taken][0], self.taken, self.name)

    def close(self):
        pass


class Eye(Estimator):
    """Sees whoever the room says, with a score by frame, if it is enough; in crops it sees the one it was told."""

    skeleton = COCO17
    timings_ms = {"network": 1.0}  # noqa: RUF012

    def __init__(self, room, score=lambda time_s: 0.9, confidence=0.25):
        self.room, self.score, self.confidence, self.crops, self.asked = room, score, confidence, 0, set()

    def __call__(self, image):
        self.asked.add(self.confidence)
        if image.shape[:2] != CAMERA.hw:
            self.crops += 1
            return Poses.empty()
        time_s, poses = self.room.rows[int(np.frombuffer(image.reshape(-1)[:4].tobytes(), np.int32)[0]) - 1]
        scores = np.full(len(poses), self.score(time_s), np.float32)
        seen = Poses(poses.xy, poses.scores, poses.boxes, scores)
        return seen[seen.box_scores > self.confidence]

    def close(self):
        pass


def watched(eye, **options):
    """Events of a run, the ids and scores that its results show, and the ids of what the network saw."""
    with Pipeline(eye, eye.room, **({"fall": FallConfig()} | options)) as stream:
        results = list(stream)
        events = [e for r in results for e in r.events] + list(stream.ending)
    shown = [(int(p.id), float(p.box_score)) for r in results for p in r.poses]
    return [(e.event, e.time_s) for e in events], shown, [i for r in results for i in r.raw.ids.tolist()]


def test_whoever_falls_may_score_low_and_is_watched_all_the_same():
    """From the descent on the score is 0.15, which a model at its default of 0.25 would not tell."""
    sinking = lambda time_s: 0.9 if time_s < 1.7 else 0.15  # noqa: E731
    eye = Eye(Room(), sinking)
    told, shown, ids = watched(eye)
    by_itself, *_ = watched(Eye(Room(), sinking, confidence=0.1))
    assert [event for event, _ in told] == ["fall.confirmed"]
    assert told == by_itself
    assert eye.asked == {0.1}
    assert eye.confidence == 0.25  # as it was
    assert min(score for _, score in shown) > 0.8
    assert set(ids) <= {1, -1}
    assert ids.count(1) > len(shown)


def test_how_low_is_the_tracker_s_to_say():
    eye = Eye(Room(), lambda time_s: 0.9 if time_s < 1.7 else 0.15)
    watched(eye, track=TrackConfig(keep_score=0.2))
    assert eye.asked == {0.2}
    watched(eye := Eye(Room(), confidence=0.05))
    assert eye.asked == {0.05}
    watched(eye := Eye(Room()), fall=None)
    assert eye.asked == {0.25}


def test_who_is_lost_while_low_is_looked_for():
    lost = Eye(Room(), lambda time_s: 0.9 if time_s < 2.2 else 0.0)
    watched(lost)
    assert 5 <= lost.crops <= 10
    for options in ({"fall": FallConfig(look_every_s=0)}, {"fall": None, "track": True}):
        never = Eye(Room(), lost.score)
        watched(never, **options)
        assert never.crops == 0
    follows = Eye(Room(), lost.score)
    follows.follows = True
    watched(follows)
    assert follows.crops == 0


def test_a_second_look_is_timed_and_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(SecondLook, "_turned", lambda self, image, place, turn: self.estimator.room.rows[20][1])
    eye = Eye(Room(), lambda time_s: 0.9 if time_s < 2.2 else 0.0)
    path = tmp_path / "r.jsonl.gz"
    with (
        Recorder(path, settings={"confidence": eye.confidence}) as recorder,
        Pipeline(eye, eye.room, fall=FallConfig(), record=recorder) as stream,
    ):
        live = list(stream)
    assert sum("second_look" in result.timings_ms for result in live) >= 2
    source, replayed = open_replay(path)
    with Pipeline(replayed, source, fall=FallConfig()) as stream:
        again = list(stream)
    assert not any("second_look" in result.timings_ms for result in again)
    assert [r.poses.xy.tobytes() for r in live] == [r.poses.xy.tobytes() for r in again]
    assert [[e.time_s for e in r.events] for r in live] == [[e.time_s for e in r.events] for r in again]
    assert any(result.events for result in live)


def test_the_command_line_gives_the_same_alarms(tmp_path, monkeypatch, capsys):
    sinking = lambda time_s: 0.9 if time_s < 1.7 else 0.15 if time_s < 2.3 else 0.0  # noqa: E731
    events, *_ = watched(embedded := Eye(Room(), sinking))
    eyes = []

    def load(model, *, confidence, **options):
        eyes.append(Eye(Room(), sinking, confidence))
        return eyes[-1]

    monkeypatch.setattr("edge_pose.estimators.load", load)
    monkeypatch.setattr("edge_pose.sources.open_source", lambda address, **options: Room(address))
    path = tmp_path / "e.jsonl"
    assert main(["fall", "room.mp4", "--model", "x", "--events", str(path)]) == 0
    told = [FallEvent.from_json(line) for line in path.read_text().splitlines()]
    assert [(e.event, e.time_s) for e in told] == events
    (tmp_path / "m.csv").write_text("file,label,fall_start_s\nroom.mp4,fall,1.5\n")
    assert main(["fall", "eval", str(tmp_path / "m.csv"), "--model", "x"]) == 0
    assert "1 clips, 1 with a fall" in capsys.readouterr().out
    assert events
    assert [eye.crops for eye in eyes] == [embedded.crops] * 2
    assert embedded.crops


def test_another_size_is_another_picture():
    """A camera that came back with other pixels: nobody is where they were, and ids begin anew."""
    stream = Pipeline(Eye(Room()), None, track=True, smooth=True, fall=FallConfig())
    after, row = stream.after, Room().rows[0][1]
    image = np.zeros((*CAMERA.hw, 3), np.uint8)
    first, _ = after(Frame(image, 0.0, 0, "x"), row, {})
    second, _ = after(Frame(image[::2, ::2], 0.1, 1, "x"), row, {})
    third, _ = after(Frame(image[::2, ::2], 0.2, 2, "x"), row, {})
    assert [p.ids.tolist() for p in (first, second, third)] == [[1], [2], [2]]
    with pytest.raises(TimeError):
        after(Frame(image[::2, ::2], 0.2, 3, "x"), row, {})
    with pytest.raises(TimeError):  # another size is no excuse
        after(Frame(image, 0.1, 3, "x"), row, {})


def test_a_detector_of_the_program_is_used_as_it_is():
    detector = FallDetector(FallConfig(), source="mine")
    told, *_ = watched(Eye(Room()), fall=detector)
    assert [event for event, _ in told] == ["fall.confirmed"]
    assert detector.people
