"""The folder of the records: written whole, read only if nobody else can have written it."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from dask_ctl import _platform
from dask_ctl.exceptions import (
    BackendError,
    DaskCtlError,
    DiscoveryError,
    InvalidSpecError,
    NoSuchClusterError,
)
from dask_ctl.hosts import log
from dask_ctl.hosts.record import (
    VERSION,
    Host,
    Record,
    check_name,
    folder,
    is_name,
    lock_of,
    path_of,
    text_of,
    understood,
)
from dask_ctl.spec.files import written_beside

__all__ = [
    "VERSION",
    "Host",
    "Record",
    "add",
    "check_name",
    "drop_kept",
    "ended",
    "everything",
    "exists",
    "folder",
    "is_whole",
    "keep",
    "kept_log",
    "names",
    "none_called",
    "prepare_folder",
    "read",
    "remove",
    "restore",
    "taken",
    "update",
    "writing",
]

_MAX_BYTES: Final = 1 << 20
_ROOM: Final = (
    "clusters of the command line are recorded there: make room, or set XDG_STATE_HOME to a "
    "folder of yours"
)
_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


def prepare_folder() -> Path:
    """Make the folder, for its user alone.

    Raises
    ------
    BackendError
        If it cannot be made, or belongs to somebody else.
    """
    path = folder()
    with writing(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_others(path, path.stat())
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            path.chmod(0o700)
    return path


def add(record: Record) -> _platform.Lock:
    """Write the record of a new cluster, and hold its lock.

    Raises
    ------
    InvalidSpecError
        If there is a cluster of that name.
    BackendError
        If it cannot be written.
    """
    prepare_folder()
    path = path_of(record.name)
    with writing(path):
        try:
            lock = _platform.Lock(record.lock)
        except BlockingIOError:
            raise taken(record.name) from None
        try:
            with written_beside(path, text_of(record)) as written:
                os.link(written, path)  # all of it at once, and never over another
        except BaseException as error:
            if isinstance(error, FileExistsError):
                lock.release()
                raise taken(record.name) from None
            lock.remove()
            raise
    return lock


def taken(name: str) -> InvalidSpecError:
    """The error that there is a cluster of a name already."""
    return InvalidSpecError(
        f"there is a cluster {name!r} already",
        remedy=f"choose another --name, or: dask cluster delete {name}",
    )


def update(record: Record) -> None:
    """Write what has changed of a cluster.

    Raises
    ------
    BackendError
        If it cannot be written; the old record stays.
    """
    path = path_of(record.name)
    with writing(path), written_beside(path, text_of(record)) as written:
        _platform.replace(written, path)


def restore(record: Record, lock: _platform.Lock) -> _platform.Lock:
    """Write what somebody has removed of a cluster that lives; its lock too, if that has gone.

    Raises
    ------
    BackendError
        If it cannot be written, or another cluster has taken the name.
    """
    prepare_folder()
    if record.lock.exists():
        update(record)
        return lock
    with writing(record.lock):
        held = _platform.Lock(record.lock)
    try:
        update(record)
    except BaseException:
        held.remove()  # or it would be another's, and this would not be tried again
        raise
    lock.release()
    return held


def remove(name: str, lock: _platform.Lock | None = None) -> None:
    """Remove the record of a cluster, its log, and its lock, which the caller may hold.

    Raises
    ------
    BackendError
        If they cannot be removed.
    """
    path = path_of(name)
    if lock is not None and lock.is_replaced:  # the folder was emptied: it is another's name now
        lock.release()
        return
    with writing(path):
        with suppress(PermissionError):  # on Windows while it is read
            _platform.remove(path.with_suffix(".log"))
        _platform.remove(path)
        if lock is None:
            _platform.remove(lock_of(name))
        else:
            lock.remove()


def names(*, ended: bool = False) -> list[str]:
    """The names of all records, or of those kept of clusters that have ended by themselves.

    Raises
    ------
    DiscoveryError
        If there may be some, and they cannot be listed.
    """
    try:
        place = log.kept_of(folder() / "any").parent if ended else folder()
    except BackendError:  # no place for any
        return []
    try:
        found = os.listdir(place)
    except (FileNotFoundError, NotADirectoryError):  # none yet
        return []
    except OSError as error:
        raise DiscoveryError(
            f"the clusters of the command line cannot be listed: {error.strerror}",
            remedy="see who owns this folder, and what they may do there",
            origin=place,
        ) from None
    suffix = ".json"
    return sorted(name.removesuffix(suffix) for name in found if name.endswith(suffix))


def qualified() -> list[str]:
    """The names of those whose place is known, with that: ``place/name``."""
    return [f"{each.place}/{each.name}" for each in everything()[0] if each.place is not None]


def exists(name: str) -> bool:
    """Whether there is a record of a name, whatever it holds."""
    return name in names()


def is_whole(record: Record) -> bool:
    """Whether the files of a cluster that lives are there."""
    return path_of(record.name).exists() and record.lock.exists()


def read(name: str) -> Record:
    """The record of a cluster.

    Raises
    ------
    NoSuchClusterError
        If there is none.
    BackendError
        If it cannot be read, is another user's, or another version wrote it.
    """
    try:
        return _read(name, path_of(name))
    except FileNotFoundError:
        raise none_called(name) from None


def none_called(name: str) -> NoSuchClusterError:
    """The error that there is none of a name; of one that has ended by itself, how and why."""
    told = f"there is no cluster {name!r}"
    if kept_log(name) is None:
        return NoSuchClusterError(told)
    code = getattr(ended(name), "exit_code", None)
    how = "" if code is None else f": its command has ended with exit code {code}"
    remedy = f"to see why it has ended: dask cluster logs {name}"
    return NoSuchClusterError(f"{told} any more{how}", remedy=remedy)


def _read(name: str, path: Path) -> Record:
    try:
        _refuse_others(path.parent, path.parent.stat())
        # Without blocking: it might be a pipe.
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            status = os.fstat(file.fileno())
            _refuse_others(path, status)
            regular = stat.S_ISREG(status.st_mode)
            text = file.read(_MAX_BYTES + 1) if regular else b""
        return understood(name, json.loads(text), path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BackendError(
            f"cannot be read: {error.strerror}", remedy="see who owns it", origin=path
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BackendError(
            "is not a record of a cluster", remedy="remove it if you did not write it", origin=path
        ) from None


def keep(record: Record) -> None:
    """Keep a copy of the record and the log of a cluster that has ended by itself."""
    for path in (record.log, path_of(record.name)):
        log.keep(path)


def drop_kept(record: Record) -> None:
    """Drop what is kept of an earlier cluster of a name: it would be taken for this one's."""
    for path in (record.log, path_of(record.name)):
        with suppress(OSError):
            log.kept_of(path).unlink()


