"""The memory of an extraction, beside its output: what was asked for, what was begun, what is done."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from edge_pose.errors import ExtractionError, OutputError
from edge_pose.extract.items import PORTION_KEY, Item
from edge_pose.sinks.files import failed, prepare_folder

FOLDER = ".extract"
VERSION = 1


class Ledger:
    """Lines of JSON in OUTPUT/.extract/ledger.jsonl, each on the disk before work goes on; a torn last line is nothing.

    One extraction at a time may write to an output. suffix: of the output files. settings: what makes results
    comparable; those of an output must not change. overwrite: forget what is there, and remove the files that were
    written then.
    Raises ExtractionError, OutputError.
    """

    def __init__(self, output: Path, suffix: str, settings: Mapping[str, Any], *, overwrite: bool = False) -> None:
        self.output, self.suffix = output, suffix
        self._folder = prepare_folder(output / FOLDER)
        self._lock = _lock(self._folder / "lock", output)
        self.done: dict[str, dict[str, Any]] = {}
        self.begun: dict[str, str] = {}  # output by key
        self._file: BinaryIO | None = None
        try:
            self.work = self._fresh_work_folder()
            self._open(self._folder / "ledger.jsonl", dict(settings), overwrite)
        except BaseException:
            self.close()
            raise

    def _fresh_work_folder(self) -> Path:
        work = self._folder / "work"
        shutil.rmtree(work, ignore_errors=True)  # halves that a kill has left
        return prepare_folder(work)

    def _open(self, path: Path, settings: dict[str, Any], overwrite: bool) -> None:
        header = {"edge_pose_extract": VERSION, "suffix": self.suffix, "settings": settings}
        try:
            lines = _whole_lines(path)
            if lines and overwrite:
                self._read(lines[1:])
                self._remove_outputs(str((_parsed(lines[0]) or {}).get("suffix", self.suffix)))
                lines = []
            if lines:
                self._check(lines[0], settings)
                self._read(lines[1:])
            self._file = path.open("ab" if lines else "wb", buffering=0)
            self._file.truncate(sum(len(line) for line in lines))
            if not lines:
                self._append(header)
        except OSError as err:
            raise failed(path, err) from err

    def _check(self, line: bytes, settings: dict[str, Any]) -> None:
        mend = f"give another --output, or --overwrite to begin anew and remove what is in {self.output}"
        header = _parsed(line)
        if header is None or header.get("edge_pose_extract") != VERSION:
            raise ExtractionError(f"{self.output} was extracted by another version of edge-pose; {mend}")
        before = header.get("settings", {})
        for name, now in json.loads(json.dumps(settings)).items():
            was = before.get(name)
            if _same(was) != _same(now):
                raise ExtractionError(
                    f"{self.output} was extracted with {name} {_shown(was)}, not {_shown(now)}; {mend}"
                )

    def _read(self, lines: list[bytes]) -> None:
        for line in lines:
            row = _parsed(line)
            if row is None:
                continue
            if "begun" in row:
                self.begun[row["begun"]] = row["stem"]
                self.done.pop(row["begun"], None)
            elif "done" in row:
                self.done[row["done"]] = row
            elif "dropped" in row:
                self.begun.pop(row["dropped"], None)
                self.done.pop(row["dropped"], None)

    def _remove_outputs(self, suffix: str) -> None:
        for stem in self.begun.values():
            path = self.output / f"{stem}{suffix}"
            if os.path.lexists(path):  # which has an answer for names that are too long, too
                path.unlink()
        self.begun, self.done = {}, {}

    def target(self, item: Item) -> Path:
        """Return the output of an item."""
        return self.output / f"{item.stem}{self.suffix}"

    def is_done(self, item: Item) -> bool:
        """Whether an item's output is there as it was written, and its files have not changed since."""
        row = self.done.get(item.key)
        if row is None or row["state"] != item.state or row["stem"] != item.stem:
            return False
        try:
            return bool(self.target(item).stat().st_size == row["size"])
        except OSError:
            return False

    def begin(self, item: Item) -> None:
        """Note that from here on the output may be ours."""
        self._append({"begun": item.key, "stem": item.stem})
        self.begun[item.key] = item.stem

    def finish(self, item: Item, outcome: Mapping[str, Any]) -> None:
        """Note that an item is done."""
        row = {"done": item.key, "stem": item.stem, "state": item.state, **outcome}
        self._append(row)
        self.done[item.key] = row

    def drop_portions(self, items: Sequence[Item]) -> None:
        """Remove the outputs of portions that a folder does not fill any more: their pictures are in others now."""
        there = {item.key for item in items}
        for key in [key for key in self.begun if key not in there and PORTION_KEY.search(key)]:
            if PORTION_KEY.sub("/", key) in there:
                path = self.output / f"{self.begun[key]}{self.suffix}"
                try:
                    path.unlink(missing_ok=True)
                except OSError as err:
                    raise OutputError(f"cannot remove {path}: {err.strerror or err}") from err
                self._append({"dropped": key})
                del self.begun[key]
                self.done.pop(key, None)

    def _append(self, row: Mapping[str, Any]) -> None:
        assert self._file is not None  # it was opened when this was made
        data = json.dumps(row, separators=(",", ":")).encode() + b"\n"
        try:
            if self._file.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError as err:
            raise failed(self._folder / "ledger.jsonl", err) from err

    def close(self) -> None:
        """Let others write here."""
        if self._file is not None:
            self._file.close()
        shutil.rmtree(self._folder / "work", ignore_errors=True)
        self._lock.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _lock(path: Path, output: Path) -> BinaryIO:
    try:
        file = path.open("ab")
    except OSError as err:
        raise failed(path, err) from err
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as err:
        if err.errno in (errno.EWOULDBLOCK, errno.EACCES):
            file.close()
            raise OutputError(
                f"another extraction is writing to {output}; wait for it, or give another output"
            ) from err
        # else a file system without locks: the caller must know
    return file


def _whole_lines(path: Path) -> list[bytes]:
    with contextlib.suppress(FileNotFoundError):
        return [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    return []


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _same(value: Any) -> Any:
    """What of a setting counts: of a file its content, not its name."""
    return value.get("sha256") if isinstance(value, dict) else value


def _shown(value: Any) -> str:
    if isinstance(value, dict) and "name" in value:
        return f"{value['name']} (sha256 {value['sha256'][:12]})"
    return "none" if value is None else str(value)
