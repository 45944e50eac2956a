"""docs/durable.md does what it says; the conventions are those of `test_readme.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.test_readme import ROOT, follow

pytest.importorskip("dbos", reason="the page shows workers, which need it")


def test_the_page_on_durable_conversations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    follow((ROOT / "docs" / "durable.md").read_text(encoding="utf-8"), "docs/durable.md", tmp_path)
