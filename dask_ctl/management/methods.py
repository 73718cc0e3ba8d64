"""The discovery methods of dask_ctl's own.

What has none in its package has one here: schedulers, the clusters of the command line, and the
services that keep a list. Each gives `Found` rather than a name and a class, as it knows more.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import dask.config

from dask_ctl.backends import listening as schedulers
from dask_ctl.exceptions import DaskCtlError
from dask_ctl.hosts import records
from dask_ctl.management.reach import Found, Reach
from dask_ctl.spec import settings


async def recorded() -> AsyncIterator[Found | DaskCtlError]:
    """The clusters that were created from the command line, and the records that cannot be read."""
    found, problems = records.everything()
    for record in found:
        yield of_record(record)
    for problem in problems:
        yield problem


async def listening() -> AsyncIterator[Found]:
    """The schedulers on this machine, and those of ``ctl.discovery.schedulers``."""
    configured = settings.discovery_schedulers()
    for address in dict.fromkeys(configured):
        yield at(address)  # it is asked later, so that one which never answers is found too
    # Done a little before the method's own time is up, so that one which hangs costs no other.
    async for identity in schedulers.discover(0.8 * settings.discovery_timeout()):
        if identity["address"] not in configured:
            yield at(identity["address"], identity)


async def gateway() -> AsyncIterator[Found]:
    """The user's clusters of the dask-gateway that is configured."""
    from dask_gateway import Gateway

    async with Gateway(asynchronous=True) as server:
        for report in await server.list_clusters():
            reach = Reach(
                module="dask_gateway",
                class_name="GatewayCluster",
                name=report.name,
                arguments={"address": server.address},
            )
            yield Found(name=report.name, discovery="gateway", reach=reach)


async def coiled() -> AsyncIterator[Found]:
    """The user's clusters on Coiled."""
    import coiled as package

    for cluster in await asyncio.to_thread(package.list_clusters, just_mine=True):
        state = (cluster.get("current_state") or {}).get("state")
        if state not in ("stopped", "error"):
            reach = Reach(module="coiled", class_name="Cluster", name=cluster["name"])
            yield Found(name=cluster["name"], discovery="coiled", reach=reach)


def applicable() -> dict[str, Callable[[], AsyncIterator[Found]]]:
    """The methods of this machine by their name: a service's only where it is configured."""
    return {name: function for name, (function, applies) in _METHODS.items() if applies()}


def at(address: str, identity: Mapping[str, Any] | None = None) -> Found:
    """The scheduler of an address."""
    reach = Reach(module="dask_ctl.proxy", class_name="ProxyCluster", name=address)
    return Found(name=address, discovery="schedulers", reach=reach, identity=identity)


def of_record(record: records.Record) -> Found:
    """The cluster of a record."""
    if record.host is not None:
        reach = Reach(module="dask_ctl.hosts.hosted", class_name="HostedCluster", name=record.name)
    else:
        module, _, class_name = record.target.rpartition(".")
        reach = Reach(
            module=module,
            class_name=class_name,
            name=record.cluster_name or record.name,
            arguments=record.arguments,
        )
    return Found(name=record.name, discovery="recorded", reach=reach, record=record)


def _always() -> bool:
    return True


def _installed_with(package: str, key: str) -> Callable[[], bool]:
    def applies() -> bool:
        # The key first: looking for a package costs more.
        configured = dask.config.get(key, default=None)
        return bool(configured) and importlib.util.find_spec(package) is not None

    return applies


_METHODS: Final[dict[str, tuple[Any, Callable[[], bool]]]] = {
    "recorded": (recorded, _always),
    "schedulers": (listening, _always),
    "gateway": (gateway, _installed_with("dask_gateway", "gateway.address")),
    "coiled": (coiled, _installed_with("coiled", "coiled.token")),
}
