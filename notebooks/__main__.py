"""Execute the notebooks; write what they show into them, or, with --check, say where it is no longer what is committed.

Pictures are laid out by the library itself here, whatever is installed: what Graphviz draws differs with its version.
"""

from __future__ import annotations

import difflib
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_SHOWN = ("text/plain", "text/vnd.mermaid", "image/svg+xml")


def main() -> int:
    """Exit code 1 when a notebook does not run, or does not show what is committed."""
    stale = 0
    for path in sorted(HERE.glob("*.ipynb")):
        known = path.read_text(encoding="utf-8")
        text = executed(path)
        if "--check" in sys.argv:
            stale += known != text
            sys.stdout.writelines(difflib.unified_diff(known.splitlines(True), text.splitlines(True), path.name, "executed now", n=1))
        elif known != text:
            path.write_text(text, encoding="utf-8", newline="\n")
            print(f"wrote notebooks/{path.name}")
    if stale:
        print("run: make draw", file=sys.stderr)
    return 1 if stale else 0


def executed(path: Path) -> str:
    """The notebook after all its cells have run in an empty kernel, without what differs from run to run."""
    warnings.simplefilter("ignore")  # of the notebook tools about themselves
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    os.environ["AGENTGRAPH_LAYOUT"] = "own"
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(HERE)}}).execute()
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = list(_stable(cell.outputs))
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
    text: str = nbformat.writes(notebook)
    return text.rstrip("\n") + "\n"


def _stable(outputs: list[Any]) -> Iterator[Any]:
    for output in outputs:
        if "data" in output:
            output["data"] = {kind: output["data"][kind] for kind in _SHOWN if kind in output["data"]}
        yield output


sys.exit(main())