def ended(name: str) -> Record | None:
    """The record of a cluster that has ended by itself, if it is still kept."""
    with suppress(BackendError, InvalidSpecError, FileNotFoundError):
        return _read(name, log.kept_of(path_of(name)))
    return None


def kept_log(name: str) -> Path | None:
    """The log of a cluster that has ended by itself, if it is still kept."""
    with suppress(BackendError):  # no place for any
        kept = log.kept_of(folder() / f"{name}.log")
        return kept if is_name(name) and kept.exists() else None
    return None


def everything() -> tuple[list[Record], list[DaskCtlError]]:
    """All records, and what is wrong with those that cannot be read."""
    found: list[Record] = []
    problems: list[DaskCtlError] = []
    try:
        recorded = names()
    except DiscoveryError as error:
        return [], [error]
    for name in recorded:
        try:
            found.append(read(name))
        except NoSuchClusterError:
            continue  # just removed
        except DaskCtlError as error:
            problems.append(error)
    return found, problems


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise `BackendError` where the body cannot write."""
    try:
        yield
    except OSError as error:
        raise BackendError(
            f"cannot be written: {error.strerror or error}", remedy=_ROOM, origin=path
        ) from None


def _refuse_others(path: Path, status: os.stat_result) -> None:
    """Believe nothing that somebody else may have written."""
    user = _platform.user_id()
    if user is None:
        return
    if user != status.st_uid or (not stat.S_ISDIR(status.st_mode) and status.st_mode & _OTHERS):
        raise BackendError(
            "belongs to another user or may be written by one, and is not believed",
            remedy="set XDG_STATE_HOME to a folder of yours",
            origin=path,
        )
