"""Files that are written whole or not at all, by several at once."""

from __future__ import annotations

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from agentgraph.conversation.whole import write_whole

SIZE, TIMES = 1_000_000, 150


WRITER = """
import sys
from pathlib import Path
from agentgraph.conversation.whole import write_whole

file, letter, size, times = sys.argv[1:]
for _ in range(int(times)):
    write_whole(Path(file), letter.encode() * int(size))
"""


def test_whoever_reads_beside_two_writers_sees_one_whole_file(tmp_path: Path) -> None:
    """300 writes by two processes, and a reader: no file that is torn, missing or mixed, and nothing is left beside it."""
    file, seen = tmp_path / "kept.json", set[bytes]()
    whole = {letter: letter * SIZE for letter in (b"a", b"b")}
    write_whole(file, whole[b"a"])
    commands = [[sys.executable, "-c", WRITER, str(file), letter.decode(), str(SIZE), str(TIMES)] for letter in whole]
    with ExitStack() as writing:
        writers = [writing.enter_context(subprocess.Popen(command, stderr=subprocess.PIPE)) for command in commands]
        while any(writer.poll() is None for writer in writers):
            content = file.read_bytes()
            seen.add(content[:1] if content == whole.get(content[:1]) else b"torn")
        errors = [writer.communicate()[1] for writer in writers]

    assert errors == [b"", b""]
    assert seen <= whole.keys()
    assert file.read_bytes() in whole.values()
    assert [left.name for left in tmp_path.iterdir()] == ["kept.json"]


def test_of_two_writers_in_one_process_neither_takes_the_others_part(tmp_path: Path) -> None:
    """Two threads, each of which writes again and again: no write fails, and what is left is one of them, whole."""
    file = tmp_path / "kept.json"

    def write(letter: bytes) -> None:
        for _ in range(TIMES):
            write_whole(file, letter * 1_000)

    with ThreadPoolExecutor(2) as writers:
        list(writers.map(write, (b"a", b"b")))

    assert file.read_bytes() in (b"a" * 1_000, b"b" * 1_000)
    assert [left.name for left in tmp_path.iterdir()] == ["kept.json"]


def test_a_file_keeps_its_permissions_and_a_new_one_gets_those_that_are_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    write_whole(file, b"1", mode=0o600)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o640)
    write_whole(file, b"2", mode=0o600)

    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"2", 0o640)


def test_a_link_stays_one_and_a_long_name_is_no_obstacle(tmp_path: Path) -> None:
    file, link = tmp_path / ("n" * 255), tmp_path / "link"
    file.write_bytes(b"0")
    link.symlink_to(file)
    write_whole(link, b"1")

    assert link.is_symlink()
    assert file.read_bytes() == b"1"


def test_what_cannot_be_written_leaves_all_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="kept"):
        write_whole(tmp_path / "nowhere" / "kept.json", b"1")
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OSError, match="folder"):
        write_whole(folder, b"1")

    assert [left.name for left in tmp_path.iterdir()] == ["folder"]
