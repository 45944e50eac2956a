"""A throw-away PostgreSQL server on a Unix socket, which refuses to run as root: there it runs as the user postgres."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.waiting import WATCHDOG


@dataclass(frozen=True)
class Cluster:
    """The server while it runs."""

    folder: Path
    programs: Path

    def url(self, database: str) -> str:
        return f"postgresql://agentgraph@/{database}?host={self.folder}"

    def database(self) -> str:
        """The URL of a new one."""
        name = f"t{uuid4().hex}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def start(self) -> None:
        # After a crash every file of every database is synced one by one, by default; a slow disk takes a minute for that.
        options = f"-c recovery_init_sync_method=syncfs -c listen_addresses='' -c unix_socket_directories='{self.folder}'"
        self._control("-w", "-l", str(self.folder / "log.txt"), "-o", options, "start")

    def crash(self) -> None:
        """Stop without a checkpoint and without a goodbye."""
        self._control("-m", "immediate", "stop")

    def _control(self, *arguments: str) -> None:
        _run([str(self.programs / "pg_ctl"), "-D", str(self.folder / "data"), *arguments])


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A new server, gone afterwards. Skips visibly where there is none to run; in CI that is a failure."""
    programs = _programs()
    if programs is None:
        reason = "PostgreSQL is not installed; tests/stores/install_postgres.sh says how"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="agpg"))  # short: the path of a socket may have 107 characters
    try:
        if os.getuid() == 0:
            os.chown(folder, *_owner())
        _run([str(programs / "initdb"), "-D", str(folder / "data"), "-U", "agentgraph", "-A", "trust", "-E", "UTF8", "--no-sync"])
        server = Cluster(folder, programs)
        server.start()
        try:
            yield server
        finally:
            server.crash()
    finally:
        shutil.rmtree(folder)


def _programs() -> Path | None:
    found = shutil.which("pg_ctl")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists()), None)


def _owner() -> tuple[int, int]:
    user = pwd.getpwnam("postgres")
    return user.pw_uid, user.pw_gid


def _run(command: list[str]) -> None:
    options: dict[str, Any] = {}
    if os.getuid() == 0:
        user, group = _owner()
        options = {"user": user, "group": group, "extra_groups": []}
    done = subprocess.run(
        command, cwd="/", capture_output=True, text=True, timeout=WATCHDOG, check=False, stdin=subprocess.DEVNULL, **options
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
