"""The state machine of one person: upright -> descending -> down -> alarm -> recovered, each step with its reason."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from enum import Enum

from edge_pose.fall.body import Body, Sample
from edge_pose.fall.config import FallConfig
from edge_pose.fall.posture import Posture

KEEP_S = 4.0  # of samples, for the evidence
ONSET = 0.6  # of the least plunge of all, from which somebody is on the way down
STEP_S = 0.3  # that one look can count for, at most
TIP_DEG, TIP_RISE = 30.0, 0.24  # of a torso that is upright
STEADY_S, STEADY_SCORE, STEADY_SHARE = 1.5, 0.4, 0.7  # of somebody who is seen well: least box score, share of frames
SURE_LOOKS = 3  # at somebody who lies, that count without being seen well before
LONG_S = 6.0  # after standing, from which somebody was not on the way down all the time
LATE_S = 2.5  # for people who are hardly seen after a descent


class State(Enum):
    """How a person is doing. The value is the name that evidence and pages show."""

    UPRIGHT = "upright"
    DESCENDING = "descending"
    DOWN = "down"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class Descent:
    """A way down that was seen: the largest plunges of it, when they ended, and how long before the person stood."""

    since_s: float
    plunge: float
    hip_plunge: float
    from_standing: bool
    stood_ago_s: float | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What the machine has to tell: the event's kind, the rule that fired and how clear the case is, in [0, 1]."""

    event: str
    rule: str
    confidence: float


