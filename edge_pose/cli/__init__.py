"""The command `edge-pose`: one file a subcommand. Here is what they share: the entry, and how errors reach people."""

from __future__ import annotations

import signal
import sys
import threading

from edge_pose.errors import EdgePoseError

INTERRUPTED = 130  # what shells give for Ctrl-C


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 done, 1 the work failed, 2 usage, 130 interrupted.

    `--debug`, anywhere, lets tracebacks through.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    from edge_pose.cli.app import app

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)
    try:
        code = app(args=words, prog_name="edge-pose", standalone_mode=False)
    except EdgePoseError as err:
        if debug:
            raise
        return _fail(str(err))
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has gone: `edge-pose models list | head`
        sys.stderr.close()
        return 1
    except Exception as err:
        return _unexpected(err, debug)
    return code if isinstance(code, int) else 0


def _unexpected(err: Exception, debug: bool) -> int:
    """Usage errors of the command-line library get its own rendering; all else is a defect of ours."""
    show, code = getattr(err, "show", None), getattr(err, "exit_code", None)
    if show is not None and code is not None:
        show()
        return int(code)
    if debug:
        raise err
    return _fail(f"unexpected {type(err).__name__}: {err} (run again with --debug for the traceback)")


def _terminate(number: int, frame: object) -> None:
    """Leave as on Ctrl-C: files are finished, not cut off."""
    raise SystemExit(128 + number)


def _fail(message: str, code: int = 1) -> int:
    sys.stderr.write(f"edge-pose: {message}\n")
    return code
