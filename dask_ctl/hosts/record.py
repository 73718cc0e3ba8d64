"""What is known of the clusters that were created from the command line: a file each.

The files lie in a folder that only their user can enter. Each holds what a later process needs to
reach the cluster, and nothing of the secrets of its spec. Only deleting a cluster removes one.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal

from dask_ctl import _platform
from dask_ctl.exceptions import BackendError, DaskCtlError, InvalidSpecError, NoSuchClusterError
from dask_ctl.spec.files import written_beside

VERSION: Final = 2
MAX_BYTES: Final = 1 << 20
_ROOM: Final = (
    "clusters of the command line are recorded there: make room, or set XDG_STATE_HOME to a "
    "folder of yours"
)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH

Life = Literal["alive", "dead", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Host:
    """The process that owns a cluster.

    Parameters
    ----------
    pid : int
        Its process id, on its machine.
    machine, boot : str
        The machine that it runs on, and what names the time since that was started.
    secret : str
        What every call of it must know.
    port : int, optional
        Where it listens on the loopback of its machine, once it does.
    """

    pid: int
    machine: str
    boot: str | None
    secret: str
    port: int | None = None

    @classmethod
    def here(cls) -> Host:
        """The process that calls this."""
        return cls(
            pid=os.getpid(),
            machine=_platform.machine(),
            boot=_platform.boot(),
            secret=secrets.token_hex(32),
        )

    @property
    def elsewhere(self) -> bool:
        """Whether it is on another machine, or was before this one was started again."""
        return (self.machine, self.boot) != (_platform.machine(), _platform.boot())


@dataclass(frozen=True, kw_only=True)
class Record:
    """One cluster that was created from the command line.

    Parameters
    ----------
    name : str
        What its user calls it.
    target : str
        Its class: ``dask.distributed.LocalCluster``.
    created : str
        When, in ISO 8601, UTC.
    spec : mapping
        The spec and its origins as ``dask cluster spec show`` gives them, secrets masked.
    status : {"starting", "running", "closing"}
        How far it is.
    address : str, optional
        Where its scheduler listens.
    host : Host, optional
        The process that owns it; without one, it is found again by the two that follow.
    cluster_name : str, optional
        What its class calls it.
    arguments : mapping
        What is needed besides to connect to it, such as a namespace.
    adapt : mapping, optional
        The options with which it adapts; None while it has a fixed size.
    system : str, optional
        The batch system that runs its jobs.
    jobs : tuple of str
        Its jobs there.
    """

    name: str
    target: str
    created: str
    spec: Mapping[str, Any] = field(default_factory=dict)
    status: str = "starting"
    address: str | None = None
    host: Host | None = None
    cluster_name: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    adapt: Mapping[str, Any] | None = None
    system: str | None = None
    jobs: tuple[str, ...] = ()

    @property
    def log(self) -> Path:
        """Where its host logs."""
        return folder() / f"{self.name}.log"

    @property
    def lock(self) -> Path:
        """What its host holds for as long as it lives."""
        return _lock(self.name)

    @property
    def life(self) -> Life:
        """Whether its host lives, as far as can be known here.

        A lock that is held shows that it does, on any machine. One that is free shows that it
        does not only to the machine that it was on.
        """
        state = _platform.lock_state(self.lock)
        if state == "held":
            return "alive"
        here = self.host is not None and not self.host.elsewhere
        return "dead" if state == "free" and here else "unknown"


def folder() -> Path:
    """Where the records are; it need not exist."""
    import platformdirs

    return platformdirs.user_state_path("dask-ctl") / "clusters"


def check_name(name: str) -> None:
    """Raise `InvalidSpecError` for a name that cannot be one of a file."""
    if not _NAME.fullmatch(name):
        raise InvalidSpecError(
            f"{name!r} cannot be the name of a cluster",
            remedy="use letters, digits, '.', '_' and '-', beginning with a letter or a digit",
        )


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
    path = _path(record.name)
    with writing(path):
        try:
            lock = _platform.Lock(record.lock)
        except BlockingIOError:
            raise taken(record.name) from None
        try:
            with written_beside(path, _text(record)) as written:
                os.link(written, path)  # all of it at once, and never over another
        except BaseException as error:
            lock.release()
            if isinstance(error, FileExistsError):
                raise taken(record.name) from None
            record.lock.unlink(missing_ok=True)
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
    path = _path(record.name)
    with writing(path), written_beside(path, _text(record)) as written:
        os.replace(written, path)


def remove(name: str, *, log: bool = True) -> None:
    """Remove the record of a cluster, its lock, and perhaps its log.

    Raises
    ------
    BackendError
        If they cannot be removed.
    """
    path = _path(name)
    for each in (*([path.with_suffix(".log")] if log else []), path, _lock(name)):
        with writing(each):
            each.unlink(missing_ok=True)


def names() -> list[str]:
    """The names of all records."""
    try:
        found = os.listdir(folder())
    except OSError:
        return []
    suffix = ".json"
    return sorted(name.removesuffix(suffix) for name in found if name.endswith(suffix))


def exists(name: str) -> bool:
    """Whether there is a record of a name, whatever it holds."""
    return bool(_NAME.fullmatch(name)) and os.path.lexists(_path(name))


def read(name: str) -> Record:
    """The record of a cluster.

    Raises
    ------
    NoSuchClusterError
        If there is none.
    BackendError
        If it cannot be read, is another user's, or another version wrote it.
    """
    path = _path(name)
    try:
        _refuse_others(path.parent, path.parent.stat())
        # Without blocking: it might be a pipe.
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            status = os.fstat(file.fileno())
            _refuse_others(path, status)
            regular = stat.S_ISREG(status.st_mode)
            text = file.read(MAX_BYTES + 1) if regular else b""
        return _understood(name, json.loads(text), path)
    except FileNotFoundError:
        raise NoSuchClusterError(f"there is no cluster {name!r}") from None
    except OSError as error:
        raise BackendError(
            f"cannot be read: {error.strerror}", remedy="see who owns it", origin=path
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BackendError(
            "is not a record of a cluster", remedy="remove it if you did not write it", origin=path
        ) from None


def everything() -> tuple[list[Record], list[DaskCtlError]]:
    """All records, and what is wrong with those that cannot be read."""
    found: list[Record] = []
    problems: list[DaskCtlError] = []
    for name in names():
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


def last_words(log: Path) -> str:
    """What a host has logged last."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return "nothing"
    # Python's own tracker says something once its parent was killed, and goes on indented.
    said = (line for line in reversed(lines) if line.strip() and not line.startswith(" "))
    return next((line for line in said if "resource_tracker" not in line), "nothing")


