"""Which clusters there are, and which of them is meant."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from dask_ctl import _earlier
from dask_ctl.backends import listening
from dask_ctl.exceptions import DaskCtlError, InvalidSpecError, NoSuchClusterError, reason
from dask_ctl.hosts import store as records
from dask_ctl.management.discovery import chosen, of_record, survey
from dask_ctl.management.info import ClusterInfo
from dask_ctl.management.live import Live
from dask_ctl.management.seen import Seen
from dask_ctl.spec import settings
from dask_ctl.spec.checks import did_you_mean

_SIDE_BY_SIDE: Final = 64  # looks
_SHOWN: Final = 20


async def everything(method: str | None = None) -> tuple[list[ClusterInfo], list[DaskCtlError]]:
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
    limit = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def looked(live: Live) -> tuple[Live, ClusterInfo]:
        async with limit:
            return live, await live.look_closely()

    looks: list[asyncio.Task[tuple[Live, ClusterInfo]]] = []
    problems: list[DaskCtlError] = []
    async for found in survey(chosen(method)):
        if isinstance(found, DaskCtlError):
            problems.append(found)
        else:
            looks.append(asyncio.create_task(looked(found)))
    rows = await asyncio.gather(*looks)
    return sorted(_once(rows), key=lambda info: (info.discovery, info.name)), problems


def _once(rows: list[tuple[Live, ClusterInfo]]) -> Iterable[ClusterInfo]:
    """Each cluster once: what its record says goes before what another method finds."""
    recorded = [(live, info) for live, info in rows if live.record is not None]
    addresses = {info.address for _, info in recorded if info.address}
    seen = {live.key for live, _ in recorded}
    for _, info in recorded:
        yield info
    # As they were found: schedulers that are configured come before what looking around finds.
    for live, info in rows:
        if live.record is None and info.address not in addresses and live.key not in seen:
            seen.add(live.key)
            yield info


async def find(name: str) -> Live:
    """The cluster of a name: one of the command line, an address, or what a method finds.

    ``localhost:8786``, ``8786`` and ``proxycluster-8786`` are the scheduler at that port here.

    Raises
    ------
    NoSuchClusterError
        If there is none.
    """
    if "://" in name:
        return await _at(name)
    if records.exists(name):
        return of_record(records.read(name))
    if here := _earlier.address(name):
        try:
            return await _at(here)
        except NoSuchClusterError:
            if not name.isdecimal():  # a number may be the name of a cluster, too
                raise
    found: dict[str, Live] = {}
    problems: list[DaskCtlError] = []
    async for each in survey(chosen()):
        if isinstance(each, DaskCtlError):
            problems.append(each)
            continue
        other = found.setdefault(each.name, each)
        if other.key != each.key and each.name == name:
            raise InvalidSpecError(
                f"{name!r} is the name of a {other.type} and of a {each.type}",
                remedy=f"disable one of the discovery methods {other.discovery!r} and "
                f"{each.discovery!r}",
            )
    if name in found:
        await found[name].complete()
        return found[name]
    raise _none_called(name, found, problems)


def only() -> str:
    """The name of the one cluster of the command line: what others made is not meant unsaid."""
    names = records.names()
    if not names:
        raise NoSuchClusterError(
            "there is no cluster of the command line",
            remedy="name one of those that dask cluster list shows",
        )
    if len(names) > 1:
        raise InvalidSpecError("there are several clusters", remedy=f"name one: {_some(names)}")
    return names[0]


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN])


async def _at(address: str) -> Live:
    """The scheduler of an address, which has answered."""
    try:
        identity = await listening.identity(address, settings.discovery_timeout())
    except OSError as error:
        raise NoSuchClusterError(
            f"no scheduler answers at {address}: {reason(error)}", remedy="see: dask cluster list"
        ) from None
    return Seen(address, identity=identity)


def _none_called(
    name: str, found: Iterable[str], problems: list[DaskCtlError]
) -> NoSuchClusterError:
    known = sorted(found)
    hint = did_you_mean(name, known)
    there = f"there are: {_some(known)}" if known else "there are none"
    failed = "a discovery method failed, see: dask cluster list" if problems else None
    return NoSuchClusterError(
        f"there is no cluster {name!r}", remedy="; ".join(filter(None, (hint, there, failed)))
    )
