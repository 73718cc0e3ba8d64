"""Which clusters run, and what there is to say of each."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

from dask_ctl._async import settled
from dask_ctl.backends import listening as schedulers
from dask_ctl.exceptions import (
    BackendError,
    DaskCtlError,
    InvalidSpecError,
    NoSuchClusterError,
    reason,
)
from dask_ctl.hosts import records
from dask_ctl.management import discovery, methods
from dask_ctl.management.reach import Found
from dask_ctl.spec import settings
from dask_ctl.spec.keys import did_you_mean


@dataclass(frozen=True, kw_only=True)
class ClusterInfo:
    """What there is to say of a cluster in one line.

    Parameters
    ----------
    name : str
        What to call it.
    address : str or None
        Where its scheduler listens.
    type : str or None
        Its class.
    discovery : str
        The method that found it.
    workers, threads : int or None
        How many it has.
    memory : int or None
        Of its workers together, in bytes.
    created : str or None
        When, in ISO 8601, UTC.
    status : str
        ``running``, ``starting``, ``orphaned`` where its owner has ended without closing it, or
        ``unreachable`` and why.
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
    details: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """The cluster for a machine to read."""
        names = [each.name for each in fields(self) if each.name != "details"]
        return {name: getattr(self, name) for name in names}


async def everything(
    method: str | None = None,
) -> tuple[list[ClusterInfo], list[DaskCtlError]]:
    """All clusters that can be found, and what went wrong.

    Parameters
    ----------
    method : str, optional
        Ask only this discovery method.

    Raises
    ------
    InvalidSpecError
        If there is no such method, or it is disabled.
    """
    rows: list[tuple[Found, ClusterInfo]] = []
    problems: list[DaskCtlError] = []
    async for event in discovery.survey(discovery.chosen(method), look):
        if isinstance(event, DaskCtlError):
            problems.append(event)
            continue
        found, info = event
        info = info or _unanswered(found)
        if found.record is not None and found.record.orphaned and info.status != "orphaned":
            problems.append(_bury(found.record))
        else:
            rows.append((found, info))
    infos = list(_once(rows))
    return sorted(infos, key=lambda info: (info.discovery, info.name)), problems


def _once(rows: list[tuple[Found, ClusterInfo]]) -> Iterable[ClusterInfo]:
    """Each cluster once: what its record says goes before what another method finds."""
    recorded = [(found, info) for found, info in rows if found.record is not None]
    addresses = {info.address for _, info in recorded if info.address}
    reached = {(found.reach.class_name, found.reach.name) for found, _ in recorded}
    seen = set()
    # What was asked for by its address goes before what was found by looking around.
    for found, info in sorted(rows, key=lambda row: row[0].identity is not None):
        # A scheduler has more than one address: tcp://localhost:8786, tcp://127.0.0.1:8786
        scheduler = info.details.get("id") or (found.discovery, found.name)
        same = (found.reach.class_name, found.reach.name) in reached
        double = info.address in addresses or scheduler in seen or same
        if found.record is None and _by_address(found):
            seen.add(scheduler)
        if found.record is not None or not double:
            yield info


async def look(found: Found) -> ClusterInfo:
    """See what there is to say of a cluster; what cannot be reached says so in its status."""
    timeout = settings.discovery_timeout()
    try:
        async with asyncio.timeout(timeout):
            return await _looked(found, timeout)
    except TimeoutError:
        return _unanswered(found)
    except Exception as error:  # noqa: BLE001 -- whatever a class raises
        return _info(found, status=f"unreachable: {reason(error)}")


async def _looked(found: Found, timeout: float) -> ClusterInfo:
    record = found.record
    if _by_address(found):
        known = found.identity or await schedulers.identity(found.reach.name, timeout)
        return _of_identity(found, known)
    if record is not None and record.status == "starting" and not record.orphaned:
        return _info(found, status="starting")
    if record is not None and record.host is not None:
        from dask_ctl.hosts.hosted import security_of

        if record.address is None:
            return _info(found, status="unreachable: it never listened")
        security = await asyncio.to_thread(security_of, record)
        identity = await schedulers.identity(record.address, timeout, security)
        return _of_identity(found, identity)
    cluster = await found.reach.attach()
    try:
        told = {**dict(cluster.scheduler_info), "address": cluster.scheduler_address}
        told["dashboard"] = getattr(cluster, "dashboard_link", None)
        return _of_identity(found, told)
    finally:
        await settled(cluster.close())


def _of_identity(found: Found, identity: Any) -> ClusterInfo:
    workers = identity.get("workers", {}).values()
    manager = identity.get("manager") or {}
    orphaned = found.record is not None and found.record.orphaned
    info = _info(
        found,
        status="orphaned" if orphaned else "running",
        address=identity.get("address"),
        workers=len(workers),
        threads=sum(worker.get("nthreads", 0) for worker in workers),
        memory=sum(worker.get("memory_limit") or 0 for worker in workers),
        details=dict(identity),
    )
    if found.record is None:
        started = identity.get("started")
        created = started and datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds")
        return replace(info, type=manager.get("type") or info.type, created=created)
    return info


def _unanswered(found: Found) -> ClusterInfo:
    timeout = settings.discovery_timeout()
    return _info(found, status=f"unreachable: no answer within {timeout:g} s")


