"""What a tracker may be told, with defaults that work from 8 to 60 frames a second."""

from __future__ import annotations

from dataclasses import dataclass

from edge_pose.errors import ShapeError
from edge_pose.strict import check_numbers


@dataclass(frozen=True, slots=True)
class TrackConfig:
    """When people get an id, keep it and lose it. Scores are box scores; times are seconds, whatever the frame rate.

    keep_score: rows below it are nobody. start_score: rows below it only keep an id that somebody has already.
    sure_score: rows from it on get an id at first sight; between start and sure they must be seen `hits` times in a
    row first, so that a chair that is a person for a frame or two gets none. patience_s: how long an id waits for
    somebody who is hidden. match: least likeness (0 to 1) of a row and a prediction. duplicate: similarity of two
    poses in one frame from which they are one person found twice. Raises ShapeError for values that make no sense.
    """

    keep_score: float = 0.1
    start_score: float = 0.4
    sure_score: float = 0.6
    hits: int = 3
    patience_s: float = 1.0
    match: float = 0.2
    duplicate: float = 0.65

    def __post_init__(self) -> None:
        check_numbers(self, ShapeError, shares=("keep_score", "start_score", "match", "duplicate"))
        if not self.keep_score <= self.start_score <= self.sure_score:
            raise ShapeError(
                f"scores must rise: keep_score {self.keep_score} <= start_score {self.start_score} "
                f"<= sure_score {self.sure_score}"
            )
        if self.hits < 1 or self.hits != int(self.hits):
            raise ShapeError(f"hits must be a whole number from 1 on, got {self.hits}")
