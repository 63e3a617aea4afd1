"""`FallDetector`: poses with ids in, events out. One machine a person, kept alive across broken tracks."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edge_pose.errors import ShapeError, TimeError
from edge_pose.fall.config import FallConfig
from edge_pose.fall.event import FallEvent
from edge_pose.fall.machine import Finding, Machine, State
from edge_pose.fall.posture import Posture, posture
from edge_pose.fall.zones import Zone, effect_at
from edge_pose.poses import Poses

REACH = 1.0  # standing heights from where somebody was lost within which whoever turns up may be that person
FILL, FILL_UP = 0.7, 0.08  # the same for rows without a track, and how much higher they may be
WEAK = 0.3  # box score of somebody who is hardly seen
SERIES = ("shoulders", "hips", "head", "rise", "lean", "aspect", "plunge", "hip_plunge", "score")


@dataclass(slots=True)
class Person:
    """One person: the machine, the track that shows it now, when it was last seen, and if by a row without a track.

    known_id: the last track it had. alarm_id: that of its alarm, which all that follows carries too. alarmed: an alarm
    of this person was told, and so will be what follows. candidate: it was a candidate, told at what seemed the end.
    """

    machine: Machine
    track_id: int
    seen_s: float
    filled: bool = False
    known_id: int = -1
    alarm_id: int = -1
    alarmed: bool = False
    candidate: bool = False


class FallDetector:
    """Watches everybody in a stream for falls: `update(poses, time_s, frame_hw)` for each frame, `finish` at its end.

    zones: where more is asked for, or nothing told; may be replaced while running. source: written into the events.
    people: what is known of everybody now. Nothing is shared with other detectors, and the same poses at the same times
    give the same events, but for their ids and wall times. Threads wait for each other.
    """

    def __init__(
        self,
        config: FallConfig = FallConfig(),  # noqa: B008 - frozen
        zones: Sequence[Zone] = (),
        source: str = "",
    ) -> None:
        self.config, self.zones, self.source = config, tuple(zones), source
        self.people: list[Person] = []
        self._now = -math.inf
        self._looked_s = -math.inf
        self._frame_hw: tuple[int, int] | None = None
        self._alarms: list[tuple[float, float, float, float]] = []  # time, x, y, reach in pixels
        self._guard = threading.Lock()

    def reset(self) -> None:
        """Forget everybody: the next frame does not follow the one before."""
        with self._guard:
            self.people.clear()
            self._alarms.clear()
            self._now = self._looked_s = -math.inf

    def update(self, poses: Poses, time_s: float, frame_hw: tuple[int, int]) -> tuple[FallEvent, ...]:
        """Take in a frame: everybody with ids from a tracker; frame_hw: its height and width in pixels.

        Rows with id -1 only fill in for people who were lost on their way down. Nobody is fine. Returns what is to be
        told, mostly nothing. Raises TimeError unless time_s grows; ShapeError for poses without COCO's 17 joints, an id
        given twice, or a frame without pixels.
        """
        with self._guard:
            return self._update(poses, time_s, frame_hw)

    def _update(self, poses: Poses, time_s: float, frame_hw: tuple[int, int]) -> tuple[FallEvent, ...]:
        if not time_s > self._now or time_s == math.inf:
            raise TimeError(f"time_s must grow from call to call: got {time_s} after {self._now}")
        if len(poses.skeleton) != 17:
            raise ShapeError(f"falls are judged by COCO's 17 joints, got poses of {len(poses.skeleton)}")
        if min(frame_hw) < 1:
            raise ShapeError(f"frame_hw must be height and width in pixels, got {frame_hw}")
        ids = [track for track in poses.ids.tolist() if track >= 0] if len(poses) > 1 else []
        if len(set(ids)) < len(ids):
            raise ShapeError(f"ids of one frame must differ, got {ids}")
        self._now = time_s
        if frame_hw != self._frame_hw:  # another picture: what is known is in the pixels of the old one
            self.people.clear()
            self._alarms.clear()
            self._frame_hw = frame_hw
        self.people = [p for p in self.people if self._remembered(p, time_s)]
        events: list[FallEvent] = []
        shown = self._shown(poses, time_s, frame_hw)
        for person in self.people:
            person.candidate &= person.machine.state is not State.UPRIGHT  # then it was none
        for person, now in self._matched(shown, time_s):
            effect = effect_at(self.zones, *now.centre, frame_hw) if self.zones else None
            finding = person.machine.update(now, effect == "raise")
            self._tell(events, person, finding, muted=effect == "mute")
        for person in self.people:
            if person.seen_s < time_s:
                centre = person.machine.body.last.centre if person.machine.body.last else (0.0, 0.0)
                effect = effect_at(self.zones, *centre, frame_hw) if self.zones else None
                self._tell(events, person, person.machine.unseen(time_s), muted=effect == "mute")
        return tuple(events)

    def finish(self, time_s: float) -> tuple[FallEvent, ...]:
        """Tell what the end of the stream leaves open: falls that were about to be confirmed, as candidates.

        time_s: not before the last frame's. Told once, however often it is asked; should the stream go on nevertheless,
        so does the watch, and a candidate may be confirmed. Raises TimeError.
        """
        with self._guard:
            if not self._now <= time_s < math.inf:
                raise TimeError(f"time_s must not be before the last frame: got {time_s} after {self._now}")
            events: list[FallEvent] = []
            for person in self.people:
                self._tell(events, person, person.machine.candidate(), muted=False, at_s=time_s)
            return tuple(events)

    def look_at(self, poses: Poses) -> tuple[float, float, float] | None:
        """Return where to look a second time in the next frame: x, y and standing height in pixels, or None.

        That is where somebody was lost, or is hardly seen, while low; poses: of that frame, before tracking, in which
        nobody may be found there with some confidence. Counts as a look: the next is due `look_every_s` later.
        """
        every_s = self.config.look_every_s
        if every_s == 0 or self._now < self._looked_s + every_s:
            return None
        for person in self.people:
            body, machine = person.machine.body, person.machine
            if machine.state is State.UPRIGHT or body.last is None or not body.stature_px:
                continue
            lost = person.seen_s < self._now and self._now - person.seen_s <= self.config.look_for_s
            if not lost and body.last.box_score >= WEAK:
                continue
            x, y = body.last.centre
            if not _somebody_at(poses, x, y, body.stature_px):
                self._looked_s = self._now
                return x, y, body.stature_px
        return None

    # Who is who.

    def _shown(self, poses: Poses, time_s: float, frame_hw: tuple[int, int]) -> list[tuple[int, Posture]]:
        known = {p.track_id: p.machine.body.last for p in self.people}
        least = self.config.min_joint
        found = [(pose.id, posture(pose, time_s, frame_hw, least, known.get(pose.id))) for pose in poses]
        found.sort(key=lambda row: row[0] < 0)  # those without a track come last: they only fill in
        return [(t, now) for t, now in found if now.seen >= self.config.min_seen and math.isfinite(sum(now.box))]

    def _matched(self, shown: list[tuple[int, Posture]], time_s: float) -> list[tuple[Person, Posture]]:
        """Return each posture with its person: by track, else the lost one that may have turned up there, else new."""
        by_track = {p.track_id: p for p in self.people}
        taken = {id(by_track[track]) for track, _ in shown if track in by_track}
        pairs = []
        for track, now in shown:
            person = by_track.get(track) if track >= 0 else None
            if track < 0:
                person = self._lost_near(now, time_s, taken, falling=True)
                if person is None:
                    continue  # nobody that anything is known of
                taken.add(id(person))
            elif person is not None and self._jumped(person, now):
                person.track_id = -1  # the track went over to somebody else
                person = None
            if person is None:
                person = self._lost_near(now, time_s, taken) or self._new(time_s)
                person.track_id = person.known_id = track
                taken.add(id(person))
            person.seen_s, person.filled = time_s, track < 0
            pairs.append((person, now))
        return pairs

    def _new(self, time_s: float) -> Person:
        person = Person(Machine(self.config), -1, time_s)
        self.people.append(person)
        return person

    def _jumped(self, person: Person, now: Posture) -> bool:
        """Whether a track moved quicker than any body does."""
        body = person.machine.body
        if body.last is None or not body.stature_px or person.filled:
            return False
        way = math.dist(body.last.centre, now.centre) / body.stature_px
        return way > 0.5 and way / (now.time_s - body.last.time_s) > self.config.max_speed

    def _lost_near(self, now: Posture, time_s: float, taken: set[int], falling: bool = False) -> Person | None:
        """Return the lost person who was nearest; falling: of those only who were on the way down."""
        best, nearest = None, math.inf
        for person in self.people:
            body = person.machine.body
            if id(person) in taken or person.seen_s >= time_s or body.last is None or not body.stature_px:
                continue
            way = math.dist(body.last.centre, now.centre) / body.stature_px
            if falling and (person.machine.state is State.UPRIGHT or not _follows(body.last, now, body.stature_px)):
                continue
            if way < min(REACH, nearest) and self._alike(body.stature_px, now):
                best, nearest = person, way
        return best

    @staticmethod
    def _alike(stature_px: float, now: Posture) -> bool:
        """Whether a posture may belong to a body of that size: none of its parts is much too long, or all too short."""
        tall = now.longest()
        return tall is None or 0.3 < tall / stature_px < 1.6

    def _remembered(self, person: Person, time_s: float) -> bool:
        """Whether somebody may still turn up again: those in alarm are waited for until help must be there."""
        gone_s = time_s - person.seen_s
        if person.machine.state is State.ALARM:
            return gone_s <= self.config.escalate_s + self.config.carry_s
        return gone_s <= self.config.carry_s

    # What is told.

    def _tell(
        self,
        events: list[FallEvent],
        person: Person,
        finding: Finding | None,
        *,
        muted: bool,
        at_s: float | None = None,
    ) -> None:
        if finding is None:
            return
        now = self._now if at_s is None else at_s
        if finding.event == "fall.candidate" and person.candidate:
            return
        if finding.event in ("fall.confirmed", "fall.candidate"):
            person.alarmed = not muted and (person.candidate or not self._recent(person, now))
            person.candidate = finding.event == "fall.candidate" and person.alarmed
            if person.alarmed:
                person.alarm_id = person.known_id
                self._mark(person, now)
        if not person.alarmed:
            return
        evidence = evidence_of(person.machine, finding)
        event = FallEvent(
            event=finding.event,
            time_s=now,
            track_id=person.alarm_id,
            confidence=finding.confidence,
            evidence=evidence,
            source=self.source,
        )
        events.append(event)
        if finding.event == "fall.recovered":
            person.alarmed = False

    def _mark(self, person: Person, now_s: float) -> None:
        body = person.machine.body
        if body.last is not None:
            self._alarms.append((now_s, *body.last.centre, 1.2 * (body.stature_px or 0.0)))

    def _recent(self, person: Person, now_s: float) -> bool:
        """Whether the same place raised an alarm just before: one fall seen twice is one alarm."""
        cooldown_s = self.config.cooldown_s
        self._alarms = [a for a in self._alarms if now_s - a[0] <= cooldown_s]
        last = person.machine.body.last
        return last is not None and any(math.dist((x, y), last.centre) <= reach for _, x, y, reach in self._alarms)


def _somebody_at(poses: Poses, x: float, y: float, tall: float) -> bool:
    """Whether a pose that is worth the name is at a place."""
    for box, score in zip(poses.boxes.tolist(), poses.box_scores.tolist(), strict=True):
        x1, y1, x2, y2 = box
        if score >= WEAK and math.dist(((x1 + x2) / 2, (y1 + y2) / 2), (x, y)) < 0.6 * tall:
            return True
    return False


def _follows(last: Posture, now: Posture, tall: float) -> bool:
    """Whether a row that no track stands for may show somebody who was on the way down: near, and no higher."""
    return math.dist(last.centre, now.centre) < FILL * tall and now.centre[1] > last.centre[1] - FILL_UP * tall


def evidence_of(machine: Machine, finding: Finding) -> dict[str, Any]:
    """Return why: the rule, the descent, the features of the last seconds and the thresholds, as JSON values."""
    samples = list(machine.samples)
    step = max(1, len(samples) // 60)
    samples = samples[::-1][::step][::-1]
    series: dict[str, Any] = {"time_s": [round(s.time_s, 3) for s in samples]}
    for name in SERIES:
        values = [getattr(s, name) for s in samples]
        series[name] = [round(v, 3) if math.isfinite(v) else None for v in values]
    body, descent = machine.body, machine.descent
    return {
        "rule": finding.rule,
        "state": machine.state.value,
        "descent": None if descent is None else asdict(descent),
        "stature_px": body.stature_px,
        "floor_px": body.floor_px,
        "box": list(body.last.box) if body.last else None,
        "series": series,
        "thresholds": asdict(machine.config),
    }