def _info(found: Found, **known: Any) -> ClusterInfo:
    record = found.record
    by_address = _by_address(found)
    return ClusterInfo(
        name=found.name,
        discovery=found.discovery,
        **{
            "address": record.address if record else found.name if by_address else None,
            "type": record.target if record else None if by_address else found.reach.target,
            "created": record.created if record else None,
            **known,
        },
    )


def _by_address(found: Found) -> bool:
    return found.record is None and found.reach.by_address


def _bury(record: records.Record) -> DaskCtlError:
    """Remove the record of a host that ended without closing its cluster, of which nothing runs."""
    if record.jobs:
        return BackendError(
            f"the host of cluster {record.name!r} has ended without closing it; these of its "
            f"jobs may be queued: {', '.join(record.jobs)}",
            remedy=f"to cancel them: dask cluster delete {record.name}",
        )
    last = records.last_words(record.log)
    try:
        records.remove(record.name)
    except BackendError as error:
        return BackendError(
            f"the host of cluster {record.name!r} has ended without closing it, and nothing of it "
            f"is left but its record, which cannot be removed: {error.problem.summary}",
            remedy="it is removed when that file can be written",
            origin=error.problem.origin,
        )
    return BackendError(
        f"the host of cluster {record.name!r} has ended without closing it, and nothing of it is "
        f"left; it logged last: {last}",
        remedy="create it again",
    )


async def find(name: str) -> Found:
    """The cluster of a name: one of the command line, an address, or what a method finds.

    Raises
    ------
    NoSuchClusterError
        If there is none.
    """
    if "://" in name:
        try:
            identity = await schedulers.identity(name, settings.discovery_timeout())
        except OSError as error:
            raise NoSuchClusterError(
                f"no scheduler answers at {name}: {reason(error)}",
                remedy="see: dask cluster list",
            ) from None
        return methods.at(name, identity)
    if name in records.names():
        return methods.of_record(records.read(name))
    found: dict[str, Found] = {}
    problems: list[DaskCtlError] = []
    async for event in discovery.survey(discovery.chosen()):
        if isinstance(event, DaskCtlError):
            problems.append(event)
            continue
        other = found.setdefault(event[0].name, event[0])
        if other.reach.class_name != event[0].reach.class_name and event[0].name == name:
            raise InvalidSpecError(
                f"{name!r} is the name of a {other.reach.target} and of a {event[0].reach.target}",
                remedy=f"disable one of the discovery methods {other.discovery!r} and "
                f"{event[0].discovery!r}",
            )
    if name in found:
        return replace(found[name], reach=await found[name].reach.completed())
    raise _none_called(name, found, problems)


def _none_called(
    name: str, found: Iterable[str], problems: list[DaskCtlError]
) -> NoSuchClusterError:
    known = sorted(found)
    hint = did_you_mean(name, known)
    there = f"there are: {', '.join(known[:20])}" if known else "there are none"
    remedies = [
        hint,
        there,
        "a discovery method failed, see: dask cluster list" if problems else "",
    ]
    return NoSuchClusterError(
        f"there is no cluster {name!r}", remedy="; ".join(filter(None, remedies))
    )


async def details(name: str) -> tuple[Found, ClusterInfo]:
    """All there is to say of one cluster.

    Raises
    ------
    NoSuchClusterError
        If there is none of that name.
    BackendError
        If it cannot be reached.
    """
    found = await living(name)
    return found, await look(found)


async def living(name: str) -> Found:
    """What `find` gives, unless its owner has ended without closing it.

    Raises
    ------
    NoSuchClusterError
        If there is none of that name, or nothing is left of it.
    BackendError
        If only jobs are left of it.
    """
    found = await find(name)
    record = found.record
    if record is not None and record.orphaned:
        if (await look(found)).status != "orphaned":
            problem = _bury(record)
            if record.jobs:
                raise problem
            raise NoSuchClusterError.of(problem.problem)
        assert record.address is not None  # noqa: S101 -- it answers there
        return replace(found, reach=methods.at(record.address).reach)
    return found


def described(found: Found, info: ClusterInfo) -> dict[str, Any]:
    """All there is to say of a cluster, for a machine to read."""
    record, workers = found.record, info.details.get("workers", {}).values()
    metrics = [worker.get("metrics", {}) for worker in workers]
    tasks: Counter[str] = Counter()
    for each in metrics:
        tasks.update(each.get("task_counts", {}))
    return {
        **info.as_dict(),
        "dashboard": _dashboard(info),
        "memory_used": sum(each.get("memory", 0) for each in metrics),
        "tasks": dict(tasks),
        "jobs": list(record.jobs) if record else [],
        "log": str(record.log) if record and record.host else None,
        "spec": record.spec.get("spec") if record else None,
        "origins": record.spec.get("origins") if record else None,
    }


def _dashboard(info: ClusterInfo) -> str | None:
    if info.details.get("dashboard"):
        return str(info.details["dashboard"])
    port = info.details.get("services", {}).get("dashboard")
    if port is None or info.address is None:
        return None
    from distributed.comm import get_address_host
    from distributed.utils import format_dashboard_link

    return str(format_dashboard_link(get_address_host(info.address), port))
