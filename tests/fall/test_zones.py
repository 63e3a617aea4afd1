"""Zones hold what is inside, fit every size of the picture, and strangers' files are refused with a reason."""

import json

import pytest

from edge_pose.errors import SpecError
from edge_pose.fall.zones import Zone, effect_at, zones_from_file, zones_from_json

SQUARE = ((0.2, 0.2), (0.6, 0.2), (0.6, 0.6), (0.2, 0.6))
HOOK = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.8, 1.0), (0.8, 0.2), (0.0, 0.2))  # an L upside down


@pytest.mark.parametrize(
    ("polygon", "at", "inside"),
    [
        (SQUARE, (0.4, 0.4), True),
        (SQUARE, (0.7, 0.4), False),
        (SQUARE, (0.4, 0.7), False),
        (HOOK, (0.5, 0.1), True),
        (HOOK, (0.9, 0.9), True),
        (HOOK, (0.5, 0.5), False),  # in the bend
    ],
)
def test_what_a_zone_holds(polygon, at, inside):
    assert Zone("z", "bed", polygon).holds(*at) is inside


@pytest.mark.parametrize("hw", [(480, 640), (240, 320), (1080, 1920)])
def test_zones_fit_every_size_of_the_picture(hw):
    zone = Zone("bed", "bed", SQUARE)
    assert effect_at((zone,), 0.4 * hw[1], 0.4 * hw[0], hw) == "raise"
    assert effect_at((zone,), 0.8 * hw[1], 0.4 * hw[0], hw) is None


def test_ignoring_goes_before_raising():
    zones = (Zone("sofa", "sofa", SQUARE), Zone("mirror", "ignore", SQUARE))
    assert effect_at(zones, 40, 40, (100, 100)) == "mute"


def test_zones_are_read_from_a_file_in_both_forms(tmp_path):
    rows = [{"name": "bed", "kind": "bed", "polygon": SQUARE}, {"name": "x", "kind": "ignore", "polygon": HOOK}]
    zones = (Zone("bed", "bed", SQUARE), Zone("x", "ignore", HOOK))
    (tmp_path / "z.json").write_text(json.dumps({"zones": rows}))
    assert zones_from_file(tmp_path / "z.json") == zones
    assert zones_from_json(json.dumps(rows)) == zones  # as the page writes it
    assert zones_from_json("[]") == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "must be JSON"),
        ("[" * 100_000, "must be JSON"),
        ("3", 'must be a list, or a table {"zones"'),
        ("{}", 'must be a list, or a table {"zones"'),
        ('[{"name": "a", "kind": "bed", "polygon": [[1.1,0],[1.4,0],[1.4,1]]}]', "zone 'a' lies outside the frame"),
        ('[{"name": "a", "kind": "bed", "polygon": [[0,-0.4],[1,-0.4],[1,-0.1]]}]', "zone 'a' lies outside the frame"),
        ('[{"name": "a", "kind": "bad", "polygon": [[0,0],[1,0],[1,1]]}]', "must be one of bed, sofa, ignore"),
        ('[{"name": "a", "kind": "bed", "polygn": [[0,0],[1,0],[1,1]]}]', "did you mean 'polygon'"),
        ('[{"name": "a", "kind": "bed", "polygon": [[0,0],[1,0]]}]', "3 to 200 corners, got 2"),
        ('[{"name": "a", "kind": "bed", "polygon": [[0,0],[640,0],[640,480]]}]', "is this in pixels"),
        ('[{"name": "a", "kind": "bed", "polygon": [[0,0],[1,0],[1,NaN]]}]', "finite"),
    ],
)
def test_wrong_zones_are_refused(text, says):
    with pytest.raises(SpecError, match=says):
        zones_from_json(text)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(SpecError, match=r"no\.json: No such file"):
        zones_from_file(tmp_path / "no.json")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe")
    with pytest.raises(SpecError, match=r"b\.json"):
        zones_from_file(tmp_path / "b.json")
    (tmp_path / "big.json").write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(SpecError, match="larger than"):
        zones_from_file(tmp_path / "big.json")
