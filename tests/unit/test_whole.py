"""Files that are written whole or not at all, by several at once."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from agentgraph.conversation.whole import write_whole

SIZE, TIMES = 1_000_000, 150


def test_whoever_reads_beside_two_writers_sees_one_whole_file(tmp_path: Path) -> None:
    """300 writes by two writers, and a reader: no file that is torn, missing or mixed, and nothing is left beside it."""
    file, over, seen = tmp_path / "kept.json", threading.Event(), list[bytes]()
    failed: list[BaseException] = []
    write_whole(file, b"a" * SIZE)

    def writing(letter: bytes) -> None:
        try:
            for _ in range(TIMES):
                write_whole(file, letter * SIZE)
        except BaseException as error:
            failed.append(error)

    def reading() -> None:
        while not over.is_set():
            try:
                content = file.read_bytes()
            except OSError as error:
                failed.append(error)
            else:
                seen.append(content[:1] if content in (b"a" * SIZE, b"b" * SIZE) else b"torn")

    writers = [threading.Thread(target=writing, args=(letter,)) for letter in (b"a", b"b")]
    reader = threading.Thread(target=reading)
    for thread in (*writers, reader):
        thread.start()
    for thread in writers:
        thread.join()
    over.set()
    reader.join()

    assert not failed
    assert set(seen) <= {b"a", b"b"}
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
