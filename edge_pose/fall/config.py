"""`FallConfig`: every number that decides what a fall is, in one frozen table that can be read from TOML."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_pose.errors import SpecError
from edge_pose.strict import check_numbers, from_file, read, toml_values

MAX_BYTES = 1 << 20  # of a configuration file


@dataclass(frozen=True, slots=True)
class FallConfig:
    """Thresholds of the fall detector. Lengths are in standing heights of the person, heights above the foot line.

    Seeing: min_joint is the least score of a joint that counts; min_seen, of how many joints a pose must consist;
    max_speed, in heights/s, how fast a body may move before it is taken for somebody else.

    Descending: plunge is how far the shoulders must come down within window_s, and hip_drop the hips; plunge_seat the
    same for somebody who sat or lay before, plunge_low for somebody who was half down already; plunge_raised for an end
    on a bed or a sofa; plunge_lost for somebody who is then seen no more.

    Down: shoulders no higher than low_shoulders and hips no higher than low_hips, the torso leaning by at least
    lean_deg or the shoulders no more than low_rise above the hips (which is how a torso looks that points towards the
    camera or away from it; with less than away_rise hips may be as high as away_hips); raised_hips and raised_shoulders
    are the limits on a bed or a sofa, where the torso must lean by raised_lean_deg and rise no more than raised_rise.

    Time: upright_s after standing and settle_s after the descent the body must be down, without sitting or kneeling
    upright for pause_s on the way; confirm_s it must stay there, with at least hold of the looks at it showing so;
    recover_s it must be up again for `fall.recovered`; lost_s somebody who was lost while descending is waited for;
    carry_s what is known of a lost person is kept for whoever turns up there; cooldown_s after an alarm the same place
    raises none; escalate_s until `fall.still_down`.

    Zones: in a zone that raises the bar all descents count zone_factor times less and confirm_s is zone_confirm_s.

    Second look: a person lost while low is looked for in a turned crop every look_every_s, for look_for_s; 0 is never.
    """

    min_joint: float = 0.2
    min_seen: int = 4
    max_speed: float = 5.0

    window_s: float = 0.8
    plunge: float = 0.34
    plunge_low: float = 0.5
    plunge_seat: float = 0.24
    hip_drop: float = 0.13
    plunge_raised: float = 0.33
    plunge_lost: float = 0.28

    low_shoulders: float = 0.42
    low_hips: float = 0.25
    lean_deg: float = 50.0
    low_rise: float = 0.19
    away_hips: float = 0.4
    away_rise: float = 0.14
    raised_hips: float = 0.45
    raised_shoulders: float = 0.52
    raised_lean_deg: float = 60.0
    raised_rise: float = 0.13

    upright_s: float = 1.6
    pause_s: float = 0.4
    settle_s: float = 0.7
    confirm_s: float = 0.7
    hold: float = 0.6
    recover_s: float = 2.0
    lost_s: float = 1.0
    carry_s: float = 3.0
    cooldown_s: float = 30.0
    escalate_s: float = 60.0

    zone_factor: float = 2.0
    zone_confirm_s: float = 3.0

    look_every_s: float = 0.5
    look_for_s: float = 4.0

    def __post_init__(self) -> None:
        above_zero = ("window_s", "confirm_s", "carry_s", "max_speed")
        check_numbers(self, SpecError, above_zero=above_zero, shares=("min_joint", "hold"), most=1e6)

    @classmethod
    def from_toml(cls, text: str) -> FallConfig:
        """Read a configuration; what it leaves out keeps its default. Raises SpecError, with the nearest known name."""
        return read(cls, toml_values(text), "", {})

    @classmethod
    def from_file(cls, path: Path) -> FallConfig:
        """Read a TOML file. Raises SpecError that names the file."""
        return from_file(path, "configuration", cls.from_toml, MAX_BYTES)