class Machine:
    """Follows one person. `update` for each frame the person is seen in, `unseen` for each other one.

    state, rule: where it stands and why. samples: features of the last seconds. descent: the way down, if any.
    """

    def __init__(self, config: FallConfig) -> None:
        self.config = config
        self.body = Body(config)
        self.state = State.UPRIGHT
        self.rule = ""
        self.samples: deque[Sample] = deque()
        self.descent: Descent | None = None
        self.down_s = 0.0  # since when, while down or in alarm
        self.alarm_s = 0.0
        self.escalated = False
        self._glances: deque[tuple[float, bool]] = deque()  # for each frame lately: was the person seen?
        self._looks: list[bool] = []  # while down: did each look at the person show it?
        self._up_s: float | None = None  # while in alarm: since when up again
        self._wrong_s: float | None = None  # while down: since when not
        self._step_s = 0.0  # since the person was seen before
        self._since_up_s = math.inf  # of clear looks since the person stood
        self._pause_s = 0.0  # for how long the person sits or kneels upright
        self._spent_s = 0.0  # of clear looks since the descent ended, in which the person did not lie

    @property
    def last(self) -> Sample | None:
        """Features when the person was seen last."""
        return self.samples[-1] if self.samples else None

    def update(self, posture: Posture, raised_bar: bool = False) -> Finding | None:
        """Take in a frame that shows the person; raised_bar: the person is in a zone where more is asked for."""
        sample = self.body.update(posture)
        self._step_s = sample.time_s - self.samples[-1].time_s if self.samples else 0.0
        self.samples.append(sample)
        self._glance(sample.time_s, True)
        while self.samples[0].time_s < sample.time_s - KEEP_S:
            self.samples.popleft()
        now = sample.time_s
        if self.state is State.ALARM:
            return self._in_alarm(sample)
        self._follow_descent(sample)
        rule = self._lies(sample, raised_bar)
        if self.state is State.DOWN:
            return self._in_dwell(sample, bool(rule) or self._still_low(sample), raised_bar)
        if rule:
            self.state, self.rule, self.down_s = State.DOWN, rule, now
            self._looks, self._wrong_s = [True], None
        return None

    def unseen(self, now_s: float) -> Finding | None:
        """Take in that a frame does not show the person."""
        last = self.last
        if last is None:
            return None
        self._glance(now_s, False)
        return self._in_doubt(now_s, last) if self.state is not State.ALARM else self._escalate(now_s)

    def _in_doubt(self, now_s: float, last: Sample) -> Finding | None:
        """Tell whether somebody who is not seen, or hardly, must be down by now."""
        cfg = self.config
        if self.state is State.DOWN and now_s - self.down_s >= max(cfg.confirm_s, cfg.lost_s):
            if len(self._looks) >= SURE_LOOKS or self._steady():
                return self._alarm(now_s, self.rule)
            self._calm()
        if self.state is State.DESCENDING and now_s - last.time_s >= cfg.lost_s:
            if self.vanished_low():
                return self._alarm(now_s, "lost after a quick descent")
            self._calm()
        return None

    def vanished_low(self) -> bool:
        """Whether somebody who had been seen well was lost while falling, not at the side of the frame."""
        last, posture = self.last, self.body.last
        if last is None or posture is None or self.descent is None or posture.cut_side or last.squats or last.legless:
            return False
        low = last.shoulders <= (self.config.raised_shoulders + 0.1) and not last.hips > self.config.raised_hips
        # Somebody who sits down stays upright; whose torso is not seen has walked out of the picture.
        tipping = last.lean >= TIP_DEG or last.rise <= TIP_RISE
        return self.descent.plunge >= self.config.plunge_lost and low and tipping and self._steady()

    def _glance(self, now_s: float, seen: bool) -> None:
        self._glances.append((now_s, seen))
        while self._glances[0][0] < now_s - KEEP_S:
            self._glances.popleft()

    def _steady(self) -> bool:
        """Whether the person was seen well before going down: in the dark, being lost means nothing."""
        if self.descent is None or self.body.sure < STEADY_SCORE:
            return False
        begun_s = self.descent.since_s - self.config.window_s
        shown = [seen for at_s, seen in self._glances if begun_s - STEADY_S < at_s <= begun_s]
        return sum(shown) >= STEADY_SHARE * len(shown)

    def candidate(self) -> Finding | None:
        """Return what can be said when nothing more will be seen: a fall that was under way, or None."""
        if self.state is State.DOWN:
            return Finding("fall.candidate", self.rule, 0.8 * self._confidence())
        if self.state is State.DESCENDING and self.vanished_low():
            return Finding("fall.candidate", "the recording ended during a quick descent", 0.6 * self._confidence())
        return None

    # The way down.

    def _follow_descent(self, sample: Sample) -> None:
        cfg, now = self.config, sample.time_s
        hips = sample.hip_plunge if sample.hip_plunge == sample.hip_plunge else 0.0
        plunge = sample.plunge if sample.plunge == sample.plunge else hips  # shoulders are out of the frame
        if not sample.weak:
            self._since_up_s = 0.0 if sample.stands else self._since_up_s + min(self._step_s, STEP_S)
        if self._paused(sample) and self.state is not State.DOWN:
            self.descent = None
            self._calm()
            return
        held = self.descent
        if held is not None:
            if plunge > held.plunge or hips > held.hip_plunge:
                if plunge > held.plunge:
                    held, self._spent_s = replace(held, since_s=now), 0.0
                self.descent = replace(held, plunge=max(held.plunge, plunge), hip_plunge=max(held.hip_plunge, hips))
            elif not sample.weak:  # looks that are hardly any do not count: the person may lie there all the same
                self._spent_s += min(self._step_s, STEP_S)
            late = self._spent_s > cfg.settle_s or now - held.since_s > cfg.settle_s + LATE_S
            if self.state is not State.DOWN and ((sample.stands and not sample.weak) or late):
                self.descent = None
                self._calm()
        if self.descent is None and plunge >= ONSET * cfg.plunge_seat and not sample.stands:
            from_standing = self._since_up_s <= cfg.window_s
            ago = self._since_up_s if math.isfinite(self._since_up_s) else None
            self.descent, self._spent_s = Descent(now, plunge, hips, from_standing, ago), 0.0
            if self.state is State.UPRIGHT:
                self.state = State.DESCENDING

    def _paused(self, sample: Sample) -> bool:
        """Whether the person sits or kneels upright for a moment: who falls does not."""
        settled = sample.rise > TIP_RISE and sample.lean < TIP_DEG and sample.hips < self.config.raised_hips
        if sample.weak or not settled or sample.stands:
            self._pause_s = 0.0
        else:
            self._pause_s += min(self._step_s, STEP_S)
        return self._pause_s >= self.config.pause_s

    def _calm(self) -> None:
        self.state, self.rule = State.UPRIGHT, ""

    # Down.

    def _lies(self, sample: Sample, raised_bar: bool) -> str:
        """Return the rule by which the person is down after a fall, "" for none."""
        cfg, descent = self.config, self.descent
        if descent is None:
            return ""
        factor = cfg.zone_factor if raised_bar else 1.0
        plunge, hips = descent.plunge / factor, descent.hip_plunge / factor
        upright_before = descent.from_standing and self._since_up_s <= cfg.upright_s
        if floor_low(sample, cfg):
            if upright_before and plunge >= cfg.plunge and hips >= cfg.hip_drop:
                return "quick descent from standing to the floor"
            if plunge >= cfg.plunge_low and hips >= cfg.hip_drop:
                return "very quick descent to the floor"
            if self._since_up_s > LONG_S and plunge >= cfg.plunge_seat and hips >= cfg.hip_drop:
                return "quick descent from a seat or bed"
        elif upright_before and plunge >= cfg.plunge_raised and raised_low(sample, cfg):
            return "quick descent from standing to lying"
        return ""

    def _still_low(self, sample: Sample) -> bool:
        return floor_low(sample, self.config) or raised_low(sample, self.config)

    def _in_dwell(self, sample: Sample, low: bool, raised_bar: bool) -> Finding | None:
        cfg, now_s = self.config, sample.time_s
        if sample.weak and not low:
            return self._in_doubt(now_s, sample)
        self._looks += [low] if not sample.squats else [False, False]  # balance is seen less easily than its absence
        if low:
            self._wrong_s = None
        elif self._wrong_s is None:
            self._wrong_s = now_s
        enough = cfg.zone_confirm_s if raised_bar else cfg.confirm_s
        share = sum(self._looks) / len(self._looks)
        if self._wrong_s is not None and (now_s - self._wrong_s > cfg.confirm_s or share < cfg.hold / 2):
            self._calm()
        elif now_s - self.down_s >= enough and share >= cfg.hold and low:
            return self._alarm(now_s, self.rule)
        return None

    # The alarm and after.

    def _alarm(self, now_s: float, rule: str) -> Finding:
        confidence = self._confidence()
        self.state, self.rule, self.alarm_s = State.ALARM, rule, now_s
        self.escalated, self._up_s = False, None
        return Finding("fall.confirmed", rule, confidence)

    def _in_alarm(self, sample: Sample) -> Finding | None:
        cfg, now = self.config, sample.time_s
        up = sample.stands or (
            sample.shoulders > cfg.raised_shoulders and sample.rise > cfg.low_rise and sample.lean < cfg.lean_deg
        )
        if not up:
            self._up_s = None
            return self._escalate(now)
        if self._up_s is None:
            self._up_s = now
        if now - self._up_s < cfg.recover_s:
            return None
        self._calm()
        self.descent = None
        return Finding("fall.recovered", "upright again", 1.0)

    def _escalate(self, now_s: float) -> Finding | None:
        if self.state is State.ALARM and not self.escalated and now_s - self.alarm_s >= self.config.escalate_s:
            self.escalated = True
            return Finding("fall.still_down", self.rule, 1.0)
        return None

    def _confidence(self) -> float:
        """Return how clear the descent was: 0.5 at the threshold, towards 1 at twice of it."""
        if self.descent is None:
            return 0.5
        return min(0.99, max(0.2, 0.5 * self.descent.plunge / self.config.plunge))


def floor_low(sample: Sample, config: FallConfig) -> bool:
    """Whether somebody lies at the height of the floor, by what is seen of the body."""
    if sample.squats or sample.legless:
        return False
    if sample.hips == sample.hips:
        # Away from a camera that looks down, the body is foreshortened and its hips look high.
        away = sample.rise <= config.away_rise and sample.lean < config.lean_deg
        if sample.hips > (config.away_hips if away else config.low_hips):
            return False
        if sample.shoulders != sample.shoulders:
            return sample.aspect >= 1
        level = sample.lean >= config.lean_deg or sample.rise <= config.low_rise
        return sample.shoulders <= (config.raised_shoulders if away else config.low_shoulders) and level
    return sample.shoulders <= 0.6 * config.low_shoulders


def raised_low(sample: Sample, config: FallConfig) -> bool:
    """Whether somebody lies on something raised, such as a bed, or on the floor away from a high camera."""
    if sample.squats or sample.legless or sample.hips != sample.hips or sample.shoulders != sample.shoulders:
        return False
    if sample.hips > config.raised_hips or sample.shoulders > config.raised_shoulders:
        return False
    return sample.lean >= config.raised_lean_deg and sample.rise <= config.raised_rise
