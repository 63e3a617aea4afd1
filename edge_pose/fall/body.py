"""What is known of one person's body over time: how tall, where the floor is, and each frame's features from that."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from edge_pose.fall.config import FallConfig
from edge_pose.fall.posture import ANKLE, HEAD, HIP, SHOULDER, TORSO, Posture

NAN = math.nan
STAND_LEAN_DEG = 35.0  # of the torso, at most, for somebody who stands
STAND_THIGH, STAND_LEG = 0.14, 0.34  # heights, at least, from the hips down to knees and ankles
STAND_ASPECT = 0.85
STAND_LONG = 0.78  # of the height that the longest parts speak for: somebody who sits or stoops has less
STAND_S, STAND_KNOWN_S = 0.19, 2.0  # for how long it must last, unless the person stood so short a time ago
SHRUNK = 0.85  # standing, but by so much shorter: at first more likely stooping, or lying seen from the feet
SHRUNK_S = 1.5  # for so long; then it is somebody who went away from the camera
STATURE_S, FLOOR_S, FADE_S = 0.3, 0.2, 20.0  # time constants of what is learnt
GROW_S = 1.0  # in which a guessed stature follows longer parts: nobody grows while falling towards the camera
WEAK = 0.45  # of the best box score lately, below which somebody is hardly seen
LEGLESS = 0.2  # so near to the lower edge of the frame, legs that are not seen are below it
STEADY_S = 0.07  # of the positions that plunges are read off


@dataclass(frozen=True, slots=True)
class Sample:
    """Features of one frame, in standing heights above the foot line; NaN where nothing tells.

    rise: shoulders above hips. lean: of the torso, degrees from upright. plunge, hip_plunge: how far shoulders and hips
    came down within the window that ends here. stands, squats: has the shape of somebody who does. weak: the network is
    much less sure of this person than it used to be. legless: the legs are below the frame. moved: speed of the body's
    centre, heights/s.
    """

    time_s: float
    shoulders: float
    hips: float
    head: float
    rise: float
    lean: float
    aspect: float
    plunge: float
    hip_plunge: float
    stands: bool
    squats: bool
    weak: bool
    legless: bool
    moved: float
    score: float
    seen: int


class Level(NamedTuple):
    """How high a part of the body was, as y in the frame; feet_px: where the feet were if the person stood, or NaN."""

    time_s: float
    y_px: float
    feet_px: float

    def came_down(self, y_px: float, feet_px: float) -> float:
        """Return the way down to y, less what the feet came down on."""
        nearer = feet_px - self.feet_px
        return y_px - self.y_px - (nearer if nearer > 0 else 0.0)  # NaN is not above 0


class Body:
    """The standing height and foot line of one person, learnt whenever the person stands, and the features from them.

    stature_px: standing height, None as long as nothing was seen that tells. floor_px: y of the foot line. stood_s:
    when the person stood last; None: never. sure: the best box score lately.
    """

    def __init__(self, config: FallConfig) -> None:
        self.config = config
        self.stature_px: float | None = None
        self.floor_px: float | None = None
        self.stood_s: float | None = None
        self.last: Posture | None = None
        self.sure = 0.0
        self._upright_s = 0.0  # for how long the person has looked like standing
        self._known_s = 0.0  # for how long the stature was guessed
        self._shrunk: tuple[float, float] | None = None  # since when, and until when
        self._tracks: tuple[deque[Level], deque[Level]] = (deque(), deque())

    def update(self, posture: Posture) -> Sample:
        """Take one more frame in. Its time must be later than that of the frame before."""
        before, self.last = self.last, posture
        step_s = posture.time_s - before.time_s if before is not None else 0.0
        stands = self._learn(posture, step_s)
        tall = self.stature_px
        shoulders_px = _shoulders(posture, tall)
        hips_px = posture.hips[1] if posture.hips else NAN
        if stands and tall and shoulders_px != shoulders_px:  # out of the frame, but where else should they be
            shoulders_px = hips_px - TORSO * tall
        feet_px = posture.ankles[1] if stands and posture.ankles else NAN
        now_px = posture.ankles[1] if posture.ankles else NAN
        plunge, hip_plunge = (
            self._plunge(track, Level(posture.time_s, y, feet_px), now_px)
            for track, y in zip(self._tracks, (shoulders_px, hips_px), strict=True)
        )
        torso = posture.torso
        moved = NAN
        if before is not None and tall and step_s > 0:
            moved = math.dist(before.centre, posture.centre) / tall / step_s
        return Sample(
            posture.time_s,
            self.height(shoulders_px),
            self.height(hips_px),
            self.height(posture.head[1]) if posture.head else NAN,
            (hips_px - shoulders_px) / tall if tall else NAN,
            torso[0] if torso else NAN,
            posture.aspect,
            plunge,
            hip_plunge,
            stands,
            bool(tall) and posture.on_feet(tall or 0.0),
            posture.box_score < WEAK * self._usual(posture, step_s),
            posture.knees is None and posture.ankles is None and posture.below_px < LEGLESS * (tall or 0.0),
            moved,
            posture.score,
            posture.seen,
        )

    def _usual(self, posture: Posture, step_s: float) -> float:
        """Return how sure the network is of this person at its best, lately."""
        self.sure = max(posture.box_score, self.sure * math.exp(-step_s / FADE_S))
        return self.sure

    def height(self, y: float) -> float:
        """Return how high a y of the frame is above the foot line, in standing heights; NaN where that is unknown."""
        if self.floor_px is None or not self.stature_px:
            return NAN
        return (self.floor_px - y) / self.stature_px

    def _learn(self, posture: Posture, step_s: float) -> bool:
        """Learn stature and floor from somebody who stands; say whether this is one."""
        tall, now = _standing(posture), posture.time_s
        self._upright_s = 0.0 if tall is None else self._upright_s + step_s
        known = self.stood_s is not None and now - self.stood_s < STAND_KNOWN_S
        if tall is None or not (known or self._upright_s >= STAND_S):
            self._guess(posture, step_s)
            return False
        if self.stood_s is not None and self.stature_px is not None and tall < SHRUNK * self.stature_px:
            since, until = self._shrunk or (now, now)
            if now - until > SHRUNK_S / 3:
                since = now
            self._shrunk = (since, now)
            if now - since < SHRUNK_S:
                return False
            self.stature_px = None  # the new one holds from now on
        self._shrunk = None
        if self.stature_px is None or self.stood_s is None:
            self.stature_px, self.floor_px = tall, None
        else:
            self.stature_px += (tall - self.stature_px) * -math.expm1(-step_s / STATURE_S)
        self._stand_at(_floor(posture, self.stature_px), step_s)
        self.stood_s = now
        return True

    def _guess(self, posture: Posture, step_s: float) -> None:
        """Take the longest parts of the body for its measure as long as the person was not seen standing."""
        if self.stood_s is not None:
            return
        tall = posture.longest()
        if tall is not None:
            faded = (self.stature_px or tall) * math.exp(-step_s / FADE_S)
            self._known_s += step_s
            share = -math.expm1(-step_s / GROW_S) if self._known_s > GROW_S / 2 else 1.0
            self.stature_px = faded + max(0.0, tall - faded) * share
        if self.floor_px is None and self.stature_px:
            self.floor_px = posture.ankles[1] + ANKLE * self.stature_px if posture.ankles else posture.box[3]

    def _stand_at(self, floor_px: float | None, step_s: float) -> None:
        if floor_px is None:
            return
        if self.floor_px is None:
            self.floor_px = floor_px
        else:
            self.floor_px += (floor_px - self.floor_px) * -math.expm1(-step_s / FLOOR_S)

    def _plunge(self, track: deque[Level], level: Level, feet_px: float) -> float:
        """Return by how many heights a level has come down within the window; NaN where nothing tells.

        At the window's edge, the way between two looks counts in proportion: nobody saw how quick it was. By as much as
        the feet of somebody who stood came down too, the person came nearer and did not fall.
        """
        if level.y_px != level.y_px or not self.stature_px:
            return NAN
        edge_s = level.time_s - self.config.window_s
        if track:
            last = track[-1]
            share = -math.expm1(-(level.time_s - last.time_s) / STEADY_S)
            level = Level(level.time_s, last.y_px + (level.y_px - last.y_px) * share, level.feet_px)
        track.append(level)
        while len(track) > 1 and track[1].time_s <= edge_s:
            track.popleft()
        first, best = track[0], 0.0
        if first.time_s < edge_s:
            after = track[1]
            part = (edge_s - first.time_s) / (after.time_s - first.time_s)
            first = Level(edge_s, first.y_px + (after.y_px - first.y_px) * part, first.feet_px)
            best = first.came_down(level.y_px, feet_px)
        for then in track:
            if then.time_s >= edge_s:
                best = max(best, then.came_down(level.y_px, feet_px))
        return max(best, 0.0) / self.stature_px


def _standing(posture: Posture) -> float | None:
    """Return the standing height in pixels of somebody who has the shape of a standing person, else None."""
    tall, torso, hips = posture.stature(), posture.torso, posture.hips
    if tall is None or hips is None or posture.aspect > STAND_ASPECT or posture.seen < 5:
        return None
    if tall < STAND_LONG * (posture.longest() or 0.0):
        return None
    if torso is not None and torso[0] > STAND_LEAN_DEG:
        return None
    if posture.knees is None and posture.ankles is None:
        return None
    if posture.knees is not None and posture.knees[1] - hips[1] < STAND_THIGH * tall:
        return None
    if posture.ankles is not None and posture.ankles[1] - hips[1] < STAND_LEG * tall:
        return None
    return tall


def _floor(posture: Posture, tall: float) -> float | None:
    """Return the y of the floor under somebody who stands."""
    for part, high in ((posture.ankles, ANKLE), (posture.hips, HIP), (posture.shoulders, SHOULDER)):
        if part is not None:
            return part[1] + high * tall
    return None


def _shoulders(posture: Posture, tall: float | None) -> float:
    """Return the y of the shoulders; from the head where they are not seen, NaN where neither is."""
    if posture.shoulders is not None:
        return posture.shoulders[1]
    if posture.head is not None and tall:
        down = 1.0 if posture.hips is None or posture.head[1] < posture.hips[1] - 0.2 * tall else 0.0
        return posture.head[1] + down * (HEAD - SHOULDER) * tall
    return NAN
