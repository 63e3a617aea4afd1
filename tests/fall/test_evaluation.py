"""What counts as a hit, a miss and a false alarm, and the figures made of it."""

import json

import pytest

from edge_pose.errors import SpecError
from edge_pose.fall import FallEvent
from edge_pose.fall.evaluation import Clip, confusion, figures, judge, read_manifest

FALL = Clip("f.mp4", None, True, 2.0, 5.0, ("Walking", "Falling"))
ADL = Clip("a.mp4", None, False, activities=("Walking",))


def events(*told):
    return [FallEvent(event=f"fall.{kind}", time_s=at, evidence={"rule": "r"}) for kind, at in told]


@pytest.mark.parametrize(
    ("clip", "told", "outcome", "wrong"),
    [
        (FALL, [("confirmed", 3.5)], "hit", 0),
        (FALL, [("confirmed", 2.0)], "hit", 0),
        (FALL, [("confirmed", 1.9)], "early", 1),  # before the fall
        (FALL, [("confirmed", 1.0), ("confirmed", 3.5)], "early", 1),  # whatever follows
        (FALL, [("candidate", 6.0)], "candidate", 0),
        (FALL, [("candidate", 1.0)], "missed", 0),
        (FALL, [("recovered", 6.0), ("still_down", 7.0)], "missed", 0),
        (FALL, [], "missed", 0),
        (ADL, [], "silent", 0),
        (ADL, [("confirmed", 1.0), ("confirmed", 50.0)], "false alarm", 2),
        (ADL, [("candidate", 1.0)], "false candidate", 0),
    ],
)
def test_verdicts(clip, told, outcome, wrong):
    found = judge(clip, events(*told), 60.0)
    assert (found.outcome, found.wrong_alarms) == (outcome, wrong)
    assert bool(found.why) == (outcome not in ("hit", "silent"))


def test_a_fall_without_times_counts_wherever_it_is_told():
    found = judge(Clip("x", None, True), events(("confirmed", 0.1)), 4.0)
    assert (found.outcome, found.delay_s, found.daily_s) == ("hit", None, 0.0)


def test_times_of_another_film_are_refused():
    with pytest.raises(SpecError, match=r"the fall starts at 2 s, and the clip ends at 1\.90 s"):
        judge(FALL, [], 1.9)
    assert judge(FALL, [], 2.0).outcome == "missed"  # it ends while somebody falls


def test_the_figures():
    verdicts = [
        judge(FALL, events(("confirmed", 3.0)), 10.0),  # 2 s of daily life before each fall
        judge(FALL, events(("confirmed", 4.0)), 10.0),
        judge(FALL, events(("candidate", 6.0)), 10.0),
        judge(FALL, events(("confirmed", 1.0)), 10.0),
        judge(ADL, events(), 1000.0),
        judge(ADL, events(("confirmed", 5.0)), 700.0),
        judge(ADL, events(("candidate", 5.0)), 92.0),
    ]
    found = figures(verdicts)
    assert found.sensitivity == 2 / 4
    assert found.sensitivity_with_candidates == 3 / 4
    assert found.specificity == 2 / 3
    assert found.specificity_with_candidates == 1 / 3
    assert found.false_alarms_per_hour == pytest.approx(2 / (1800 / 3600))
    assert found.delay_s == {"p50": 1.5, "p95": pytest.approx(1.95)}
    assert found.delay_after_end_s == {"p50": -1.5, "p95": pytest.approx(-1.05)}


def test_the_document_has_these_keys_and_is_json():
    document = figures([judge(FALL, events(("confirmed", 3.0)), 10.0)]).to_dict()
    assert list(document) == [
        "sensitivity", "sensitivity_with_candidates", "specificity", "specificity_with_candidates",
        "false_alarms_per_hour", "delay_s", "clips",
    ]  # fmt: skip
    assert json.loads(json.dumps(document))["clips"][0]["file"] == "f.mp4"
    assert document["specificity"] is None  # nothing to divide by


def test_of_nothing_there_are_no_figures():
    found = figures([])
    assert found.sensitivity is found.specificity is found.false_alarms_per_hour is None
    assert found.delay_s == {"p50": None, "p95": None}


def test_the_confusion_counts_a_clip_for_each_of_its_activities():
    verdicts = [judge(FALL, events(), 10.0), judge(ADL, events(("confirmed", 1.0)), 9.0), judge(ADL, [], 9.0)]
    assert confusion(verdicts) == [("Walking", 0, 1, 1, 1), ("Falling", 0, 1, 0, 0)]


def manifest(tmp_path, text):
    (tmp_path / "m.csv").write_text(text, encoding="utf-8")
    return tmp_path / "m.csv"


def test_a_manifest(tmp_path):
    path = manifest(
        tmp_path,
        "file,label,fall_start_s,fall_end_s,activities,description\n"
        'a.mp4,fall,0.4,4,"Falling (BW)[0.4 to 4]; Standing[0 to 0.3; 1 to 2]",whatever\n'
        "sub/b.mp4,ADL,,,Reading[0 to 2.5],\n"
        "c.mp4,fall,,,,\n",
    )
    a, b, c = read_manifest(path)
    assert (a.path, a.fall, a.fall_start_s, a.fall_end_s) == (tmp_path / "a.mp4", True, 0.4, 4.0)
    assert a.activities == ("Falling (BW)", "Standing")
    assert (b.path, b.fall, b.activities) == (tmp_path / "sub" / "b.mp4", False, ("Reading",))
    assert (c.fall_start_s, c.fall_end_s, c.activities) == (None, None, ())


def test_file_and_label_are_enough(tmp_path):
    (clip,) = read_manifest(manifest(tmp_path, "\ufefffile, label\na.mp4, fall\n"))
    assert clip.fall
    assert clip.fall_start_s is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name,label\na,fall\n", "no column 'file'"),
        ("", "no column 'file'"),
        ("file,label\n", "1 to 100000 clips, got 0"),
        ("file,label\na.mp4,fal\n", "line 2: label 'fal' is unknown; did you mean 'fall'"),
        ("file,label\n,fall\n", "line 2: the file has no name"),
        ("file,label\na.mp4\n", "label '' is unknown"),
        ("file,label,fall_start_s\na.mp4,fall,soon\n", "fall_start_s must be seconds, got 'soon'"),
        ("file,label,fall_start_s\na.mp4,fall,nan\n", "fall_start_s must be seconds"),
        ("file,label,fall_start_s,fall_end_s\na.mp4,fall,5,2\n", "ends at 2.0 s, before it starts at 5.0 s"),
    ],
)
def test_wrong_manifests_are_refused(tmp_path, text, says):
    with pytest.raises(SpecError, match=says):
        read_manifest(manifest(tmp_path, text))


def test_a_manifest_that_cannot_be_read(tmp_path):
    with pytest.raises(SpecError, match="No such file"):
        read_manifest(tmp_path / "no.csv")
    (tmp_path / "b.csv").write_bytes(b"file,label\n\xff\xfe,fall\n")
    with pytest.raises(SpecError, match="no CSV file"):
        read_manifest(tmp_path / "b.csv")
