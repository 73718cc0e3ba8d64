"""What is known of the clusters that were created from the command line: a file each.

The files lie in a folder that only their user can enter. Each holds what a later process needs
to reach the cluster, and nothing of the secrets of its spec.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from dask_ctl.exceptions import BackendError, DaskCtlError, InvalidSpecError, NoSuchClusterError
from dask_ctl.spec.files import written_beside

VERSION: Final = 1
_REMEDY: Final = (
    "clusters of the command line are recorded there: make room, or set XDG_STATE_HOME to a "
    "folder of yours"
)
_CLOCK_TOLERANCE: Final = 2.0  # seconds that the system's clock may be set by
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, kw_only=True)
class Host:
    """The process that owns a cluster.

    Parameters
    ----------
    pid : int
        Its process id.
    started : float
        When it started, in seconds since 1970: a later process may get the same id.
    machine : str
        The name of the machine it runs on; a home may be shared by many.
    port : int, optional
        Where it listens on the loopback, once it does.
    secret : str
        What every call of that port must know.
    """

    pid: int
    started: float
    machine: str
    secret: str
    port: int | None = None

    @classmethod
    def here(cls) -> Host:
        """The process that calls this."""
        return cls(
            pid=os.getpid(),
            started=_started(os.getpid()) or 0.0,
            machine=os.uname().nodename,
            secret=secrets.token_hex(32),
        )

    @property
    def elsewhere(self) -> bool:
        """Whether it is on another machine, so that nothing can be known of it."""
        return self.machine != os.uname().nodename

    @property
    def alive(self) -> bool:
        """Whether the process still runs, or cannot be looked at from here."""
        if self.elsewhere:
            return True
        started = _started(self.pid)
        return started is not None and abs(started - self.started) < _CLOCK_TOLERANCE

    def terminate(self) -> None:
        """Have it end, if it is still the process that it was."""
        if self.alive and not self.elsewhere:
            os.kill(self.pid, signal.SIGTERM)


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
    status : {"starting", "running"}
        How far it is.
    address : str, optional
        Where its scheduler listens.
    host : Host, optional
        The process that owns it; without one, it is rebuilt from the three that follow.
    cluster_name : str, optional
        What its class calls it.
    arguments : mapping
        What ``from_name`` of its class needs besides, such as a namespace.
    jobs : mapping of str to list
        For each job of a batch system, the command that cancels it.
    """

    name: str
    target: str
    created: str
    spec: dict[str, Any] = field(default_factory=dict)
    status: str = "starting"
    address: str | None = None
    host: Host | None = None
    cluster_name: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    jobs: dict[str, list[str]] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """Where its host logs."""
        return folder() / f"{self.name}.log"

    @property
    def orphaned(self) -> bool:
        """Whether its host ended without closing it."""
        return self.host is not None and not self.host.alive


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
        found = path.stat()
        if hasattr(os, "getuid") and found.st_uid != os.getuid():
            raise BackendError(
                "belongs to another user", remedy="set XDG_STATE_HOME to a folder of yours",
                origin=path,
            )  # fmt: skip
        if stat.S_IMODE(found.st_mode) & 0o077:
            path.chmod(0o700)
    return path


def add(record: Record) -> None:
    """Write the record of a new cluster.

    Raises
    ------
    InvalidSpecError
        If there is a cluster of that name.
    BackendError
        If it cannot be written.
    """
    prepare_folder()
    path = _path(record.name)
    with writing(path), written_beside(path, _text(record)) as written:
        try:
            os.link(written, path)  # all of it at once, and never over another
        except FileExistsError:
            raise taken(record.name) from None


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


def remove(name: str) -> None:
    """Remove the record of a cluster, and its log.

    Raises
    ------
    BackendError
        If they cannot be removed.
    """
    for path in (_path(name).with_suffix(".log"), _path(name)):
        with writing(path):
            path.unlink(missing_ok=True)


def names() -> list[str]:
    """The names of all records."""
    try:
        found = [path for path in os.listdir(folder()) if path.endswith(".json")]
    except OSError:
        return []
    return sorted(path.removesuffix(".json") for path in found)


def read(name: str) -> Record:
    """The record of a cluster.

    Raises
    ------
    NoSuchClusterError
        If there is none.
    BackendError
        If it cannot be read, or a newer version wrote it.
    """
    path = _path(name)
    try:
        found = json.loads(path.read_bytes())
        version = found.pop("version")
        if version != VERSION:
            raise BackendError(
                f"is a record of version {version}, and this dask-ctl knows only {VERSION}",
                remedy="use the dask-ctl that wrote it, which is newer",
                origin=path,
            )
        host = found.pop("host")
        if host is not None:
            found["host"] = Host(**{**host, "pid": int(host["pid"]), "started": +host["started"]})
        return Record(**found)
    except FileNotFoundError:
        raise NoSuchClusterError(f"there is no cluster {name!r}") from None
    except OSError as error:
        raise BackendError(
            f"cannot be read: {error.strerror}", remedy="see who owns it", origin=path
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
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


def _path(name: str) -> Path:
    check_name(name)
    return folder() / f"{name}.json"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise `BackendError` where the body cannot write."""
    try:
        yield
    except OSError as error:
        raise BackendError(
            f"cannot be written: {error.strerror or error}",
            remedy=_REMEDY,
            origin=path,
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


def _text(record: Record) -> str:
    return json.dumps({"version": VERSION, **asdict(record)}, default=str)


def _started(pid: int) -> float | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None
