"""`edge-pose doctor`: what this machine has, what is missing, and the command that mends it."""

from __future__ import annotations

from typing import Annotated

import typer

from edge_pose.cli.common import JsonFile, check_writable, say, write_json


def doctor(
    geometry: Annotated[bool, typer.Option(help="Also send coordinates through every transform and back.")] = False,
    json: JsonFile = None,
) -> None:
    """Say what this machine has, what is missing, and the command that mends it."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from edge_pose.doctor import diagnose

    check_writable(json)
    diagnosis = diagnose(geometry=geometry)
    if json is not None:
        write_json(json, diagnosis.to_dict())
    say("   ".join(f"{key}: {value}" for key, value in diagnosis.machine.items()))
    table = Table(box=None, pad_edge=False)
    for column in ("", "what", "is", "to mend it"):
        table.add_column(column, overflow="fold")
    marks = {"ok": "[green]ok[/]", "missing": "[yellow]--[/]", "broken": "[red]!![/]"}
    for finding in diagnosis.findings:
        mark = "[red]!![/]" if finding.needed and finding.state != "ok" else marks[finding.state]
        table.add_row(mark, *map(escape, (finding.name, finding.detail, finding.mend)))
    Console().print(table)
    say("healthy" if diagnosis.healthy else "something that is needed is missing: see the lines marked !!")
    say("TensorRT engines and GPUs: not run by the authors yet")
    if not diagnosis.healthy:
        raise typer.Exit(1)
