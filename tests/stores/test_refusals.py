"""Faults of the operating system as they are: a disk without room, a file and a folder that may not be written."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import WATCHDOG

FULL = ("disk I/O error (SQLITE_IOERR_WRITE)", "database or disk is full (SQLITE_FULL)")
"""By a limit, and by a disk."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that anybody can reach; those of pytest are its user's alone."""
    made = Path(tempfile.mkdtemp(prefix="agdisk"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def small(folder: Path) -> Iterator[str]:
    """How `folder` gets full: it is a small disk, or, where none can be mounted, its files have a limit."""
    mounted = (
        shutil.which("mount")
        and not subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", folder], capture_output=True, check=False).returncode
    )
    yield "disk" if mounted else "limit"
    if mounted:
        subprocess.run(["umount", folder], check=True)


def refused(how: str, folder: Path) -> list[tuple[str, str]]:
    """Whether the conversation was read, and what was told of its turn, for each refusal. All else is asserted in the program."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.stores.refusing", how, str(folder)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=WATCHDOG,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = (line.partition(", ") for line in done.stdout.splitlines())
    return [(read, told.removeprefix(f"{folder}/kept.db cannot be used: ")) for read, _, told in lines]


def test_files_that_may_not_grow(folder: Path) -> None:
    refuse_room(refused("limit", folder))


def test_a_full_disk(small: str, folder: Path) -> None:
    refuse_room(refused(small, folder))


def refuse_room(found: list[tuple[str, str]]) -> None:
    """What is there is read; what there is no room for is refused, wherever in a turn that is."""
    refusals = [told for _, told in found if told != "went on"]

    assert {read for read, _ in found} == {"read"}
    assert 10 < len(refusals) < len(found)
    assert all(told.startswith(FULL) and told.endswith("what it holds is as it was") for told in refusals)


def test_a_file_that_may_not_be_written_is_still_read(folder: Path) -> None:
    """And it is written again as soon as it may be, also by a process that has opened it meanwhile."""
    assert refused("file", folder) == [
        ("read", "attempt to write a readonly database (SQLITE_READONLY); what it holds is as it was"),
        ("not read", "unable to open database file (SQLITE_CANTOPEN); what it holds is as it was"),
    ]


def test_a_folder_that_may_not_be_written(folder: Path) -> None:
    """SQLite makes files beside its own, also to read it."""
    assert refused("folder", folder) == [
        (
            "not read",
            "its folder may not be written, where SQLite keeps files beside it (SQLITE_READONLY_DIRECTORY); what it holds is as it was",
        ),
        ("not read", "unable to open database file (SQLITE_CANTOPEN); what it holds is as it was"),
    ]
