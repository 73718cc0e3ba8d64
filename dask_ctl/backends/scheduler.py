"""Schedulers that somebody else started, known by their address."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, ClassVar

from dask_ctl.backends import listening, servers
from dask_ctl.backends.base import Backend
from dask_ctl.backends.sighting import Sighting
from dask_ctl.exceptions import InvalidSpecError, Problem
from dask_ctl.spec import settings


class Scheduler(Backend):
    """`dask_ctl.proxy.ProxyCluster`."""

    classes = ("dask_ctl.proxy.ProxyCluster",)
    templates = ("proxy",)
    by_command = True
    service = "schedulers"
    by_address = True
    counted: ClassVar[Mapping[str, int]] = {"timeout": 0}

    def refusals(self, kwargs: Mapping[str, Any]) -> Iterator[Problem]:
        """What can be no address, no time, and no credentials."""
        from dask_ctl.proxy import as_security

        yield from servers.unreadable({k: v for k, v in kwargs.items() if k == "timeout"})
        address = kwargs.get("address")
        if isinstance(address, str) and not _is_address(address):
            told, remedy = f"{address!r} is no address of a scheduler", "write tcp://HOST:PORT"
            yield Problem(told, remedy, key="kwargs.address")
        try:
            as_security(kwargs.get("security"))
        except InvalidSpecError as error:
            yield error.problem

    def plan(self, args: list[Any], kwargs: Mapping[str, Any]) -> str:
        """Nothing: somebody else has."""
        return f"starts nothing, and connects to what is there\n{super().plan(args, kwargs)}"

    def remembered(self, cluster: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The files of its security, from the root; a key itself is left out."""
        paths = {
            name: os.path.abspath(value) if isinstance(value, str) and "${" not in value else value
            for name, value in (kwargs.get("security") or {}).items()
            if not (isinstance(value, str) and "\n" in value)
        }
        return {"security": paths} if paths else {}

    @classmethod
    def is_configured(cls) -> bool:
        """There is always this machine to look at."""
        return True

    @classmethod
    async def sightings(cls) -> AsyncIterator[Sighting]:
        """The schedulers on this machine, and those of ``ctl.discovery.schedulers``."""
        configured = settings.discovery_schedulers()
        for address in dict.fromkeys(configured):
            # It is asked later, so that one which never answers is found too.
            yield Sighting(name=address, address=address)
        # Done a little before the method's own time is up, so that one which hangs costs no other.
        async for identity in listening.discover(0.8 * settings.discovery_timeout()):
            address = identity["address"]
            if address not in configured:
                yield Sighting(name=address, address=address, known=identity)


def _is_address(text: str) -> bool:
    from distributed.comm.addressing import parse_address, parse_host_port
    from distributed.comm.registry import get_backend

    try:
        scheme, place = parse_address(text)
        get_backend(scheme)
        return scheme not in ("tcp", "tls") or parse_host_port(place)[1] > 0
    except ValueError:
        return False


ROOMS = (Scheduler,)
