"""What a worker does: one item after the other, with one estimator."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from edge_pose import zoo
from edge_pose.download import sha256_of
from edge_pose.errors import EdgePoseError, ExtractionError, OutputError
from edge_pose.estimators import Estimator, load
from edge_pose.extract.items import Item
from edge_pose.extract.parquet import ParquetSink, check_parquet
from edge_pose.frames import Frame
from edge_pose.opencv import opencv
from edge_pose.pipeline.after import AfterNetwork
from edge_pose.sinks import CocoSink, JsonlSink, Sink
from edge_pose.sinks.files import failed
from edge_pose.sources import ImageSource, Source, VideoSource

Format = Literal["jsonl", "coco", "parquet"]
FORMATS: tuple[str, ...] = get_args(Format)
SUFFIXES = {"jsonl": ".jsonl", "coco": ".json", "parquet": ".parquet"}
TELL_S = 0.25  # between two reports of progress
Tell = Callable[[int, float], None]  # frames so far of this item, and its share from 0 to 1


@dataclass(frozen=True, slots=True)
class Options:
    """How to extract. model, detector, confidence, max_people, device, engine, spec: as in `load`.

    format: "jsonl", "coco" or "parquet". track: give people ids; each video begins at 1. threads: of each worker.
    """

    model: str
    detector: str | None = None
    format: Format = "jsonl"
    track: bool = False
    confidence: float | None = None
    max_people: int | None = None
    device: str = "auto"
    engine: str = "auto"
    threads: int = 1
    spec: str | None = None

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ExtractionError(f"format must be one of {', '.join(FORMATS)}, got {self.format!r}")
        if self.threads < 1:
            raise ExtractionError(f"threads must be at least 1, got {self.threads}")
        if self.format == "parquet":
            check_parquet()

    @property
    def suffix(self) -> str:
        """Of the output files."""
        return SUFFIXES[self.format]

    def absolute(self) -> Options:
        """Return the same with files named in a way that holds in other processes."""
        given = {"model": self.model, "detector": self.detector, "spec": self.spec}
        paths: dict[str, Any] = {k: str(Path(v).absolute()) for k, v in given.items() if v and Path(v).is_file()}
        return replace(self, **paths)

    def settings(self) -> dict[str, Any]:
        """Return what makes results comparable: all but where they are computed. Models by name and sha256."""
        values = {k: v for k, v in asdict(self).items() if k not in ("device", "engine", "threads")}
        for name in ("model", "detector", "spec"):
            if values[name] is not None:
                path = Path(values[name]) if name == "spec" else zoo.resolve(values[name])[0]
                values[name] = {"name": Path(values[name]).name, "sha256": _digest(path)}
        return values


def _digest(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as err:
        raise ExtractionError(f"cannot read {path}: {err.strerror or err}") from err


def _is_lasting(err: BaseException | None) -> bool:
    """Whether what could not be written now cannot be written later either, wherever it goes."""
    return isinstance(err, OSError) and err.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


@dataclass(frozen=True, slots=True)
class Task:
    """One item with the file that it grows in and the name that it gets."""

    item: Item
    part: str
    target: str


class Worker:
    """Has the models open, and works off tasks. settings: those of the driver; other model files are refused."""

    def __init__(self, folder: str, options: Options, settings: dict[str, Any]) -> None:
        self._folder, self._options = Path(folder), options
        if options.settings() != settings:
            raise ExtractionError(f"the files of {options.model} on this machine are not those of the others")
        opencv().setNumThreads(options.threads)
        self.estimator: Estimator = load(
            options.model,
            detector=options.detector,
            device=options.device,  # type: ignore[arg-type]  # checked by load
            engine=options.engine,
            threads=options.threads,
            spec=options.spec,
            confidence=options.confidence,
            max_people=options.max_people,
        )

    def run(self, task: Task, tell: Tell = lambda frames, share: None) -> dict[str, Any]:
        """Work a task off: {"frames", "people", "problems", "size"}, or {"failed": why}.

        "stop": True with a failure that the next tasks would meet as well: nothing can be written.
        """
        part, target = Path(task.part), Path(task.target)
        try:
            with self._source(task.item) as source, self._sink(part, source) as sink:
                frames, people = self._frames(source, sink, task.item, tell)
            with part.open("rb") as file:  # a crash of the machine must not leave an empty file under its final name
                os.fsync(file.fileno())
                size = os.fstat(file.fileno()).st_size
            target.parent.mkdir(parents=True, exist_ok=True)
            part.replace(target)
        except EdgePoseError as err:
            cause = err.__cause__
            return {"failed": str(err), "stop": isinstance(err, OutputError) and _is_lasting(cause)}
        except OSError as err:
            return {"failed": str(failed(target, err)), "stop": _is_lasting(err)}
        except Exception as err:  # a defect, met by one item: the others go on
            return {"failed": f"unexpected {type(err).__name__}: {err}"}
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        return {"frames": frames, "people": people, "problems": source.problems, "size": size}

    def _source(self, item: Item) -> Source:
        paths = [self._folder / name for name in item.files]
        return VideoSource(item.key, paths[0]) if item.is_video else ImageSource(item.key, paths)

    def _sink(self, path: Path, source: Source) -> Sink:
        if self._options.format == "parquet":
            return ParquetSink(path, self.estimator.skeleton, stills=source.stills)
        return (JsonlSink if self._options.format == "jsonl" else CocoSink)(path, stills=source.stills)

    def _frames(self, source: Source, sink: Sink, item: Item, tell: Tell) -> tuple[int, int]:
        self.estimator.reset()
        after = AfterNetwork(track=self._options.track and item.is_video)
        frames = people = 0
        due = time.monotonic()
        for frame in self._named(source, item):
            if source.stills:
                self.estimator.reset()
            start = time.perf_counter()
            poses = self.estimator(frame.image)
            timings = dict(self.estimator.timings_ms)
            poses, _ = after(frame, poses, timings)
            timings["total"] = (time.perf_counter() - start) * 1e3
            sink.write(frame, poses, timings)
            frames, people = frames + 1, people + len(poses)
            if time.monotonic() >= due:
                due = time.monotonic() + TELL_S
                tell(frames, min(1.0, frames / source.count) if source.count else 0.0)
        return frames, people

    def _named(self, source: Source, item: Item) -> Iterator[Frame]:
        """Name frames by the path in the folder, whichever machine reads them; portions of pictures count on."""
        for frame in source:
            if item.is_video:
                yield frame
                continue
            name = Path(frame.source).relative_to(self._folder).as_posix()
            yield replace(frame, source=name, index=frame.index + item.first, time_s=frame.time_s + item.first)