def _path(name: str) -> Path:
    check_name(name)
    return folder() / f"{name}.json"


def _lock(name: str) -> Path:
    return folder() / f"{name}.lock"


def _refuse_others(path: Path, status: os.stat_result) -> None:
    """Believe nothing that somebody else may have written."""
    if _platform.user_id() not in (None, status.st_uid) or (
        os.name == "posix" and not stat.S_ISDIR(status.st_mode) and status.st_mode & _OTHERS
    ):
        raise BackendError(
            "belongs to another user or may be written by one, and is not believed",
            remedy="set XDG_STATE_HOME to a folder of yours",
            origin=path,
        )


def _understood(name: str, found: dict[str, Any], path: Path) -> Record:
    version = found.pop("version")
    if version != VERSION:
        raise BackendError(
            f"is a record of version {version}, and this dask-ctl knows only {VERSION}",
            remedy="use the dask-ctl that wrote it",
            origin=path,
        )
    host = None if found["host"] is None else _typed(Host, found["host"])
    record: Record = _typed(Record, {**found, "host": host, "jobs": tuple(found["jobs"])})
    strings = all(isinstance(job, str) for job in record.jobs)
    if record.name != name or not strings or (host is not None and host.pid <= 0):
        raise ValueError(record)
    return record


_KINDS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "str": str,
    "int": int,
    "str | None": (str, type(None)),
    "int | None": (int, type(None)),
    "Host | None": (Host, type(None)),
    "tuple[str, ...]": tuple,
    "Mapping[str, Any]": dict,
    "Mapping[str, Any] | None": (dict, type(None)),
}


def _typed(cls: Any, found: dict[str, Any]) -> Any:
    """An object of a class all of whose fields have the types that it declares."""
    for each in fields(cls):
        value = found[each.name]
        if not isinstance(value, _KINDS[str(each.type)]) or type(value) is bool:
            raise TypeError(each.name)
    return cls(**found)


def _text(record: Record) -> str:
    return json.dumps({"version": VERSION, **asdict(record)}, default=str)
