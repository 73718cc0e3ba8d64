"""What there is to say of a cluster; what is not known is None."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from textwrap import shorten
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn

from dask_ctl import _earlier, _html
from dask_ctl.exceptions import printable

_COMMAND_WIDTH: Final = 40
_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
# What distributed's `Scheduler.identity` gives, as far as it is read here.
_OF_SCHEDULER: Final = {
    "address": str, "id": str, "dashboard": str, "services": Mapping, "manager": Mapping,
    "workers": Mapping, "started": float, "idle_since": float,
}  # fmt: skip
_OF_WORKER: Final = {"nthreads": float, "memory_limit": float, "metrics": Mapping}
_OF_METRICS: Final = {"memory": float, "task_counts": Mapping}


@dataclass(frozen=True, kw_only=True)
class ClusterInfo:
    """What there is to say of a cluster in one line.

    Parameters
    ----------
    name : str
        What to call it.
    discovery : str
        The method that found it.
    status : str
        ``running``, ``starting`` or ``closing``; ``dead`` where its owner has ended without closing
        it, and ``orphaned`` if its scheduler or its command goes on all the same;
        ``unreachable`` or ``unknown``, and why.
    address : str or None
        Where its scheduler listens.
    type : str or None
        Its class.
    workers, threads : int or None
        How many it has.
    memory : int or None
        Of its workers together, in bytes.
    created : str or None
        When, in ISO 8601, UTC.
    waiting : str or None
        What workers that were asked for wait for: ``2 pending: Resources``.
    adapt : mapping or None
        The bounds between which it adapts.
    idle_since : str or None
        Since when it has no work, in ISO 8601, UTC.
    command : str or None
        The command for whose time it is there.
    details : mapping
        All that its scheduler says of itself.
    """

    name: str
    discovery: str
    status: str
    address: str | None = None
    type: str | None = None
    workers: int | None = None
    threads: int | None = None
    memory: int | None = None
    created: str | None = None
    waiting: str | None = None
    adapt: Mapping[str, Any] | None = field(default=None, hash=False)
    idle_since: str | None = None
    command: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __repr__(self) -> str:
        kind = (self.type or "").rpartition(".")[2]
        workers = None if self.workers is None else f"workers={self.workers}"
        shown = ", ".join(filter(None, (kind, self.address, workers, self.state)))
        return printable(f"<ClusterInfo {self.name}: {shown}>")

    if not TYPE_CHECKING:  # to whom it has no other attributes

        def __getattr__(self, name: str) -> NoReturn:
            raise _earlier.of_entry(self, name)

    def as_dict(self) -> dict[str, Any]:
        """The cluster for a machine to read."""
        names = [each.name for each in fields(self) if each.name != "details"]
        return {name: getattr(self, name) for name in names}

    @property
    def state(self) -> str:
        """Its status, what it waits for, adapts to and runs, and how long it is idle, in words."""
        limits = self.adapt and ", ".join(f"{key} {value}" for key, value in self.adapt.items())
        adapts = f"adapts ({limits})" if limits else None
        since = age(self.idle_since)
        idle = None if since.endswith("s") or not since else f"idle {since}"  # seconds are no news
        runs = self.command and f"runs {shorten(self.command, _COMMAND_WIDTH, placeholder='...')}"
        return ", ".join(filter(None, (self.status, self.waiting, adapts, runs, idle)))

    @property
    def dashboard(self) -> str | None:
        """The address of its dashboard, if that is known."""
        if self.details.get("dashboard"):
            return str(self.details["dashboard"])
        port = self.details.get("services", {}).get("dashboard")
        if port is None or self.address is None:
            return None
        from distributed.comm import get_address_host
        from distributed.utils import format_dashboard_link

        with suppress(ValueError):  # an address that is none
            return str(format_dashboard_link(get_address_host(self.address), port))
        return None

    def cells(self) -> tuple[str, ...]:
        """What a table shows of it, under `Clusters.HEADINGS`."""
        from dask.utils import format_bytes

        return (
            self.name,
            (self.type or "").rpartition(".")[2],
            _shown(self.workers),
            _shown(self.threads),
            "" if self.memory is None else format_bytes(self.memory),
            age(self.created),
            self.discovery,
            _shown(self.address),
            self.state,
        )


class Clusters(list[ClusterInfo]):
    """Clusters, which a notebook shows as a table."""

    HEADINGS: ClassVar[tuple[str, ...]] = (
        "NAME", "TYPE", "WORKERS", "THREADS", "MEMORY", "AGE", "DISCOVERY", "ADDRESS", "STATUS",
    )  # fmt: skip

    def _repr_html_(self) -> str:
        rows = [info.cells() for info in self]
        return _html.table(self.HEADINGS, rows) if rows else "<pre>no clusters</pre>"


def plausible(said: Any) -> dict[str, Any]:
    """What a scheduler says of itself, without what is not of the kind that schedulers say."""
    told = _of_kinds(said, _OF_SCHEDULER)
    if "workers" in told:
        told["workers"] = {str(at): _of_worker(each) for at, each in told["workers"].items()}
    if "services" in told:
        told["services"] = _numbers(told["services"])
    return told


def _of_worker(said: Any) -> dict[str, Any]:
    told = _of_kinds(said, _OF_WORKER)
    if "metrics" in told:
        metrics = told["metrics"] = _of_kinds(told["metrics"], _OF_METRICS)
        if "task_counts" in metrics:
            metrics["task_counts"] = _numbers(metrics["task_counts"])
    return told


def _numbers(said: Mapping[Any, Any]) -> dict[Any, Any]:
    return _of_kinds(said, dict.fromkeys(said, float))


def _of_kinds(said: Any, kinds: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping without what is known to be of other kinds; numbers are finite, none negative."""

    def fits(value: Any, kind: Any) -> bool:
        if kind is not float:
            return isinstance(value, kind)
        return isinstance(value, (int, float)) and 0 <= value < math.inf

    mapping = said if isinstance(said, Mapping) else {}
    return {k: value for k, value in mapping.items() if k not in kinds or fits(value, kinds[k])}


