"""A recording run again gives what the live run gave, to the last bit."""

import numpy as np
import pytest

from edge_pose.errors import OutputError, RecordingError, SourceError
from edge_pose.pipeline import Pipeline, open_replay
from edge_pose.pipeline.result import decisions
from edge_pose.poses import Poses
from edge_pose.recording import Recorder, plain, read_recording
from edge_pose.sources import Source
from tests.pipeline.standins import Keeping, Numbers, Seeing, number_of, people


class Shaking(Seeing):
    """Two people who tremble, one of them now and then unseen."""

    def __call__(self, image):
        i = number_of(image)
        rng = np.random.default_rng(i)
        places = [(100 + i, 100)] + ([(300 - i, 110)] if i % 7 else [])
        seen = people(*places)
        return Poses(
            seen.xy + rng.normal(0, 1.5, seen.xy.shape), rng.uniform(0.3, 1, seen.scores.shape), seen.boxes,
            seen.box_scores,
        )  # fmt: skip


def same(one, two):
    for name in ("xy", "scores", "boxes", "box_scores", "ids"):
        a, b = getattr(one, name), getattr(two, name)
        assert a.dtype == b.dtype
        assert a.tobytes() == b.tobytes(), name


@pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.gz"])
def test_bit_for_bit(name, tmp_path):
    path = tmp_path / name
    with (
        Recorder(path, source="rtsp://me:geheim@cam/1") as recorder,
        Pipeline(Shaking(), Numbers(60), track=True, smooth=True, record=recorder) as stream,
    ):
        live = list(stream)
    assert b"geheim" not in path.read_bytes()
    source, seen = open_replay(path)
    assert source.fps == pytest.approx(30)
    with Pipeline(seen, source, track=True, smooth=True) as stream:
        again = list(stream)
    assert len(live) == len(again) == 60
    for a, b in zip(live, again, strict=True):
        assert (a.frame.index, a.frame.time_s, a.frame.image.shape) == (
            b.frame.index,
            b.frame.time_s,
            b.frame.image.shape,
        )
        same(a.raw, b.raw)
        same(a.poses, b.poses)
    rows = list(read_recording(path))
    assert [plain(decisions(result)) for result in again] == [row.decisions for row in rows]
    assert any("ids" in row.decisions for row in rows)


def test_only_what_the_network_saw_is_kept(tmp_path):
    path = tmp_path / "r.jsonl"
    with Recorder(path) as recorder, Pipeline(Shaking(), Numbers(20), smooth=True, record=recorder) as stream:
        live = list(stream)
    assert not np.array_equal(live[-1].raw.xy, live[-1].poses.xy)
    for result, row in zip(live, read_recording(path), strict=True):
        assert row.poses.xy.tobytes() == result.raw.xy.tobytes()
    assert path.stat().st_size < 20 * 2500


def test_frames_are_black_and_cannot_be_drawn_on(tmp_path):
    path = tmp_path / "r.jsonl"
    with Recorder(path) as recorder, Pipeline(Shaking(), Numbers(3), record=recorder) as stream:
        list(stream)
    with open_replay(path, max_frames=2)[0] as source:
        frames = list(source)
    assert len(frames) == 2
    assert not frames[0].image.any()
    with pytest.raises(ValueError, match="read-only"):
        frames[0].image[0] = 1


def test_a_disk_that_is_full_stops_the_run_and_the_file_is_readable(tmp_path):
    path = tmp_path / "r.jsonl"
    with (
        pytest.raises(OutputError, match="No space left"),
        Recorder(path, flush_s=0) as recorder,
        Pipeline(Shaking(), Numbers(40), sinks=[Keeping(full_after=10)], record=recorder) as stream,
    ):
        list(stream)
    assert len(list(read_recording(path))) == 11


def test_what_is_no_recording(tmp_path):
    (tmp_path / "a.jsonl").write_text("{}\n")
    with pytest.raises(RecordingError, match="no recording"):
        open_replay(tmp_path / "a.jsonl")
    with pytest.raises(SourceError, match="cannot read"):
        open_replay(tmp_path / "none.jsonl")


def test_a_hostile_size(tmp_path):
    path = tmp_path / "r.jsonl"
    with Recorder(path) as recorder:
        recorder.write(0, 0.0, (1 << 20, 1 << 20), Poses.empty())
    with open_replay(path)[0] as source, pytest.raises(RecordingError, match="has 1048576 x 1048576 pixels"):
        next(source)
    assert isinstance(source, Source)
