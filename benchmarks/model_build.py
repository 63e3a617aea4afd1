"""How long each network takes to build, and how much memory beside its own weights: python benchmarks/model_build.py.

Every network is built in a process of its own, so that none profits from the one before. Linux only (/proc).
The seconds are the processor's, which other programs do not lengthen.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from edge_pose.models.catalog import MODELS, build


def peak_bytes() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def measure(name: str) -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # start the peak anew
    before, start = resident_bytes(), time.process_time()
    net = build(name)
    seconds, grown = time.process_time() - start, peak_bytes() - before
    weights = sum(t.numel() * t.element_size() for t in net.state_dict().values())
    print(f"| {name} | {seconds:.2f} | {weights / 1e6:.0f} | {grown / 1e6:.0f} | {grown / weights:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(MODELS), help="networks of the catalog (default: all)")
    parser.add_argument("--here", action="store_true", help="build in this process; what the children are called with")
    arguments = parser.parse_args()
    if arguments.here:
        for name in arguments.names:
            measure(name)
        return
    print(
        "| network | build (s) | weights (MB) | peak memory grown by (MB) | ratio |\n|---|---|---|---|---|", flush=True
    )
    for name in arguments.names:
        subprocess.run([sys.executable, __file__, "--here", name], check=True)


if __name__ == "__main__":
    main()
