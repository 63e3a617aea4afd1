"""`edge-pose models`: what there is, fetching it, and what a file is."""

from __future__ import annotations

import typer

app = typer.Typer(help="What models there are, fetching them, and what a file is.", no_args_is_help=True)
