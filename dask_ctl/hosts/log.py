"""The log of a host: what it and its backend have said, shortened where that is too much."""

from __future__ import annotations

import codecs
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from dask_ctl.backends.logs import Wanted
from dask_ctl.exceptions import BackendError

MAX_BYTES: Final = 10 * 2**20
KEPT_DAYS: Final = 7
_POLL: Final = 0.2  # seconds
# A line of logging, the end of a traceback, and what a command that submits has said.
_OF_ERROR: Final = re.compile(r" (ERROR|CRITICAL) |^[\w.]*(Error|Exception): |^\w+: error: ")


def shorten(log: Path) -> None:
    """Keep the last half of a log that has grown beyond `MAX_BYTES`.

    Whatever is appended meanwhile may be lost. Those who have it open append to what is left.
    """
    with suppress(OSError), log.open("r+b") as file:
        if file.seek(0, os.SEEK_END) > MAX_BYTES:
            file.seek(-MAX_BYTES // 2, os.SEEK_END)
            file.readline()
            kept = file.read()
            file.seek(0)
            file.write(kept)
            file.truncate()


def keep(log: Path) -> None:
    """Keep a copy of a file beyond its cluster's end, and drop those that are older than that."""
    kept = kept_of(log)
    with suppress(OSError):
        kept.parent.mkdir(mode=0o700, exist_ok=True)
        for each in kept.parent.iterdir():
            with suppress(OSError):  # another has just done so, or it is none of ours
                if each.stat().st_mtime < time.time() - KEPT_DAYS * 86400:
                    each.unlink()
        shutil.copy(log, kept)  # which only the user may read, too


def kept_of(log: Path) -> Path:
    """Where the log, or the record, of a cluster that has ended by itself is kept."""
    return log.parent.parent / "ended" / log.name


def texts(log: Path, wanted: Wanted, ended: Callable[[], bool]) -> Iterator[str]:
    """What is wanted of a log, piece by piece.

    Parameters
    ----------
    log : Path
        The log.
    wanted : Wanted
        What is.
    ended : callable
        Whether no more will come, if it is to be followed.

    Raises
    ------
    BackendError
        If it cannot be read.
    """
    try:
        file = log.open("rb")
    except OSError as error:
        raise BackendError(
            f"cannot be read: {error.strerror}", remedy="see who owns it", origin=log
        ) from None
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    with file:
        if wanted.tail is not None or wanted.since is not None:
            yield wanted.of(decoder.decode(file.read()))
        while True:
            last = not wanted.follow or ended()
            if os.fstat(file.fileno()).st_size < file.tell():  # it was shortened
                file.seek(0)
            while some := file.read(2**16):
                yield decoder.decode(some)
            if last:
                return
            time.sleep(_POLL)


def last_words(log: Path) -> str:
    """What a host has logged last."""
    # Python's own tracker says something once its parent was killed, and goes on indented.
    said = (line for line in _backwards(log) if line.strip() and not line.startswith(" "))
    return next((line for line in said if "resource_tracker" not in line), "nothing")


def last_error(log: Path) -> str | None:
    """The last line that a host has logged of an error; None without one."""
    return next(filter(_OF_ERROR.search, _backwards(log)), None)


def _backwards(log: Path) -> list[str]:
    try:
        return log.read_text(errors="replace").splitlines()[::-1]
    except OSError:
        return []
