"""Files that are written whole, or stay what they were."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write_readable(path: Path, text: str) -> None:
    """Write a file that everybody may read; what was there stays until all is written.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    path = path.resolve()  # a link stays one
    with written_beside(path, text) as written:
        os.chmod(written, 0o644)
        os.replace(written, path)


@contextmanager
def written_beside(path: Path, text: str) -> Iterator[str]:
    """A file in the folder of `path` that holds a text, on the disk too, until the end.

    To be renamed to `path`, or linked; only its user may read it.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".new")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield name
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)
