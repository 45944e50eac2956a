"""Turns in a file that the operating system refuses, and then does not: a program, since limits and users are of a process.

python -m tests.stores.refusing limit|disk|file|folder FOLDER
"""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from agentgraph import Agent, AgentRunner, Context, Conversation, RunConfig, ScriptedModel, SQLiteStore, Store, StoreError, open_store
from tests.waiting import WATCHDOG

ANSWER = "b" * 20_000
LEASE = 0.1
NOBODY = 65_534
Refusal = Callable[[Path], AbstractContextManager[None]]


def conversation(store: Store) -> Conversation:
    runner = AgentRunner(Agent("Desk"), RunConfig(model=ScriptedModel([ANSWER] * 1_000)))
    return runner.conversation("c", store, wait=WATCHDOG, lease=LEASE)


def said(context: Context) -> list[str]:
    return [message.text for message in context.messages]


# -- refusals ------------------------------------------------------------------------------------------------------------


def limited(room: int) -> Refusal:
    """No file may be longer than the log is now and `room` bytes."""

    @contextmanager
    def refusal(folder: Path) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room + sum(log.stat().st_size for log in folder.glob("*-wal")), hard))
        yield
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return refusal


def filled(room: int) -> Refusal:
    """The disk has `room` bytes left."""

    @contextmanager
    def refusal(folder: Path) -> Iterator[None]:
        ballast, disk = folder / "ballast", os.statvfs(folder)
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - room)
        yield
        ballast.unlink()

    return refusal


def read_only(name: str, mode: int) -> Refusal:
    """A file, or the folder, that may not be written."""

    @contextmanager
    def refusal(folder: Path) -> Iterator[None]:
        path = folder / name
        before = path.stat().st_mode
        path.chmod(mode)
        assert not os.access(path, os.W_OK)
        yield
        path.chmod(before)

    return refusal


# -- turns ---------------------------------------------------------------------------------------------------------------


def held(folder: Path, refusals: list[Refusal], *, anew: bool) -> None:
    """A turn while each of `refusals` lasts and one after it; `anew`: with the file opened while it lasts. Prints what came of the first."""
    with SQLiteStore(folder / "kept.db") as store:
        kept = conversation(store)
        assert kept.run("begin").output == ANSWER
        for refusal in refusals:
            before = said(kept.context)
            if anew:
                store.close()
            with refusal(folder):
                read, result = readable(kept), kept.run("go on")
            assert result.error is None or isinstance(result.error, StoreError)
            print(f"{read}, {'went on' if result.error is None else result.error}")
            assert said(kept.context) == said(result.context)
            assert said(kept.context)[: len(before)] == before
            after = kept.run("and now")
            assert after.output == ANSWER, after.error
            assert said(kept.context) == [*said(result.context), "and now", ANSWER]
            assert kept.history().contexts[-1] == kept.context
    with closing(sqlite3.connect(folder / "kept.db")) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def readable(kept: Conversation) -> str:
    try:
        said(kept.context)
    except StoreError:
        return "not read"
    return "read"


def become_nobody(folder: Path) -> None:
    """Root may write whatever it likes. What is imported later cannot be, where Python lies in a folder of root's: so all is used once before."""
    if os.getuid() == 0:
        with open_store(f"sqlite:///{folder}/kept.db") as store:
            conversation(store).run("begin")
            conversation(store).delete()
        for path in (folder, *folder.iterdir()):
            os.chown(path, NOBODY, NOBODY)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


if __name__ == "__main__":
    how, where = sys.argv[1], Path(sys.argv[2])
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    match how:
        case "limit":
            held(where, [limited(room) for room in range(0, 120_000, 4_000)], anew=False)
        case "disk":
            held(where, [filled(room) for room in range(0, 120_000, 4_000)], anew=False)
        case "file":
            become_nobody(where)
            held(where, [read_only("kept.db", mode) for mode in (0o444, 0o000)], anew=True)
        case "folder":
            become_nobody(where)
            held(where, [read_only(".", mode) for mode in (0o555, 0o000)], anew=True)
