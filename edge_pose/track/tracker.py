"""`Tracker`: poses of a frame in, the same rows with ids out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge_pose.errors import ShapeError, TimeError
from edge_pose.poses import Boxes, Poses
from edge_pose.skeleton import Skeleton
from edge_pose.track.assign import assign
from edge_pose.track.config import TrackConfig
from edge_pose.track.likeness import People, between, duplicates
from edge_pose.track.motion import Tracks

I64 = NDArray[np.int64]


class Tracker:
    """Gives people ids. Ids start at 1, belong to this object and are never used again, not even after `reset()`.

    births, deaths: ids given, and ids given up after `patience_s` without their person.
    Sources: two rounds, confident rows first: Zhang et al. 2022 (ByteTrack); similarity of poses as COCO's OKS.
    """

    def __init__(self, config: TrackConfig = TrackConfig()) -> None:  # noqa: B008 - frozen
        self.config = config
        self.births = self.deaths = 0
        self._now = -math.inf
        self._skeleton: Skeleton | None = None
        self._tracks = Tracks.none(0)

    def update(self, poses: Poses, time_s: float) -> Poses:
        """Return the same rows in the same order with `ids`; -1 is a row that nobody is known by.

        time_s: seconds, greater than at the call before. Nobody (N = 0) is fine. Rows whose box and joints are not
        finite get -1. Raises TimeError when time does not grow, ShapeError when the skeleton changes.
        """
        self._check(poses, time_s)
        tracks = self._drop(time_s)
        people = People.of(poses)
        ids = np.full(len(poses), -1, np.int64)
        if len(poses) or len(tracks):
            if len(tracks):
                tracks.predict(time_s)
            self._link(tracks, people, ids, time_s)
        return replace(poses, ids=ids)

    def _check(self, poses: Poses, time_s: float) -> None:
        if not time_s > self._now or time_s == math.inf:
            raise TimeError(f"time_s must grow from call to call: got {time_s} after {self._now}")
        if poses.skeleton is not self._skeleton:
            if self._skeleton is not None and len(poses.skeleton) != len(self._skeleton):
                raise ShapeError(
                    f"poses have {len(poses.skeleton)} joints, people followed so far have {len(self._skeleton)}: "
                    "use one tracker a skeleton, or reset()"
                )
            self._skeleton = poses.skeleton
            if not len(self._tracks):
                self._tracks = Tracks.none(len(poses.skeleton))
        self._now = time_s

    def _drop(self, time_s: float) -> Tracks:
        tracks = self._tracks
        if len(tracks):
            gone = tracks.expired(time_s, self.config)
            if gone.any():
                self.deaths += int((tracks.ids[gone] > 0).sum())
                self._tracks = tracks = tracks.rows(~gone)
        return tracks

    def _link(self, tracks: Tracks, people: People, ids: I64, time_s: float) -> None:
        config = self.config
        sound = people.scores >= config.keep_score
        if len(people) > 1:
            sound &= ~duplicates(people, self._sigmas(), config.duplicate)
        strong = sound & (people.scores >= config.start_score)
        owners = np.full(len(people), -1, np.int64)  # index of the track that a row continues
        if len(tracks) and sound.any():
            alike = between(tracks, people, self._sigmas(), time_s)
            for round_rows in (strong, sound & ~strong):
                rows = round_rows.nonzero()[0]
                free = np.ones(len(tracks), bool)
                free[owners[owners >= 0]] = False
                left = free.nonzero()[0]
                if len(rows) and len(left):
                    a, b = assign(alike[np.ix_(left, rows)], config.match)
                    owners[rows[b]] = left[a]
            found = owners >= 0
            if found.any():
                tracks.see(owners[found], people.rows(found), time_s)
        self._tracks.hits[tracks.seen < time_s] *= tracks.ids[tracks.seen < time_s] > 0
        self._begin(people, strong & (owners < 0), owners, time_s)
        tracks = self._tracks
        known = owners >= 0
        ids[known] = tracks.ids[owners[known]]

    def _begin(self, people: People, fresh: NDArray[np.bool_], owners: I64, time_s: float) -> None:
        config = self.config
        rows = fresh.nonzero()[0]
        if len(rows):
            before = len(self._tracks)
            self._tracks = self._tracks.with_people(people.rows(rows), time_s)
            owners[rows] = np.arange(before, before + len(rows))
        tracks = self._tracks
        unnamed = (tracks.ids < 0) & (tracks.seen == time_s)
        if unnamed.any():
            ready = (unnamed & ((tracks.scores >= config.sure_score) | (tracks.hits >= config.hits))).nonzero()[0]
            # Best first, then from left to right: ids must not depend on the order of the rows.
            order = np.lexsort((tracks.center[ready, 1], tracks.center[ready, 0], -tracks.scores[ready]))
            tracks.ids[ready[order]] = np.arange(self.births + 1, self.births + 1 + len(ready))
            self.births += len(ready)

    def _sigmas(self) -> NDArray[np.float64]:
        assert self._skeleton is not None  # set by _check
        return np.array(self._skeleton.sigmas, np.float64)

    def predicted(self, time_s: float) -> Boxes:
        """Return where the people seen in the last update are at a time: boxes to crop until the detector looks again.

        Ordered by id; scores are those of the last rows. The tracker is not changed. Raises TimeError for a time
        before the last update.
        """
        if not time_s >= self._now:
            raise TimeError(f"time_s must not be before the last update: got {time_s} after {self._now}")
        tracks = self._tracks
        rows = ((tracks.ids > 0) & (tracks.seen == self._now)).nonzero()[0]
        rows = rows[np.argsort(tracks.ids[rows])]
        return Boxes(tracks.boxes_at(time_s)[rows], tracks.scores[rows])

    def reset(self) -> None:
        """Forget everybody: the next frame does not follow the one before. Ids go on where they were."""
        self.deaths += int((self._tracks.ids > 0).sum())
        self._now, self._skeleton = -math.inf, None
        self._tracks = Tracks.none(0)
