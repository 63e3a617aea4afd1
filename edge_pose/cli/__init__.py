"""The command `edge-pose`: one file a subcommand. Here is what they share: the entry, and how errors reach people."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator

from edge_pose.errors import EdgePoseError

INTERRUPTED = 130  # what shells give for Ctrl-C
WEB_ADDRESS = "127.0.0.1:8000"  # of --web without an address


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 done, 1 the work failed, 2 usage, 130 interrupted.

    `--debug`, anywhere, lets tracebacks through.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = _completed([word for word in words if word != "--debug"])
    _asked_to_stop.clear()
    try:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, _on_signal)
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is ignored
                signal.signal(signal.SIGINT, _on_signal)
            if sys.unraisablehook is sys.__unraisablehook__:
                sys.unraisablehook = _dropped
        _open_streams()
        from edge_pose.cli.app import app  # in here, because Ctrl-C may come while it loads

        check_interrupted()
        code = app(args=words, prog_name="edge-pose", standalone_mode=False)
        check_interrupted()
        _flush()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SystemExit as err:
        if not _asked_to_stop:
            raise
        code = err.code
    except BrokenPipeError:  # the reader of our output has gone: `edge-pose models list | head`
        sys.stderr.close()
        return 1
    except Exception as err:
        if stop := _stopped(err):
            code = stop
        elif isinstance(err, EdgePoseError) and not debug:
            return _fail(str(err))
        else:
            return _unexpected(err, debug)
    code = code if isinstance(code, int) else 0
    if _asked_to_stop or code == INTERRUPTED:  # 130 is also typer's way to say so
        return _fail("interrupted", code)
    return code


def _dropped(unraisable: sys.UnraisableHookArgs) -> None:
    """Say nothing of a stop that came inside a destructor and was dropped there: the loop asks again."""
    if not (_asked_to_stop and isinstance(unraisable.exc_value, KeyboardInterrupt | SystemExit)):
        sys.__unraisablehook__(unraisable)


def _completed(words: list[str]) -> list[str]:
    """Give --web its address where none follows: the command-line library has no options with values to leave out."""
    full: list[str] = []
    for at, word in enumerate(words):
        full.append(word)
        following = words[at + 1] if at + 1 < len(words) else ""
        if word == "--web" and not re.fullmatch(r"(\[[\da-fA-F:.]+\]|[\w.-]*):\d+", following):
            full.append(WEB_ADDRESS)
    return full


def _flush() -> None:
    """Write out what is buffered while its failure can still be told; at exit Python would only say 120."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or it would fail again at exit
        raise


def _open_streams() -> None:
    """Make streams that take whatever is written, also names that are not UTF-8.

    What the parent closed (`>&-`) leads to nowhere, lest the next file that is opened gets the number of a stream.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r+"))  # noqa: SIM115, PTH123 - for as long as the process
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _stopped(err: BaseException | None) -> int:
    """Return the exit code if an error came of Ctrl-C or SIGTERM: compiled modules turn these into an ImportError."""
    seen: list[BaseException] = []
    while err is not None and err not in seen:  # an error raised again from itself is its own cause
        if isinstance(err, KeyboardInterrupt):
            return INTERRUPTED
        if isinstance(err, SystemExit) and isinstance(err.code, int):
            return err.code
        seen.append(err)
        err = err.__cause__ or err.__context__
    return 0


def _unexpected(err: Exception, debug: bool) -> int:
    """Usage errors of the command-line library get its own rendering; all else is a defect of ours."""
    show, code = getattr(err, "show", None), getattr(err, "exit_code", None)
    if show is not None and code is not None:
        show()
        return int(code)
    if debug:
        raise err
    return _fail(f"unexpected {type(err).__name__}: {err} (run again with --debug for the traceback)")


_asked_to_stop: list[int] = []  # the signals that came


def _on_signal(number: int, frame: object) -> None:
    """Leave with files finished, not cut off. Noted as well, because an exception may get lost on its way.

    What is raised inside a destructor or a callback of a compiled module is dropped by the interpreter.
    """
    _asked_to_stop.append(number)
    check_interrupted()


def check_interrupted() -> None:
    """Raise what Ctrl-C and SIGTERM raise, if one of them came; loops call it once a turn."""
    if signal.SIGINT in _asked_to_stop:
        raise KeyboardInterrupt
    if _asked_to_stop:
        raise SystemExit(128 + _asked_to_stop[0])


@contextlib.contextmanager
def until_stopped() -> Iterator[None]:
    """Run what has no end of its own: Ctrl-C or SIGTERM is the end of what was asked for, and no interruption."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        _asked_to_stop.clear()


def wait_for_stop() -> None:
    """Wait for Ctrl-C or SIGTERM."""
    with until_stopped():
        while True:
            check_interrupted()
            time.sleep(0.2)


def one_line(text: str) -> str:
    """Return a message as one line that cannot steer a terminal: names of files may hold anything."""
    return "".join(c if c.isprintable() else " " if c.isspace() else repr(c)[1:-1] for c in text)


def _fail(message: str, code: int = 1) -> int:
    with contextlib.suppress(OSError):  # that stdout is full is what the message says, or less than what it says
        _flush()
    sys.stderr.write(f"edge-pose: {one_line(message)}\n")
    return code
