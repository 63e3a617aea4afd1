"""Thresholds come from a file, strictly, and the defaults are those that are documented."""

import pytest

from edge_pose.errors import SpecError
from edge_pose.fall import FallConfig


def test_the_times_that_are_promised():
    config = FallConfig()
    assert (config.confirm_s, config.recover_s, config.cooldown_s, config.escalate_s) == (0.7, 2.0, 30.0, 60.0)


def test_what_a_file_leaves_out_keeps_its_default(tmp_path):
    (tmp_path / "fall.toml").write_text("confirm_s = 2\nmin_seen = 6\n")
    config = FallConfig.from_file(tmp_path / "fall.toml")
    assert (config.confirm_s, config.min_seen, config.plunge) == (2.0, 6, FallConfig().plunge)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("confirm = 2", "did you mean 'confirm_s'"),
        ("confirm_s = 'two'", "confirm_s must be float"),
        ("confirm_s = -1", "confirm_s must be a number above 0"),
        ("confirm_s = nan", "finite"),
        ("confirm_s = 0", "confirm_s must be a number above 0"),
        ("hold = 1.5", "hold must be between 0 and 1"),
        ("confirm_s = ", "no valid TOML"),
    ],
)
def test_wrong_files_are_refused_with_their_name(tmp_path, text, says):
    (tmp_path / "fall.toml").write_text(text)
    with pytest.raises(SpecError, match=says) as caught:
        FallConfig.from_file(tmp_path / "fall.toml")
    assert "fall.toml" in str(caught.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(SpecError, match="cannot read"):
        FallConfig.from_file(tmp_path / "no.toml")
    (tmp_path / "big.toml").write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(SpecError, match="larger than"):
        FallConfig.from_file(tmp_path / "big.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    with pytest.raises(SpecError, match=r"bytes\.toml"):
        FallConfig.from_file(tmp_path / "bytes.toml")
