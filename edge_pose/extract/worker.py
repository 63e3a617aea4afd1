"""A worker process: `python -m edge_pose.extract.worker FD`, where FD is the worker's end of a socket."""

from __future__ import annotations

import json
import logging
import os
import sys
from multiprocessing.connection import Connection
from typing import Any


def main(descriptor: int) -> int:
    """Answer the first word with {"ready": true}, or {"fatal": why}, and each task with what became of it."""
    pipe = Connection(descriptor)

    def say(word: dict[str, Any]) -> None:
        pipe.send_bytes(json.dumps(word).encode())

    try:
        order = json.loads(pipe.recv_bytes())
        sys.path[:] = order["path"]
        logging.getLogger("edge_pose").addHandler(logging.NullHandler())  # problems are part of what is answered
        from edge_pose.errors import EdgePoseError
        from edge_pose.extract.items import Item
        from edge_pose.extract.job import Options, Task, Worker

        try:
            worker = Worker(order["folder"], Options(**order["options"]), order["settings"])
        except Exception as err:
            say({"fatal": str(err) if isinstance(err, EdgePoseError) else f"unexpected {type(err).__name__}: {err}"})
            return 1
        say({"ready": True})
        while True:
            word = json.loads(pipe.recv_bytes())
            item = Item(**{**word["item"], "files": tuple(word["item"]["files"])})
            task = Task(item, word["part"], word["target"])
            say(worker.run(task, lambda frames, share: say({"frames": frames, "share": share})))
    except (EOFError, BrokenPipeError, ConnectionResetError):  # nobody wants it any more
        return 0


if __name__ == "__main__":
    # Not sys.exit: engines may hang or crash while they are taken down, and everything is on the disk.
    os._exit(main(int(sys.argv[1])))
