"""Options that several commands take, said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAMED = "module:attribute or path/to/file.py:attribute; a graph, a runner, an agent or a group"

Target = Annotated[str, typer.Argument(help=NAMED, metavar="TARGET")]
AppDir = Annotated[Path | None, typer.Option("--app-dir", help="look for TARGET's modules in this folder too", metavar="DIR")]
Model = Annotated[str | None, typer.Option(help="a litellm model name, in place of the agents' own models", metavar="NAME")]
StoreURL = Annotated[
    str | None,
    typer.Option(
        "--store", envvar="AGENTGRAPH_STORE", help="where conversations are kept: sqlite:///file.db, or postgresql://...", metavar="URL"
    ),
]
