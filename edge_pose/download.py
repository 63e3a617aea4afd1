"""Fetch one file over HTTP(S): resumed where it was cut, checked, and then whole in its place or not there at all.

The standard library does it all: requests, httpx and pooch would add three to eight packages to a robot, and none of
them resumes a cut download, which is most of the work.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import logging
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from edge_pose.errors import ChecksumError, DownloadError, EdgePoseError, OutputError
from edge_pose.transfer import CHUNK, Progress, Transfer, shown

MAX_BYTES = 4 << 30
log = logging.getLogger(__name__)


def fetch(
    urls: Sequence[str],
    target: Path,
    *,
    sha256: Sequence[str] = (),
    member: str | None = None,
    progress: Progress | None = None,
    timeout_s: float = 30.0,
    retries: int = 4,
    max_bytes: int = MAX_BYTES,
) -> Path:
    """Put the file at the first of the urls that has it into target, and return target.

    sha256: accepted sums of the file, lower-case hex; one of fewer than 64 digits accepts all that begin so; without
    any, every content is accepted. member: urls lead to a zip archive, and the file is its one member of this name, in
    whatever folder. timeout_s: longest silence of the server. retries: fruitless tries in a row; a try that brought
    bytes is not one. Nothing is fetched when target is there with an accepted sum. Until it is whole the file grows as
    target.part, which a later call, also of another process, continues; callers that want the same target take turns.
    Raises ChecksumError (nothing is left behind), DownloadError, or OutputError when target cannot be written.
    """
    if _is_there(target, sha256):
        return target
    part = target.with_name(f"{target.name}.part")
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    problems: list[DownloadError] = []
    with _alone(part, target) as file:
        if _is_there(target, sha256):  # another caller was faster
            return target
        transfer = Transfer(file, target, bool(sha256), progress, timeout_s, retries, max_bytes)
        for url in urls:
            try:
                _fetch_one(transfer, url, sha256, member)
                return target
            except DownloadError as err:
                problems.append(err)
    if len(problems) == 1:
        raise problems[0]
    kind = ChecksumError if problems and all(isinstance(p, ChecksumError) for p in problems) else DownloadError
    raise kind(f"cannot fetch {target.name}: {'; '.join(map(str, problems)) or 'it has no address'}")


def sha256_of(path: Path) -> str:
    """Return the sum of a file's content in hex. Raises OSError."""
    with path.open("rb") as file:
        return _sum(file)


def _fetch_one(transfer: Transfer, url: str, sums: Sequence[str], member: str | None) -> None:
    """Receive the file from one address, check it and put it into its place."""
    for is_last in (False, True):
        transfer.receive(url)
        try:
            with _writing(transfer.target):
                return _install(transfer, url, sums, member)
        except DownloadError as err:
            pieced = transfer.pieced
            transfer.restart()
            if is_last or not pieced:
                raise
            log.info("%s; it was pieced together, starting over", err)


def _install(transfer: Transfer, url: str, sums: Sequence[str], member: str | None) -> None:
    target, part = transfer.target, transfer.target.with_name(f"{transfer.target.name}.part")
    if member is None:
        _check(transfer.file, url, sums)
        os.fsync(transfer.file.fileno())
        part.replace(target)
    else:
        beside = target.with_name(f"{target.name}.unpacked")
        try:
            with beside.open("w+b") as unpacked:
                _unpack(transfer, url, member, unpacked)
                _check(unpacked, url, sums)
                os.fsync(unpacked.fileno())
                beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
        part.unlink()
    with contextlib.suppress(OSError):  # some file systems cannot sync a folder; the file itself is safe already
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _check(file: IO[bytes], url: str, sums: Sequence[str]) -> None:
    file.seek(0)
    got = _sum(file)
    if sums and not got.startswith(tuple(sums)):
        raise ChecksumError(
            f"{shown(url)} is not the file that is wanted: its sha256 is {got}, not {' or '.join(sums)}"
        )


def _unpack(transfer: Transfer, url: str, member: str, unpacked: IO[bytes]) -> None:
    transfer.file.seek(0)
    try:
        with zipfile.ZipFile(transfer.file) as archive:
            found = [info for info in archive.infolist() if f"/{info.filename}".endswith(f"/{member}")]
            if len(found) != 1:
                raise DownloadError(f"{shown(url)}: {len(found)} files in it are called {member}, not one")
            if found[0].file_size > transfer.max_bytes:
                raise DownloadError(f"{shown(url)}: {member} in it has more than {transfer.max_bytes} bytes")
            with archive.open(found[0]) as packed:  # yields no more than the size that was just checked
                shutil.copyfileobj(packed, unpacked, CHUNK)
        unpacked.flush()
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as err:  # RuntimeError: encrypted, or exotic
        raise DownloadError(f"{shown(url)} is no zip archive that can be read: {err}") from err


def _sum(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def _is_there(target: Path, sums: Sequence[str]) -> bool:
    return target.is_file() and (not sums or sha256_of(target).startswith(tuple(sums)))


@contextlib.contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Say of any failure of the file system which file could not be written."""
    try:
        yield
    except EdgePoseError:
        raise
    except OSError as err:
        where = f" ({err.filename})" if err.filename else ""
        raise OutputError(f"cannot write {target}: {err.strerror or err}{where}") from err


@contextlib.contextmanager
def _alone(part: Path, target: Path) -> Iterator[io.FileIO]:
    """Open the part file for this caller alone, waiting for others; remove it in the end if it is empty.

    The lock is on the file itself, so it ends with the process, however that ends, and leaves nothing lying about.
    """
    while True:
        with _writing(target):
            file = io.FileIO(os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+")
        with file:
            with _writing(target):
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    log.info("waiting for another process that fetches %s", target)
                    fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_same(file, part):
                continue  # the one before us has moved it to its place, or removed it
            try:
                yield file
            finally:
                if os.fstat(file.fileno()).st_size == 0 and _is_same(file, part):
                    part.unlink()
            return


def _is_same(file: io.FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
