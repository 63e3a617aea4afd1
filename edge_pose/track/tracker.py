"""`Tracker`: poses of a frame in, the same rows with ids out."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edge_pose.errors import ShapeError, TimeError
from edge_pose.poses import Boxes, Poses
from edge_pose.skeleton import Skeleton
from edge_pose.track import likeness
from edge_pose.track.alone import follow_alone
from edge_pose.track.assign import assign
from edge_pose.track.config import TrackConfig
from edge_pose.track.motion import LOST_S, MARGIN, MARGIN_PER_S, MARGIN_S, Tracks
from edge_pose.track.people import ENOUGH, SHOWS, People

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]
LOOSE = 2.0  # people move between frames: joints may be off by this many times what COCO allows
ALIKE = 0.5  # similarity of poses from which they may be one person's, wherever the boxes are
INSIDE = 0.7  # share of a box in another from which it may be a part of that person
STAYS = 0.5  # what it counts to be where somebody was seen last, instead of where they were going
LARGER = 2.0  # times the body: larger than that is not the person, unless it is a strong row
WITHIN = 0.5  # share of a weak row's box in a strong one's from which it says nothing of its own
BRIEF_S = 0.3  # how long somebody who has no id yet may be unseen
DEFAULTS = TrackConfig()


class Tracker:
    """Gives people ids. Ids start at 1, belong to this object and are never used again, not even after `reset()`.

    births, deaths: ids given, and ids given up after `patience_s` without their person.
    Sources: two rounds, confident rows first: Zhang et al. 2022 (ByteTrack); similarity of poses: COCO's OKS.
    """

    def __init__(self, config: TrackConfig = DEFAULTS) -> None:
        self.config = config
        self.births = self.deaths = 0
        self._now = -math.inf
        self._skeleton: Skeleton | None = None
        self._tracks = Tracks.none(0)

    def update(self, poses: Poses, time_s: float) -> Poses:
        """Return the same rows in the same order with `ids`; -1 is a row that nobody is known by.

        time_s: seconds, greater than at the call before. Nobody (N = 0) is fine. A row whose box or score is not
        finite gets -1. Raises TimeError when time does not grow, ShapeError when the number of joints changes.
        """
        self._check(poses, time_s)
        if len(poses) == 1 == len(self._tracks) and follow_alone(self._tracks, poses, time_s, self.config):
            return poses.with_ids(self._tracks.ids.copy())
        self._forget(time_s)
        people = People.of(poses)
        owners = np.full(len(people), -1, np.int64)  # the track that a row continues
        ids = np.full(len(people), -1, np.int64)
        strong = self._follow(people, owners, time_s)
        self._begin(people, strong & (owners < 0), owners, time_s)
        known = owners >= 0
        ids[known] = self._tracks.ids[owners[known]]
        return poses.with_ids(ids)

    def _check(self, poses: Poses, time_s: float) -> None:
        if not self._now < time_s < math.inf:
            raise TimeError(f"time_s must grow from call to call: got {time_s} after {self._now}")
        if poses.skeleton is not self._skeleton:
            if self._skeleton is not None and len(poses.skeleton) != len(self._skeleton):
                raise ShapeError(
                    f"poses must have {len(self._skeleton)} joints as before, got {len(poses.skeleton)}: "
                    "use one tracker for each skeleton, or reset()"
                )
            self._skeleton = poses.skeleton
            self._sigmas = np.array(poses.skeleton.sigmas, np.float64)
            self._flip = poses.skeleton.flip_order
            if not len(self._tracks):
                self._tracks = Tracks.none(len(poses.skeleton))
        self._now = time_s

    def _forget(self, time_s: float) -> None:
        tracks, patience = self._tracks, self.config.patience_s
        if len(tracks) and time_s - tracks.seen.min() > min(BRIEF_S, patience):
            limit = np.where(tracks.ids > 0, patience, min(BRIEF_S, patience)) + 1e-9  # times are sums of floats
            gone = time_s - tracks.seen > limit
            self.deaths += int((gone & (tracks.ids > 0)).sum())
            self._tracks = tracks.rows(~gone)

    def _follow(self, people: People, owners: I64, time_s: float) -> Mask:
        """Find who the rows are, fill in `owners`; returns which rows are sure enough to be somebody new."""
        config, tracks = self.config, self._tracks
        sound = people.scores >= config.keep_score
        if len(people) > 1:
            sound &= ~likeness.duplicates(people, self._sigmas, self._flip, config.duplicate)
        strong = sound & (people.scores >= config.start_score)
        if (people.scores[strong] < config.sure_score).any():
            shows = (people.joints > SHOWS).sum(axis=1) >= ENOUGH * people.joints.shape[1]
            strong &= shows | (people.scores >= config.sure_score)
        if strong.any() and not strong.all():
            sound &= strong | ~(likeness.cover(people, people, smaller=False)[strong] >= WITHIN).any(axis=0)
        if not len(tracks) or not sound.any():
            return strong
        expected = tracks.at(time_s)
        gap = np.minimum(time_s - tracks.seen, MARGIN_S)
        near = likeness.boxes(expected, people, MARGIN + MARGIN_PER_S * gap)
        if gap.max() > LOST_S:  # who falls behind a sofa stays there
            near = np.maximum(near, STAYS * likeness.boxes(tracks.left(), people, np.full(len(tracks), MARGIN)))
        alike = likeness.joints(expected, people, self._sigmas * LOOSE)
        worth, may = (near + alike) / 2, (near >= config.match) | (alike >= ALIKE)
        named = tracks.ids > 0
        if not named.all():
            worth = np.where(named[:, None], worth, worth / 2)  # who is known comes first
        _pair(worth, may, np.ones(len(tracks), bool), strong, owners)
        found = owners >= 0
        if (owners[sound] < 0).any():
            found = self._hold(people, owners, sound, strong, expected, worth)
        if found.any():
            tracks.see(owners[found], people.rows(found), time_s)
        return strong

    def _hold(self, people: People, owners: I64, sound: Mask, strong: Mask, expected: People, worth: F64) -> Mask:
        """Keep ids by weak rows, then by rows that are a part of somebody; returns whose rows say where they are."""
        tracks = self._tracks
        named = tracks.ids > 0
        bodies = (tracks.high - tracks.low).prod(axis=1)[:, None]
        likely = strong | (4 * people.half.prod(axis=1) <= LARGER * bodies)  # the weak are at times half a picture
        if not strong.all():
            close = likeness.boxes(expected, people, np.full(len(tracks), MARGIN)) >= self.config.match
            _pair(worth, likely & close, named, sound & ~strong, owners)
        found = owners >= 0
        if (owners[sound] < 0).any():
            part = likeness.cover(expected, people, smaller=True)
            _pair(part, (part >= INSIDE) & likely, named, sound, owners)
            held = (owners >= 0) & ~found & ~strong
            tracks.seen[owners[held]] = self._now  # a weak part keeps an id, and does not say where the whole is
            found = (owners >= 0) & ~held
        return found

    def _begin(self, people: People, fresh: Mask, owners: I64, time_s: float) -> None:
        """Start tracks for rows of somebody new, and give ids to those seen often or surely enough."""
        config = self.config
        if fresh.any():
            sure = people.scores >= config.sure_score
            inside = likeness.cover(people, people, smaller=False) >= INSIDE
            np.fill_diagonal(inside, False)
            # What shows in somebody's box may be a part of them.
            within = inside[(owners >= 0) | (fresh & sure)].any(axis=0)
            rows = (fresh & (sure | ~within)).nonzero()[0]
            begun = Tracks.first(people.rows(rows), time_s)
            owners[rows] = np.arange(len(rows)) + len(self._tracks)
            self._tracks += begun
        tracks = self._tracks
        unnamed = (tracks.ids < 0) & (tracks.seen == time_s)
        if unnamed.any():
            ready = (unnamed & ((tracks.scores >= config.sure_score) | (tracks.hits >= config.hits))).nonzero()[0]
            # Best first, then from left to right: ids must not depend on the order of the rows.
            order = np.lexsort((tracks.mid[ready, 1], tracks.mid[ready, 0], -tracks.scores[ready]))
            tracks.ids[ready[order]] = np.arange(self.births + 1, self.births + 1 + len(ready))
            self.births += len(ready)

    def predicted(self, time_s: float, *, seen_only: bool = False) -> Boxes:
        """Return where everybody with an id is at a time, by id; also who is hidden, for up to `patience_s`.

        seen_only: only those seen in the last update, to crop until the detector looks again (a network that is shown
        a place where nobody is finds somebody). Scores are those of the last rows. The tracker is not changed. Raises
        TimeError for a time before the last update.
        """
        if not time_s >= self._now:
            raise TimeError(f"time_s must not be before the last update: got {time_s} after {self._now}")
        tracks = self._tracks
        alive = tracks.seen == self._now if seen_only else time_s - tracks.seen <= self.config.patience_s + 1e-9
        live = tracks.rows((tracks.ids > 0) & alive)
        live = live.rows(np.argsort(live.ids))
        there = live.at(time_s)
        return Boxes(np.concatenate([there.mid - there.half, there.mid + there.half], axis=1), live.scores)

    def reset(self) -> None:
        """Forget everybody: the next frame does not follow the one before. Ids go on where they were."""
        self.deaths += int((self._tracks.ids > 0).sum())
        self._now, self._skeleton, self._tracks = -math.inf, None, Tracks.none(0)


def _pair(worth: F64, may: Mask, tracks: Mask, rows: Mask, owners: I64) -> None:
    """Give rows (N,) that have none a track (M,) that has none, the best for all of them together."""
    if worth.size == 1:  # one person alone, who is most of all
        if may[0, 0] and tracks[0] and rows[0] and owners[0] < 0:
            owners[0] = 0
        return
    left, right = tracks.copy(), (rows & (owners < 0)).nonzero()[0]
    left[owners[owners >= 0]] = False
    free = left.nonzero()[0]
    if len(free) and len(right):
        both = np.ix_(free, right)
        a, b = assign(worth[both], may[both])
        owners[right[b]] = free[a]
