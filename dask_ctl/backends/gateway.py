"""Clusters of a dask-gateway server."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import urlsplit

import dask.config

from dask_ctl.backends import plans
from dask_ctl.backends.address import TLS
from dask_ctl.backends.base import Backend
from dask_ctl.backends.logs import Wanted
from dask_ctl.backends.sighting import Sighting
from dask_ctl.exceptions import (
    BackendError,
    DaskCtlError,
    DiscoveryError,
    NoSuchClusterError,
    Problem,
    reason,
)
from dask_ctl.spec import settings
from dask_ctl.spec.checks import did_you_mean, kind, suggested
from dask_ctl.spec.secrets import written

_ALIVE: Final = ("pending", "running", "stopping")
_AUTH: Final = ("basic", "jupyterhub", "kerberos")  # another is the full name of a class
_POLL: Final = 0.2  # seconds
_ASK: Final = 2.0
# The variable of dask's configuration by which a scheduler ends itself when it is idle.
_IDLE_TIMEOUT: Final = "DASK_DISTRIBUTED__SCHEDULER__IDLE_TIMEOUT"


class Gateway(Backend):
    """dask-gateway's ``GatewayCluster``, which the server starts and stops."""

    classes = ("dask_gateway.client.GatewayCluster",)
    public_name = "dask_gateway.GatewayCluster"
    packages = {"dask_gateway": "dask-gateway"}
    templates = ("gateway",)
    by_command = True
    place = "address"
    service = "gateway"
    starts_empty = True
    variables_remedy = "if the gateway has the option, add 'environment: {}' to kwargs"

    def section(
        self, classes: Iterable[str], kwargs: Mapping[str, Any]
    ) -> tuple[str, Mapping[str, str]]:
        """Its namespace."""
        return "gateway", {}

    def refusals(self, kwargs: Mapping[str, Any]) -> Iterator[Problem]:
        """No address, one that is none of a server, and credentials of no known kind."""
        address = kwargs.get("address")
        if address is None and dask.config.get("gateway.address", None) is None:
            remedy = "write 'address: https://...', or configure gateway.address"
            yield Problem("no address of a gateway is given", remedy, key="kwargs")
        if isinstance(address, str) and urlsplit(address).scheme not in ("http", "https"):
            remedy = f"write https://{address}, or http://"
            yield Problem(f"{address!r} is no URL", remedy, key="kwargs.address")
        auth = kwargs.get("auth")
        if isinstance(auth, str) and auth not in _AUTH and "." not in auth:
            remedy = suggested(auth, _AUTH)
            yield Problem(f"there is no {auth!r} among the kinds", remedy, key="kwargs.auth")
        options = kwargs.get("cluster_options")
        if options is not None and not isinstance(options, Mapping):
            told = f"must be a mapping, not {kind(options)}"
            yield Problem(told, "change the value", key="kwargs.cluster_options")

    def doubts(self, kwargs: Mapping[str, Any]) -> list[Problem]:
        """Options that the server, which is asked, does not have."""
        address = kwargs.get("address") or dask.config.get("gateway.address", None)
        own = {*inspect.signature(self.target).parameters, "cluster_options"}
        if not isinstance(address, str) or not (
            given := [name for name in kwargs if name not in own]
        ):
            return []
        try:
            known = asyncio.run(_options(address, kwargs))
        except Exception:  # noqa: BLE001 -- it cannot be asked, so only the call will tell
            return []
        return [
            Problem(
                f"the gateway at {address} has no such option",
                did_you_mean(name, known) or f"it has: {', '.join(known)}",
                key=f"kwargs.{name}",
                severity="warning",
            )
            for name in given
            if name not in known
        ]

    def logs(
        self, name: str, arguments: Mapping[str, Any], wanted: Wanted
    ) -> Iterator[tuple[str, str]]:
        """It gives none, wherever it keeps them."""
        raise BackendError(
            f"dask-gateway gives no logs, and keeps those of {name!r} on its own side",
            remedy=f"see its dashboard, or ask who runs {arguments.get('address', 'it')}",
        )

    def plan(self, args: list[Any], kwargs: Mapping[str, Any]) -> str:
        """The server, and the options that it would get; what it has by itself it alone knows."""
        own = {*inspect.signature(self.target).parameters, "cluster_options"}
        address = (args or [kwargs.get("address")])[0] or dask.config.get("gateway.address", None)
        options = {
            **dask.config.get("gateway.cluster.options", {}),
            **dict(kwargs.get("cluster_options") or {}),
            **{name: value for name, value in kwargs.items() if name not in own},
        }
        return plans.listed({"gateway": address, "options": options})

    def with_variables(
        self, kwargs: Mapping[str, Any], variables: Mapping[str, str]
    ) -> dict[str, Any] | None:
        """By the option that gateways call ``environment``, if they have it: the spec says so."""
        if not isinstance(given := kwargs.get("environment"), Mapping):
            return None
        return {**kwargs, "environment": {**variables, **given}}

    def when_idle(self, kwargs: Mapping[str, Any], seconds: float) -> dict[str, Any] | None:
        """By that option too: for the rest it is the server that decides."""
        return self.with_variables(kwargs, {_IDLE_TIMEOUT: f"{seconds:g} seconds"})

    def environment(self, cluster: Any, write: Callable[[str, str], str]) -> dict[str, str]:
        """Its address is one that only dask-gateway's own protocol reaches, by its credentials."""
        cert = write("cert.pem", cluster.security.tls_cert)
        key = write("key.pem", cluster.security.tls_key)
        return {
            "DASK_SCHEDULER_ADDRESS": str(cluster.scheduler_address),
            "DASK_DISTRIBUTED__CLIENT__PRELOAD": "['dask_gateway']",
            **dict(zip(TLS.values(), (cert, cert, key), strict=True)),
        }

    def remembered(self, cluster: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Which server, and how to identify there."""
        given = written(kwargs, ("proxy_address", "public_address", "auth"))
        return {"address": cluster.gateway.address, **given}

    async def confirm(self, name: str, arguments: Mapping[str, Any]) -> None:
        """A server that was restarted may have lost its database, and what it had may run on."""
        from dask_gateway import Gateway as Server

        async with Server(asynchronous=True, **arguments) as server:
            try:
                await server.get_cluster(name)
            except ValueError:
                raise NoSuchClusterError(
                    f"the gateway at {server.address} knows no cluster {name!r}, which has ended "
                    "or was forgotten in a restart",
                    remedy="if it may run on, ask who runs the gateway to end it",
                ) from None

    def delete(self, name: str, arguments: Mapping[str, Any], deadline: float) -> None:
        """Have the server stop it."""
        asyncio.run(_stopped(name, arguments, deadline))

    @classmethod
    def is_configured(cls) -> bool:
        """Whether dask's configuration names a server."""
        return bool(_addresses()) and find_spec("dask_gateway") is not None

    @classmethod
    async def sightings(cls) -> AsyncIterator[Sighting | DaskCtlError]:
        """The user's clusters of every gateway, which are asked side by side."""
        for asked in asyncio.as_completed([_found(address) for address in _addresses()]):
            for found in await asked:
                yield found


def _addresses() -> list[str]:
    configured = [dask.config.get("gateway.address", default=None), *settings.discovery_gateways()]
    return list(dict.fromkeys(str(each).rstrip("/") for each in configured if each))


async def _found(address: str) -> list[Sighting | DaskCtlError]:
    from dask_gateway import Gateway as Server

    try:
        async with (
            asyncio.timeout(0.9 * settings.discovery_timeout()),
            Server(address, asynchronous=True) as server,
        ):
            reports = await server.list_clusters()
    except Exception as error:  # noqa: BLE001 -- whatever it is: others are asked too
        why = "no answer" if isinstance(error, TimeoutError) else reason(error)
        remedy = "see whether it runs, and ctl.discovery.gateways and gateway.address"
        return [DiscoveryError(f"gateway {address} cannot be asked: {why}", remedy=remedy)]
    return [
        Sighting(name=each.name, place=address, arguments={"address": address}) for each in reports
    ]


async def _options(address: str, given: Mapping[str, Any]) -> Iterable[str]:
    from dask_gateway import Gateway as Server

    own = ("proxy_address", "public_address", "auth")
    async with (
        asyncio.timeout(_ASK),
        Server(address, asynchronous=True, **{k: given[k] for k in own if k in given}) as server,
    ):
        return list(await server.cluster_options())


async def _stopped(name: str, arguments: Mapping[str, Any], deadline: float) -> None:
    from dask_gateway import Gateway as Server

    async with Server(asynchronous=True, **arguments) as server:
        await server.stop_cluster(name)
        while name in [each.name for each in await server.list_clusters(status=_ALIVE)]:
            if time.monotonic() > deadline:
                raise BackendError(
                    f"cluster {name!r} has not stopped", remedy="ask who runs the gateway"
                )
            await asyncio.sleep(_POLL)


ROOMS = (Gateway,)
