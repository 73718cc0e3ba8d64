"""Schedulers that somebody else started, known by their address."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from typing import Any

from dask_ctl.backends import listening
from dask_ctl.backends.base import Backend
from dask_ctl.backends.sighting import Sighting
from dask_ctl.spec import settings


class Scheduler(Backend):
    """`dask_ctl.proxy.ProxyCluster`."""

    classes = ("dask_ctl.proxy.ProxyCluster",)
    templates = ("proxy",)
    by_command = True
    service = "schedulers"
    by_address = True

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


ROOMS = (Scheduler,)
