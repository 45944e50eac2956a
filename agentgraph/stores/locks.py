"""Which processes live: each holds a lock on one byte of a file, and the kernel takes it from one that ends, however it ends.

The locks are POSIX record locks. A forked child has none of its parent's, unlike those of flock. A process loses all that it has on a
file as soon as it closes any descriptor of that file: so there is one of each file, and it is never closed.
"""

from __future__ import annotations

import errno
import os
import secrets
import threading
from collections.abc import Iterable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

_CAN_LOCK = find_spec("fcntl") is not None  # not on Windows
if _CAN_LOCK:
    import fcntl

_BYTES = 2**48
_TAKEN = (errno.EAGAIN, errno.EACCES)
_descriptors: dict[tuple[int, int], int] = {}
"""Of files, by device and number."""
_ours: dict[tuple[int, int], int] = {}
"""The byte that this process holds of each."""
_turn = threading.Lock()


def _begin_anew() -> None:
    """After a fork: the descriptors are the child's too, the bytes are the parent's."""
    global _turn  # noqa: PLW0603 - a thread that is not here may hold it
    _turn = threading.Lock()
    _ours.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def own_name(file: Path, like: Path) -> str | None:
    """What others know this process by as long as it lives. The file is made when it is missing, with the rights of `like`.

    None where there are no such locks, and where the file cannot be had.
    """
    if not _CAN_LOCK:
        return None
    with _turn, suppress(OSError):
        key = _opened(file, like)
        _ours[key] = _held(key)  # each time: it is lost when others in this process open and close the file
        return f"{key[1]} {_ours[key]}"
    return None


def ended(file: Path, names: Iterable[str]) -> frozenset[str]:
    """Those of `names` whose processes have ended. Of one that was given in another file nothing is known."""
    if not _CAN_LOCK:
        return frozenset()
    with _turn, suppress(OSError):
        key = _opened(file, None)
        return frozenset(name for name in names if _is_free(key, name))
    return frozenset()


def _opened(file: Path, like: Path | None) -> tuple[int, int]:
    try:
        key = _key(os.stat(file))  # noqa: PTH116 - a Path takes longer
    except FileNotFoundError:
        if like is None:
            raise
        key = None
    if key is not None and key in _descriptors:
        with suppress(OSError):
            if _key(os.fstat(_descriptors[key])) == key:
                return key  # else somebody has closed what is not theirs, as those do who become daemons
    descriptor = _descriptor(file, like if key is None else None)
    key = _key(os.fstat(descriptor))
    _ours.pop(key, None)
    _descriptors[key] = descriptor
    return key


def _descriptor(file: Path, like: Path | None) -> int:
    if like is None:
        try:
            return os.open(file, os.O_RDWR)
        except OSError:
            return os.open(file, os.O_RDONLY)  # by which the bytes of others can be looked at
    meant = like.stat()
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, meant.st_mode & 0o666)
    with suppress(OSError):  # as SQLite does with its own: whoever may write one may write the other
        os.fchmod(descriptor, meant.st_mode & 0o666)
        os.fchown(descriptor, meant.st_uid, meant.st_gid)
    return descriptor


def _key(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _held(key: tuple[int, int]) -> int:
    """The byte of this process, which it has then."""
    ours = _ours.get(key)
    while True:
        byte = secrets.randbelow(_BYTES) if ours is None else ours
        try:
            fcntl.lockf(_descriptors[key], fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except OSError as wrong:
            if wrong.errno not in _TAKEN:
                raise
            ours = None  # it was lost, and somebody is looking at it
        else:
            return byte


def _is_free(key: tuple[int, int], name: str) -> bool:
    """Whether nobody has that byte. It is taken to see, in a way that others who look do not mind."""
    number, _, byte = name.partition(" ")
    if number != str(key[1]) or not byte.isdigit() or int(byte) >= _BYTES or int(byte) == _ours.get(key):
        return False
    try:
        fcntl.lockf(_descriptors[key], fcntl.LOCK_SH | fcntl.LOCK_NB, 1, int(byte))
    except OSError as wrong:
        if wrong.errno not in _TAKEN:
            raise
        return False
    fcntl.lockf(_descriptors[key], fcntl.LOCK_UN, 1, int(byte))
    return True
