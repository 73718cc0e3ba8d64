"""What there is to say of a cluster; what is not known is None."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any


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
        it, and ``orphaned`` if its scheduler goes on all the same; ``unreachable`` or ``unknown``,
        and why.
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
    details: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """The cluster for a machine to read."""
        names = [each.name for each in fields(self) if each.name != "details"]
        return {name: getattr(self, name) for name in names}


def of_scheduler(identity: Mapping[str, Any]) -> dict[str, Any]:
    """What a scheduler's identity says: fields of a `ClusterInfo`."""
    workers = list(identity.get("workers", {}).values())
    return {
        "address": identity.get("address"),
        "workers": len(workers),
        "threads": _sum(worker.get("nthreads") for worker in workers),
        "memory": _sum(worker.get("memory_limit") for worker in workers),
        "details": dict(identity),
    }


def started(identity: Mapping[str, Any]) -> str | None:
    """When a scheduler has started, in ISO 8601, UTC."""
    moment = identity.get("started")
    return moment and datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def load_of(info: ClusterInfo) -> dict[str, Any]:
    """How busy the workers of a cluster are, as far as its scheduler says."""
    metrics = [worker.get("metrics") for worker in info.details.get("workers", {}).values()]
    if not all(metrics):
        return {"memory_used": None, "tasks": None}
    tasks: Counter[str] = Counter()
    for each in metrics:
        tasks.update(each.get("task_counts", {}))
    return {"memory_used": _sum(each.get("memory") for each in metrics), "tasks": dict(tasks)}


def dashboard_of(info: ClusterInfo) -> str | None:
    """The address of the dashboard of a cluster."""
    if info.details.get("dashboard"):
        return str(info.details["dashboard"])
    port = info.details.get("services", {}).get("dashboard")
    if port is None or info.address is None:
        return None
    from distributed.comm import get_address_host
    from distributed.utils import format_dashboard_link

    return str(format_dashboard_link(get_address_host(info.address), port))


def _sum(parts: Iterable[int | None]) -> int | None:
    """The sum of what is known of each; None if it is not."""
    known = list(parts)
    return None if None in known else sum(part or 0 for part in known)
