"""What is known of the clusters that were created from the command line: a file each.

The files lie in a folder that only their user can enter. Each holds what a later process needs to
reach the cluster, and nothing of the secrets of its spec. Only deleting a cluster removes one.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from dask_ctl import _platform
from dask_ctl.backends import listening
from dask_ctl.backends.batch_systems import SYSTEMS
from dask_ctl.exceptions import BackendError, InvalidSpecError, NoSuchClusterError

if TYPE_CHECKING:
    import psutil

VERSION: Final = 2
OWNER: Final = "dask_ctl.hosts.owner"  # the module that a host runs, with the name of its cluster
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# No file on Windows, with whatever ending: what it writes goes to the device.
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9])(\..*)?", re.IGNORECASE)

_SAME: Final = 2.0  # seconds; a system tells when it was started to one
_STATES: Final = ("starting", "running", "closing")
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
        What its class calls it, if that can give it by its name.
    arguments : mapping
        What is needed besides to connect to it, such as a namespace.
    place : str, optional
        Where its name is unique, such as that namespace.
    adapt : mapping, optional
        The options with which it adapts; None while it has a fixed size.
    system : str, optional
        The batch system that runs its jobs.
    jobs : tuple of str
        Its jobs there.
    refused : str, optional
        Why it has not taken the last one that was asked for.
    command : str, optional
        The command for whose time it is there, as a shell reads it, secrets masked.
    exit_code : int, optional
        That of the command, once it has ended by itself.
    process : mapping, optional
        The process of the command: its id, and when it was started.
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
    place: str | None = None
    adapt: Mapping[str, Any] | None = None
    system: str | None = None
    jobs: tuple[str, ...] = ()
    refused: str | None = None
    command: str | None = None
    exit_code: int | None = None
    process: Mapping[str, Any] | None = None

    @property
    def log(self) -> Path:
        """Where its host logs."""
        return folder() / f"{self.name}.log"

    @property
    def lock(self) -> Path:
        """What its host holds for as long as it lives."""
        return lock_of(self.name)

    @property
    def running(self) -> int | None:
        """The id of the process of its command, if that runs here."""
        if self.process is None or self.host is None or self.host.elsewhere:
            return None
        pid: int = self.process["pid"]
        started = _platform.since_boot(pid)
        same = started is not None and abs(started - self.process.get("started", 0.0)) < _SAME
        return pid if same else None

    @property
    def owner(self) -> psutil.Process | None:
        """The process of its host, if it can be seen: in a container its id may be another's."""
        import psutil

        if self.host is None or self.host.elsewhere:
            return None
        with suppress(psutil.Error):
            process = psutil.Process(self.host.pid)
            if {OWNER, self.name} <= {*process.cmdline()}:
                return process
        return None

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

    def refuse_strangers(self) -> None:
        """Raise `NoSuchClusterError` where somebody else has got the port of its scheduler."""
        known = self.address is not None and self.life != "alive"
        if known and not listening.is_trusted(str(self.address)):
            verb = (
                "to forget it: dask cluster delete"
                if self.host is None
                else "see: dask cluster show"
            )
            gone = f"the scheduler of {self.name!r} has ended, and another user has its port"
            raise NoSuchClusterError(gone, remedy=f"{verb} {self.name}")


def folder() -> Path:
    """Where the records are; it need not exist.

    Raises
    ------
    BackendError
        If this user has no folder: no HOME, and no entry among the users of this system.
    """
    import platformdirs

    with suppress(RuntimeError, KeyError):
        path = platformdirs.user_state_path("dask-ctl") / "clusters"
        if path.is_absolute():  # before platformdirs 4.10 it is one of a folder called '~'
            return path
    raise BackendError(
        "this user has no home folder, where clusters of the command line are recorded",
        remedy="set HOME or XDG_STATE_HOME to a folder of yours",
    )


def is_name(name: str) -> bool:
    """Whether a name can be one of a file."""
    return bool(_NAME.fullmatch(name)) and not _DEVICE.fullmatch(name)


def check_name(name: str) -> None:
    """Raise `InvalidSpecError` for a name that cannot be one of a file."""
    if not is_name(name):
        remedy = "use letters, digits, '.', '_' and '-', beginning with a letter or a digit"
        if _DEVICE.fullmatch(name):
            remedy = "use another: Windows has a device of this name, and no file"
        raise InvalidSpecError(f"{name!r} cannot be the name of a cluster", remedy=remedy)


def path_of(name: str) -> Path:
    """The file of a record."""
    check_name(name)
    return folder() / f"{name}.json"


def lock_of(name: str) -> Path:
    """The file that its host locks."""
    return folder() / f"{name}.lock"


def understood(name: str, found: dict[str, Any], path: Path) -> Record:
    """The record that a file holds.

    Raises
    ------
    BackendError
        If another version wrote it.
    ValueError, KeyError, TypeError, AttributeError
        If it is none.
    """
    version = found.pop("version")
    if version != VERSION:
        raise BackendError(
            f"is a record of version {version!r:.20}, and this dask-ctl knows only {VERSION}",
            remedy="use the dask-ctl that wrote it",
            origin=path,
        )
    host = None if found["host"] is None else _typed(Host, found["host"])
    record: Record = _typed(Record, {**found, "host": host, "jobs": tuple(found["jobs"])})
    pids = [each["pid"] for each in (found["host"], record.process) if each is not None]
    fits = (
        record.name == name,
        record.status in _STATES,
        record.system in (None, *SYSTEMS),
        isinstance(found["jobs"], list),
        all(isinstance(job, str) for job in record.jobs),
        all(type(pid) is int and pid > 0 for pid in pids),
        datetime.fromisoformat(record.created).tzinfo is not None,
    )
    if not all(fits):
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
        value = found.get(each.name, each.default)
        if not isinstance(value, _KINDS[str(each.type)]) or type(value) is bool:
            raise TypeError(each.name)
    return cls(**found)


def text_of(record: Record) -> str:
    """What the file of a record holds."""
    return json.dumps({"version": VERSION, **asdict(record)}, default=str)