def of_scheduler(said: Any) -> dict[str, Any]:
    """What a scheduler says of itself: fields of a `ClusterInfo`."""
    identity = plausible(said)
    workers = identity.get("workers")
    each = [] if workers is None else workers.values()
    return {
        "address": identity.get("address"),
        "workers": None if workers is None else len(workers),
        "threads": None if workers is None else _sum(worker.get("nthreads") for worker in each),
        "memory": None if workers is None else _sum(worker.get("memory_limit") for worker in each),
        "idle_since": _moment(identity.get("idle_since")),
        "details": identity,
    }


def started(identity: Mapping[str, Any]) -> str | None:
    """When a scheduler has started, in ISO 8601, UTC."""
    return _moment(identity.get("started"))


def load_of(info: ClusterInfo) -> dict[str, Any]:
    """How busy the workers of a cluster are, as far as its scheduler says."""
    metrics = [worker.get("metrics") for worker in info.details.get("workers", {}).values()]
    if not all(metrics):
        return {"memory_used": None, "tasks": None}
    tasks: Counter[str] = Counter()
    for each in metrics:
        tasks.update(each.get("task_counts", {}))
    return {"memory_used": _sum(each.get("memory") for each in metrics), "tasks": dict(tasks)}


def workers_of(info: ClusterInfo) -> list[dict[str, Any]]:
    """What the scheduler of a cluster says of each of its workers."""

    def told(address: str, worker: Mapping[str, Any]) -> dict[str, Any]:
        metrics = worker.get("metrics") or {}
        return {
            "name": worker.get("name"),
            "address": address,
            "threads": worker.get("nthreads"),
            "memory": worker.get("memory_limit"),
            "memory_used": metrics.get("memory"),
            "executing": metrics.get("task_counts", {}).get("executing", 0) if metrics else None,
        }

    workers = [told(*each) for each in info.details.get("workers", {}).items()]
    return sorted(workers, key=lambda each: (len(str(each["name"])), str(each["name"])))


def age(created: str | None) -> str:
    """How long ago a time in ISO 8601 was, in its largest unit: ``5m``; nothing if not known."""
    if created is None:
        return ""
    seconds = max(0, int((datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds()))
    size, unit = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    return f"{seconds // size}{unit}"


def _moment(seconds: float | None) -> str | None:
    if seconds is not None:
        with suppress(ValueError, OverflowError, OSError):  # of no year that there is
            return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    return None


def _shown(value: object) -> str:
    return "" if value is None else str(value)


def _sum(parts: Iterable[int | None]) -> int | None:
    """The sum of what is known of each; None if it is not."""
    known = list(parts)
    return None if None in known else sum(part or 0 for part in known)
