"""A cluster that is left to its service, and found again by its name."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from typing import Any, Final, Literal

from dask_ctl import _async
from dask_ctl._async import in_daemon, settled
from dask_ctl.backends import Backend, Sighting, room_of
from dask_ctl.backends.logs import Wanted
from dask_ctl.creation.target import load_named
from dask_ctl.exceptions import (
    BackendError,
    DaskCtlError,
    DaskCtlWarning,
    NoSuchClusterError,
    Problem,
    explain,
    text_of,
)
from dask_ctl.hosts import store as records
from dask_ctl.management.info import of_scheduler, plausible
from dask_ctl.management.live import CLIENT, Live, in_service, parts_of_log, within
from dask_ctl.spec import settings
from dask_ctl.spec.located import Origin, Source, locate
from dask_ctl.spec.values import expand

_GRACE: Final = 1.0  # seconds, for a room that heeds the deadline to say what is left


async def _told_by(cluster: Any, room: Backend) -> dict[str, Any]:
    """What a cluster object says of its cluster: fields of a `ClusterInfo`."""
    told, scheduler = cluster.scheduler_info, getattr(cluster, "scheduler_comm", None)
    if scheduler is not None:  # what a cluster object keeps says nothing of load
        told = await scheduler.identity()
    address, dashboard = room.addresses(cluster)
    said = of_scheduler({**plausible(told), "dashboard": dashboard})
    return {"status": "running", **said, "address": address}


class _Watch:
    """A cluster object that is kept from one look to the next, in a loop of its own."""

    def __init__(self, attach: Callable[[], Awaitable[Any]], room: Backend) -> None:
        self.loop = _async.Loop()
        self._attach, self._room = attach, room
        self._cluster: Any = None

    async def look(self) -> dict[str, Any]:
        """What it says; if it fails, the next look connects anew."""
        if self._cluster is None:
            self._cluster = await self._attach()
        try:
            return await _told_by(self._cluster, self._room)
        except BaseException:  # cancelled by the time-out of a look, too
            await self.let_go()
            raise

    async def let_go(self) -> None:
        """Close the object, which leaves the cluster running."""
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            await settled(cluster.close())


class Left(Live):
    """A cluster that its class gives again by its name.

    Parameters
    ----------
    sighting : Sighting
        What its class calls it, what else connecting needs, and what is known already.
    target : str or class
        The class, or its full name.
    name, discovery, record
        As of `Live`.
    """

    def __init__(
        self,
        sighting: Sighting,
        target: Any,
        discovery: str,
        record: records.Record | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name or sighting.name, discovery, record)
        self.sighting, self._target = sighting, target
        self._by_name = False
        self._watch: _Watch | None = None

    @cached_property
    def room(self) -> Backend:
        """The room of its class, which is imported for that."""
        if not isinstance(self._target, str):
            return room_of(self._target)
        module, _, name = self._target.rpartition(".")
        return room_of(load_named(module, name, self.name, self.name))

    @property
    def type(self) -> str:
        """Its class by its full name."""
        if isinstance(self._target, str):
            return self._target
        return f"{self._target.__module__}.{self._target.__qualname__}"

    @property
    def cluster_class(self) -> Any:
        """Its class."""
        return self.room.target

    def learn(self, others: Iterable[Live]) -> None:
        """What its service said in a list of all that it has is enough to list it."""
        for other in others:
            if isinstance(other, Left) and "status" in other.sighting.known and self.is_same(other):
                self.sighting = replace(self.sighting, known=other.sighting.known)

    @property
    def key(self) -> tuple[str | None, str]:
        """By what its service calls it."""
        return in_service(self.type, self.sighting.name)

    def is_same(self, other: Live) -> bool:
        """Also by what both say of where it is."""
        if not isinstance(other, Left):
            return super().is_same(other)
        own, others = self.sighting.arguments, other.sighting.arguments
        return super().is_same(other) and all(own[k] == others[k] for k in own.keys() & others)

    @property
    def full_name(self) -> str:
        """With its place."""
        place = self.sighting.place
        return self.name if place is None else f"{place}/{self.name}"

    @property
    def _arguments(self) -> dict[str, Any]:
        written = locate(dict(self.sighting.arguments), Origin(Source.ARGUMENT, self.name))
        expanded: dict[str, Any] = expand(written, (), os.environ).plain()
        return expanded

    async def _asked(self, timeout: float) -> dict[str, Any]:
        # One that was asked for by its name is connected to: that tells more, and what is new.
        if "status" in self.sighting.known and not self._by_name:
            return dict(self.sighting.known)
        import distributed  # noqa: F401 -- before any thread, which would see half of it

        # In a thread and a loop of its own, as its class may block.
        if self._watch is not None:
            return await asyncio.wrap_future(self._watch.loop.start(self._watch.look()))
        return await asyncio.wrap_future(in_daemon(asyncio.run, self._looked_at_once()))

    async def _looked_at_once(self) -> dict[str, Any]:
        cluster = await self.attach()
        try:
            return await _told_by(cluster, self.room)
        finally:
            await settled(cluster.close())

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """By one cluster object: each that connects may leave a thread and a port behind."""
        self._watch = watch = _Watch(self.attach, self.room)
        try:
            yield
        finally:
            self._watch = None
            with suppress(Exception):  # it was only looked at
                ended = asyncio.wrap_future(watch.loop.start(watch.let_go()))
                await asyncio.wait_for(ended, settings.discovery_timeout())
            watch.loop.stop()

    async def waiting_for(self, timeout: float) -> str | None:
        """What its service says."""
        named = {**self._arguments, "name": self.sighting.name}
        try:
            asked = in_daemon(self.room.waits_for, named, timeout)
            return await asyncio.wait_for(asyncio.wrap_future(asked), timeout)
        except Exception:  # noqa: BLE001 -- whatever a class raises: it is not known
            return None

    async def confirm(self) -> None:
        """Ask its service, if that can tell."""
        self._by_name = True
        with self._explained("reach"):
            await self.room.confirm(self.sighting.name, self._arguments)

    def connect(self, *, asynchronous: bool) -> Any:
        """By its class."""
        with self._explained("reach"):
            if not asynchronous and not self._by_name:  # `attach` has asked
                _async.run(self.confirm())
            return self.room.connect(self.sighting.name, self._arguments, asynchronous=asynchronous)

    async def attach(self) -> Any:
        """Its class may raise anything."""
        with self._explained("reach"):
            return await super().attach()

    async def scale(self, n: int, deadline: float | None) -> None:
        """By a cluster object."""
        await self._resize("scale", deadline, lambda cluster: cluster.scale(n))

    async def adapt(self, options: Mapping[str, Any], deadline: float | None) -> None:
        """By a cluster object, if its service adapts it."""
        from distributed.deploy.cluster import Cluster

        if getattr(self.room.target, "adapt", None) is Cluster.adapt:
            raise BackendError(
                f"{self.type} adapts only as long as the process that asked it to",
                remedy="call get_cluster(...).adapt(...) in a script, or scale it",
            )
        await self._resize("adapt", deadline, lambda cluster: cluster.adapt(**options))

    async def _resize(
        self,
        verb: Literal["scale", "adapt"],
        deadline: float | None,
        call: Callable[[Any], Any],
    ) -> None:
        if not self.room.can(verb):
            self.cannot(verb, "it has the size that its spec gave it")
        async with within(deadline, f"cluster {self.name!r} does not {verb} in time"):
            cluster = await self.attach()
            try:
                with self._explained(verb):
                    await settled(call(cluster))
            finally:
                await settled(cluster.close())

    async def delete(self, deadline: float) -> None:
        """By its service."""
        try:
            with self._explained("delete"):
                async with within(deadline + _GRACE, f"cluster {self.name!r} has not ended"):
                    await self.confirm()
                    named = self.sighting.name, self._arguments
                    await asyncio.wrap_future(in_daemon(self.room.delete, *named, deadline))
        except NoSuchClusterError as error:
            if self.record is None:
                raise
            warnings.warn(str(error), DaskCtlWarning, stacklevel=2)
        if self.record is not None:
            records.remove(self.name)

    def logs(self, wanted: Wanted) -> Iterator[str]:
        """By its class."""
        with self._explained("give the logs of"):
            yield from parts_of_log(self.room.logs(self.sighting.name, self._arguments, wanted))

    def snippet(self) -> str:
        """By its class."""
        imports, call = self.room.snippet(self.sighting.name, self.sighting.arguments)
        return CLIENT.format(imports=imports, call=call)

    @contextmanager
    def _explained(self, verb: str) -> Iterator[None]:
        """Say of a backend's own error which cluster it was about."""
        try:
            yield
        except DaskCtlError:
            raise
        except Exception as error:
            explain(
                error,
                Problem(
                    f"{self.type} cannot {verb} {self.name!r}: {text_of(error)}",
                    "see whether it still runs, and that its service can be reached from here",
                ),
            )
            raise
