"""`Tracker`: poses of a frame in, the same rows with ids out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge_pose.errors import ShapeError, TimeError
from edge_pose.poses import Boxes, Poses
from edge_pose.skeleton import Skeleton
from edge_pose.track import likeness
from edge_pose.track.assign import assign
from edge_pose.track.config import TrackConfig
from edge_pose.track.motion import Tracks
from edge_pose.track.people import People

I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]
LOOSE = 2.0  # people move between frames: joints may be off by this many times what COCO allows
MARGIN, MARGIN_PER_S = 0.15, 0.5  # by which boxes are grown before they are compared, as a share of their sides
INSIDE = 0.7  # share of a box in another from which it may be a part of that person
BRIEF_S = 0.3  # how long somebody who has no id yet may be unseen


class Tracker:
    """Gives people ids. Ids start at 1, belong to this object and are never used again, not even after `reset()`.

    births, deaths: ids given, and ids given up after `patience_s` without their person.
    Sources: two rounds, confident rows first: Zhang et al. 2022 (ByteTrack); similarity of poses: COCO's OKS.
    """

    def __init__(self, config: TrackConfig = TrackConfig()) -> None:
        self.config = config
        self.births = self.deaths = 0
        self.reset()

    def update(self, poses: Poses, time_s: float) -> Poses:
        """Return the same rows in the same order with `ids`; -1 is a row that nobody is known by.

        time_s: seconds, greater than at the call before. Nobody (N = 0) is fine. A row whose box or score is not
        finite gets -1. Raises TimeError when time does not grow, ShapeError when the number of joints changes.
        """
        self._check(poses, time_s)
        self._forget(time_s)
        people = People.of(poses)
        owners = np.full(len(people), -1, np.int64)  # the track that a row continues
        ids = np.full(len(people), -1, np.int64)
        strong = self._follow(people, owners, time_s)
        self._begin(people, strong & (owners < 0), owners, time_s)
        known = owners >= 0
        ids[known] = self._tracks.ids[owners[known]]
        return replace(poses, ids=ids)

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
            sound &= ~likeness.duplicates(people, self._sigmas, config.duplicate)
        strong = sound & (people.scores >= config.start_score)
        if not len(tracks) or not sound.any():
            tracks.hits[:] = 0
            return strong
        expected = tracks.at(time_s)
        gap = np.minimum(time_s - tracks.seen, 1.0)
        near = likeness.boxes(expected, people, MARGIN + MARGIN_PER_S * gap)
        alike = likeness.joints(expected, people, self._sigmas * LOOSE)
        may = (near >= config.match) | (alike >= 0.5)
        worth = (near + alike) / 2
        named = tracks.ids > 0
        free = np.ones(len(tracks), bool)
        self._pair(worth, may, free, strong, owners)
        if not strong.all():
            self._pair(worth, may, free & named, sound & ~strong, owners)
        free[owners[owners >= 0]] = False
        rest = sound & (owners < 0)
        if rest.any() and (free & named).any():
            part = likeness.cover(expected, people, smaller=True)
            self._pair(part, part >= INSIDE, free & named, rest, owners)
        found = owners >= 0
        rows = owners[found]
        tracks.hits[tracks.seen < time_s] *= 1
        if len(rows):
            tracks.see(rows, people.rows(found), expected, time_s)
        tracks.hits[rows] += strong[found]
        return strong

    @staticmethod
    def _pair(worth, may, free, rows, owners):
        f = free.copy(); f[owners[owners >= 0]] = False
        left, rows = f.nonzero()[0], rows.nonzero()[0]
        rows = rows[owners[rows] < 0]
        if len(left) and len(rows):
            both = np.ix_(left, rows)
            a, b = assign(worth[both], may[both])
            owners[rows[b]] = left[a]

    def _begin(self, people: People, fresh: Mask, owners: I64, time_s: float) -> None:
        config = self.config
        if fresh.any():
            unsure = fresh & (people.scores < config.sure_score)
            if unsure.any() and (owners >= 0).any():
                part = likeness.cover(people.rows(owners >= 0), people, smaller=False)
                fresh = fresh & ~(unsure & (part >= INSIDE).any(axis=0))
            rows = fresh.nonzero()[0]
            before = len(self._tracks)
            self._tracks += Tracks.first(people.rows(rows), time_s)
            owners[rows] = np.arange(before, before + len(rows))
        tracks = self._tracks
        unnamed = (tracks.ids < 0) & (tracks.seen == time_s)
        if unnamed.any():
            ready = (unnamed & ((tracks.scores >= config.sure_score) | (tracks.hits >= config.hits))).nonzero()[0]
            # Best first, then from left to right: ids must not depend on the order of the rows.
            order = np.lexsort((tracks.mid[ready, 1], tracks.mid[ready, 0], -tracks.scores[ready]))
            tracks.ids[ready[order]] = np.arange(self.births + 1, self.births + 1 + len(ready))
            self.births += len(ready)

    def predicted(self, time_s: float) -> Boxes:
        """Return where the people seen in the last update are at a time: boxes to crop until the detector looks again.

        Ordered by id; scores are those of the last rows. The tracker is not changed. Raises TimeError for a time
        before the last update.
        """
        if not time_s >= self._now:
            raise TimeError(f"time_s must not be before the last update: got {time_s} after {self._now}")
        tracks = self._tracks
        seen = tracks.rows((tracks.ids > 0) & (tracks.seen == self._now))
        seen = seen.rows(np.argsort(seen.ids))
        there = seen.at(time_s)
        return Boxes(np.concatenate([there.mid - there.half, there.mid + there.half], axis=1), seen.scores)

    def reset(self) -> None:
        """Forget everybody: the next frame does not follow the one before. Ids go on where they were."""
        self._now = -math.inf
        self._skeleton: Skeleton | None = None
        self._tracks = Tracks.none(0)
