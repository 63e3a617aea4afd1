"""The tree of subcommands. Everything heavy is imported by the subcommand that runs, so that --help stays quick."""

from __future__ import annotations

from typing import Annotated

import typer

from edge_pose import __version__
from edge_pose.cli import demo, doctor, evaluate, export, extract, fall_eval, models, run

app = typer.Typer(
    name="edge-pose",
    help="People's poses on edge devices.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("export")(export.export)
app.command("run")(run.run)
app.command("eval")(evaluate.evaluate)
app.command("extract")(extract.extract)
app.add_typer(fall_eval.app, name="fall")
app.add_typer(models.app, name="models")
app.command("doctor")(doctor.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"edge-pose {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Let tracebacks through; may stand anywhere.")] = False,
) -> None:
    """Hold the options of the whole command; both act before this runs."""
