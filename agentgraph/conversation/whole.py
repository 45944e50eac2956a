"""Files that are written whole or not at all."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path


def write_whole(file: Path, content: bytes, mode: int = 0o666) -> None:
    """Put `content` into `file`, with the permissions that it had; a new one gets `mode`. A link stays one.

    Raises:
        OSError: when it cannot be written; then it is as it was.
    """
    file = file.resolve()
    part = file.with_name(f".{file.name}.part")
    try:
        part.touch(mode=mode)
        part.write_bytes(content)
        if file.exists():
            shutil.copymode(file, part)
        part.replace(file)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
