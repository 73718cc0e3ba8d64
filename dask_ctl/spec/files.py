"""Files that are written whole, or stay what they were."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dask_ctl import _platform


def require_own(path: Path, status: os.stat_result) -> None:
    """Raise `PermissionError` for a file or link that neither this user nor root has put there."""
    if _platform.user_id() is not None and status.st_uid not in (_platform.user_id(), 0):
        raise PermissionError(errno.EACCES, "It belongs to another user", str(path))


def write_readable(path: Path, text: str) -> None:
    """Write a file that everybody may read; what was there stays until all is written.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    if path.is_symlink():  # which stays one
        require_own(path, path.lstat())
        path = path.resolve()
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
