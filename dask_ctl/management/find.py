"""Which clusters there are, and which of them is meant."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from dask_ctl import _earlier
from dask_ctl.backends import listening
from dask_ctl.exceptions import (
    DaskCtlError,
    DiscoveryError,
    NoSuchClusterError,
    reason,
)
from dask_ctl.hosts import store as records
from dask_ctl.management.discovery import chosen, of_record, survey
from dask_ctl.management.info import ClusterInfo
from dask_ctl.management.left import Left
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
    left: list[Left] = []  # with a record; their services may tell what else is to be asked for
    listed: list[Live] = []
    problems: list[DaskCtlError] = []
    async for found in survey(chosen(method)):
        if isinstance(found, DaskCtlError):
            problems.append(found)
        elif isinstance(found, Left) and found.record is not None:
            left.append(found)
        else:
            listed.append(found)
            looks.append(asyncio.create_task(looked(found)))
    for each in left:
        each.learn(listed)
    looks.extend(asyncio.create_task(looked(each)) for each in left)
    infos = dict(await asyncio.gather(*looks))
    once = _once(list(infos))
    names = Counter(live.name for live in once)
    rows = [
        replace(infos[live], name=live.full_name) if names[live.name] > 1 else infos[live]
        for live in once
    ]
    return sorted(rows, key=lambda info: (info.discovery, info.name)), problems


def _once(found: list[Live]) -> list[Live]:
    """Each cluster once: what has a record goes before what another method finds of it."""
    addresses = {live.address for live in found if live.record is not None} - {None}
    once: dict[tuple[str | None, str], list[Live]] = defaultdict(list)
    # As they were found: schedulers that are configured come before what looking around finds.
    for live in sorted(found, key=lambda live: live.record is None):
        alike = once[live.key]
        known = live.address in addresses or any(map(live.is_same, alike))
        if live.record is not None or not known:
            alike.append(live)
    return [live for alike in once.values() for live in alike]


async def find(name: str) -> Live:
    """The cluster of a name: one of the command line, an address, or what a method finds.

    ``localhost:8786``, ``8786`` and ``proxycluster-8786`` are the scheduler at that port here.

    Raises
    ------
    NoSuchClusterError
        If there is none.
    DiscoveryError
        If none was found, but not all could be asked for.
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
    found: list[Live] = []
    problems: list[DaskCtlError] = []
    async for each in survey(chosen()):
        if isinstance(each, DaskCtlError):
            problems.append(each)
        else:
            found.append(each)
    found = _once(found)
    meant = [each for each in found if name in (each.name, each.full_name)]
    if not meant:
        raise _none_called(name, {each.name for each in found}, problems)
    live = _one_of(meant, name)
    if live.record is None:
        await live.confirm()
    return live


def _one_of(meant: list[Live], name: str) -> Live:
    first, *others = meant
    if not others:
        return first
    other = next((each for each in others if each.discovery != first.discovery), None)
    if other is None:
        raise NoSuchClusterError(
            f"{name!r} is the name of more than one cluster",
            remedy=f"say which: {', '.join(sorted(each.full_name for each in meant))}",
        )
    raise NoSuchClusterError(
        f"{name!r} is the name of a {first.type} and of a {other.type}",
        remedy=f"disable one of the discovery methods {first.discovery!r} and {other.discovery!r}",
    )


def only() -> str:
    """The name of the one cluster of the command line: what others made is not meant unsaid."""
    names = records.names()
    if not names:
        raise NoSuchClusterError(
            "there is no cluster of the command line",
            remedy="name one of those that dask cluster list shows",
        )
    if len(names) > 1:
        raise NoSuchClusterError("there are several clusters", remedy=f"name one: {_some(names)}")
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


def _none_called(name: str, found: Iterable[str], problems: list[DaskCtlError]) -> DaskCtlError:
    failed = next((each for each in problems if isinstance(each, DiscoveryError)), None)
    if failed is not None:  # it may be one of those that could not be asked for
        told = f"no cluster {name!r} was found, but not all could be asked for"
        return DiscoveryError(f"{told}: {failed.problem.summary}", remedy=failed.problem.remedy)
    if records.kept_log(name) is not None:
        return records.none_called(name)
    known = sorted(found)
    there = f"there are: {_some(known)}" if known else "there are none"
    remedy = "; ".join(filter(None, (did_you_mean(name, known), there)))
    return NoSuchClusterError(f"there is no cluster {name!r}", remedy=remedy)
