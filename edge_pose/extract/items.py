"""What there is to do in a folder: every video is an item, and so are the pictures of every folder, in portions."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path, PurePosixPath

from edge_pose.errors import SourceError
from edge_pose.sources.kinds import IMAGE_SUFFIXES, VIDEO_SUFFIXES, first_bytes, is_text, natural_key

PORTION = 1000  # pictures in one item: what a kill may cost, and what one worker takes at a time
PORTION_KEY = re.compile(r"-\d{4,}/$")  # of the second portion and those after it
PICTURES = "images"  # stem of the file for the pictures of a folder


@dataclass(frozen=True, slots=True)
class Item:
    """One output file and what goes into it. All paths are relative to the folder, with forward slashes.

    key: the video, or the folder of the pictures and the number of the portion. files: what is read, in order.
    first: number of the first picture in its folder. stem: of the output, relative to the output folder.
    size: bytes to read. state: changes when the files do.
    """

    key: str
    files: tuple[str, ...]
    is_video: bool
    first: int
    stem: str
    size: int
    state: str


def find_items(
    folder: Path,
    *,
    apart: Path | None = None,
    known: Mapping[str, str] | None = None,
    unread: dict[str, str] | None = None,
) -> list[Item]:
    """Return the items of a folder and its subfolders, in natural order; hidden files and folders are left out.

    apart: a folder to stay out of. known: stems that items had before, by key: they keep them.
    unread: is given the subfolders that cannot be read, and why; the rest is found all the same.
    Raises SourceError when there is no such folder, it cannot be read, or nothing is in it.
    """
    if not folder.is_dir():
        what = "is a file: give the folder that it is in" if folder.exists() else "does not exist"
        raise SourceError(f"{folder} {what}")
    found: list[Item] = []
    lost: dict[str, str] = {}

    def lose(path: Path, err: OSError) -> None:
        if path == folder:
            raise SourceError(f"cannot read {path}: {err.strerror or err}") from err
        lost[f"{path.relative_to(folder).as_posix()}/"] = f"cannot read this folder: {err.strerror or err}"

    for path in _folders(folder, apart, lose):
        try:
            found += list(_items_in(folder, path))
        except OSError as err:
            lose(path, err)
    if not found:
        but = "".join(f"; {len(lost)} of them cannot be read, such as {key}" for key in list(lost)[:1])
        raise SourceError(f"{folder} has neither videos nor pictures, nor have its subfolders{but}")
    if unread is not None:
        unread.update(lost)
    return _named(found, known or {})


def _folders(folder: Path, apart: Path | None, lose: Callable[[Path, OSError], None]) -> Iterator[Path]:
    """Walk through links to folders too, but into each folder once."""
    seen: set[tuple[int, int]] = set()
    away = apart.resolve() if apart is not None and apart.resolve() != folder.resolve() else None
    for where, names, _ in os.walk(folder, followlinks=True, onerror=lambda err: lose(Path(err.filename), err)):
        path = Path(where)
        try:
            status = path.stat()
        except OSError as err:  # it went while we came
            names.clear()
            lose(path, err)
            continue
        if (status.st_dev, status.st_ino) in seen or path.resolve() == away:
            names.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        names[:] = sorted((n for n in names if not n.startswith(".")), key=lambda n: natural_key(Path(n)))
        yield path


def _items_in(folder: Path, path: Path) -> Iterator[Item]:
    files = sorted((f for f in path.iterdir() if not f.name.startswith(".") and f.is_file()), key=natural_key)
    for file in files:
        if file.suffix.lower() in VIDEO_SUFFIXES and not _is_text(file):
            name = file.relative_to(folder).as_posix()
            yield _item(folder, name, [file], 0, str(PurePosixPath(name).with_suffix("")), is_video=True)
    pictures = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    base = PurePosixPath(path.relative_to(folder).as_posix()) / PICTURES
    for start in range(0, len(pictures), PORTION):
        number = f"-{start // PORTION:04d}" if start else ""
        portion = pictures[start : start + PORTION]
        yield _item(folder, f"{base}{number}/", portion, start, f"{base}{number}", is_video=False)


def _is_text(file: Path) -> bool:
    """Whether a file of a video's name is none: .ts also is TypeScript."""
    try:
        return is_text(first_bytes(file))
    except SourceError:  # its turn will come, and then it is a failure that is told
        return False


def _item(folder: Path, key: str, files: Sequence[Path], first: int, stem: str, *, is_video: bool) -> Item:
    digest, size = hashlib.sha256(), 0
    names = []
    for file in files:
        status = file.stat()
        names.append(file.relative_to(folder).as_posix())
        digest.update(f"{names[-1]}\0{status.st_size}\0{status.st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
        size += status.st_size
    return Item(key, tuple(names), is_video, first, stem, size, digest.hexdigest()[:32])


def _named(items: list[Item], known: Mapping[str, str]) -> list[Item]:
    """Give every item an output of its own: a stem that several would have becomes the whole name, clip.mp4.

    Where even that is another's (clip.mp4.avi was there first), it is numbered.
    """
    taken = {known[item.key] for item in items if item.key in known}
    wanted = Counter(item.stem for item in items if item.key not in known)
    whole = {item.key for item in items if item.key not in known and item.is_video and wanted[item.stem] > 1}
    named = []
    for item in items:
        if item.key in known:
            stem = known[item.key]
        else:
            longest = item.key if item.is_video else item.stem
            names = ([] if item.key in whole else [item.stem]) + [longest]
            numbered = (f"{longest} ({number})" for number in count(2))
            free = (name for name in chain(names, numbered) if name not in taken)
            stem = next(name for name in free if name == item.key or name not in whole)
            taken.add(stem)
        named.append(replace(item, stem=stem))
    return named
