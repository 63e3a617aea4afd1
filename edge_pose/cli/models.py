"""`edge-pose models`: what there is, fetching it, and what a file is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge_pose.cli.common import JsonFile, check_writable, say, show_warnings, write_json

app = typer.Typer(help="What models there are, fetching them, and what a file is.", no_args_is_help=True)


@app.command("list")
def list_models() -> None:
    """List the models by name: task, input, licence of the weights, and whether they are on this machine."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from edge_pose import zoo

    table = Table(box=None, pad_edge=False)
    for column in ("name", "task", "input", "licence of the weights", "here"):
        table.add_column(column, overflow="fold")
    for name, entry in zoo.entries().items():
        status, (height, width) = zoo.status(entry), entry.spec.input.hw
        here = str(status.path) if status.path else status.state
        if status.known is False:
            here += " (not the file that the zoo lists)"
        table.add_row(*map(escape, (name, entry.spec.task, f"{width}x{height}", entry.license, here)))
    Console().print(table)
    say("looked in: " + ", ".join(map(str, zoo.folders())))


@app.command("fetch")
def fetch(name: Annotated[str, typer.Argument(help="A name of `edge-pose models list`.")]) -> None:
    """Fetch a model into the cache: resumed where it was cut, and checked by its sum."""
    show_warnings()
    from edge_pose import zoo
    from edge_pose.cli.common import byte_progress

    with byte_progress(name) as shown:
        path = zoo.fetch_model(name, progress=shown)
    say(str(path))
    entry = zoo.entries()[name]
    if path.suffix != ".onnx":
        say(f"this is what `edge-pose export {name}` reads; {zoo.how_to(entry)}")
    say(f"licence of the weights: {entry.license}")


@app.command("inspect")
def inspect(
    file: Annotated[Path, typer.Argument(help="A .onnx, .pt, .pth, .safetensors, .tflite or .engine file.")],
    json: JsonFile = None,
) -> None:
    """Say what a file is, how large, and whether it would load and as what. Nothing in it is executed."""
    check_writable(json)
    from edge_pose.models.inspection import inspect_file

    inspection = inspect_file(file)
    if json is not None:
        write_json(json, inspection.to_dict())
    say(inspection.to_text())
