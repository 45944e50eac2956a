"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from uuid import uuid4


def write_whole(file: Path, content: bytes, mode: int = 0o666) -> None:
    """Put `content` into `file`, with the permissions that it had; a new one gets `mode`. A link stays one.

    Each writer writes a file of its own, on the same disk, which then takes the name: whoever reads sees the former content or the new
    one, and of two writers the later wins. What is written is on the disk before it takes the name.

    Raises:
        OSError: when it cannot be written; then it is as it was.
    """
    file = file.resolve()
    part = file.with_name(f".{uuid4().hex}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as writing:
            writing.write(content)
            writing.flush()
            os.fsync(writing.fileno())
        with suppress(FileNotFoundError):
            shutil.copymode(file, part)
        part.replace(file)
    except OSError as wrong:
        with suppress(OSError):
            part.unlink()
        wrong.filename, wrong.filename2 = str(file), None  # the part's name says nothing to anybody
        raise


def make_private(file: Path) -> None:
    """Make an empty file that nobody else may read, where there is none. One that is there is left as it is, with its permissions.

    It is closed when it takes its name: whoever closes a file gives away all locks that its process has on it. Where it cannot be made
    so, whoever opens it will say why; a disk that knows no second names for a file knows no permissions either.
    """
    with suppress(OSError):
        file = Path(os.path.realpath(file))
        part = file.with_name(f".{uuid4().hex}.part")
        if not file.exists():
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            try:
                os.link(part, file)
            finally:
                part.unlink()
