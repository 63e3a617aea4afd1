"""What an export did, measured: NAME.report.json for machines and a table for people."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_pose.export.files import save_json

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = 6  # lines of a list in the table; all of it is in the file


@dataclass(frozen=True, slots=True)
class Report:
    """One export.

    files: what was written, by what it is. latency_ms: (p50, p95) of one row by model, on this machine, one thread,
    the float model first. engine: the one that was the fastest, "" where none was asked for. precision: node group ->
    type. agreement: measured against the float model, {} where nothing was. reverted: node
    -> why it stays float. notes: sentences that a reader should know.
    """

    model: str
    target: str
    precision_asked: str
    files: Mapping[str, str]
    size_bytes: int
    float_size_bytes: int
    parameters: int
    precision: Mapping[str, str]
    latency_ms: Mapping[str, tuple[float, float]]
    seconds: float
    license: str = ""
    engine: str = ""
    agreement: Mapping[str, float] = field(default_factory=dict)
    reverted: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    machine: str = field(default_factory=lambda: machine())

    def to_dict(self) -> dict[str, Any]:
        """Return the document of NAME.report.json."""
        return asdict(self)

    def write(self, path: Path) -> None:
        """Write the document. Raises OutputError; then an old file of that name is untouched."""
        save_json(self.to_dict(), path)

    def rows(self) -> list[tuple[str, str]]:
        """Return the table for people, as text."""
        share = f" ({self.size_bytes / self.float_size_bytes:.0%} of float)" if self.float_size_bytes else ""
        kinds = Counter(kind for group, kind in self.precision.items() if group != "default")
        others = "".join(f", {count} parts {kind}" for kind, count in sorted(kinds.items()))
        rows = [
            ("target", f"{self.target}, {self.precision_asked}"),
            ("size", f"{self.size_bytes / 1e6:.2f} MB{share}"),
            ("parameters", f"{self.parameters / 1e6:.2f} million"),
            ("precision", f"{self.precision.get('default', 'float32')}{others}"),
        ]
        base = next(iter(self.latency_ms.values()), (0.0, 0.0))[0]
        for number, (label, (p50, p95)) in enumerate(self.latency_ms.items()):
            speed = f", {base / p50:.2f}x" if base and number else ""
            rows.append((f"latency {label}", f"p50 {p50:.2f} ms, p95 {p95:.2f} ms{speed}"))
        if self.engine:
            rows.append(("fastest engine", self.engine))
        measured = {name: value for name, value in self.agreement.items() if name != "gated"}
        rows += [(name.replace("_", " "), f"{value:.4g}") for name, value in measured.items()]
        if "gated" in self.agreement:
            rows.append(("accuracy gate", "held" if self.agreement["gated"] else "off"))
        rows += listed("stays float", [f"{node}: {why}" for node, why in self.reverted.items()])
        rows.append(("licence", self.license or "unknown"))
        rows += [(f"written {what}", path) for what, path in self.files.items()]
        return rows + [("note", note) for note in self.notes]

    def table(self) -> Table:
        """Return the table for a terminal."""
        from rich.markup import escape
        from rich.table import Table

        table = Table(box=None, pad_edge=False, show_header=False, title=escape(self.model), title_justify="left")
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for what, value in self.rows():
            table.add_row(escape(what), escape(value))
        return table


def listed(what: str, lines: list[str]) -> list[tuple[str, str]]:
    """Return the first few lines of a list, and how many more there are."""
    more = [f"and {len(lines) - SHOWN} more: see the report"] if len(lines) > SHOWN else []
    return [(what, line) for line in [*lines[:SHOWN], *more]]


def machine() -> str:
    """Say what this machine is: its processor and how many cores this process may use."""
    from edge_pose.backends.onnxruntime import usable_cores

    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:  # not Linux
        pass
    return f"{name}, {usable_cores()} of {os.cpu_count()} cores, {platform.system()} {platform.machine()}"
