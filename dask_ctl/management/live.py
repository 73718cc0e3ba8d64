"""A live cluster: owned by a host, left to its service, or seen by its address.

They have one interface, and nobody asks which of them one is.
"""

from __future__ import annotations

import asyncio
import os
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import cached_property
from typing import Any, Final, Literal, NoReturn

from dask_ctl._async import in_daemon, settled
from dask_ctl.backends import Backend, Sighting, listening, room_of
from dask_ctl.creation.target import load_named
from dask_ctl.exceptions import (
    BackendError,
    DaskCtlError,
    NoSuchClusterError,
    Problem,
    explain,
    reason,
    text_of,
)
from dask_ctl.hosts import record as records
from dask_ctl.management.info import ClusterInfo, of_scheduler, started
from dask_ctl.spec import settings
from dask_ctl.spec.located import Origin, Source, locate
from dask_ctl.spec.values import expand

POLL: Final = 0.1  # seconds
_GRACE: Final = 1.0  # seconds, for a room that heeds the deadline to say what is left
_PROXY: Final = "dask_ctl.proxy.ProxyCluster"
_CLIENT: Final = """\
from dask.distributed import Client
{imports}

cluster = {call}
client = Client(cluster)
"""


@asynccontextmanager
async def within(deadline: float | None, problem: str) -> AsyncIterator[None]:
    """Raise `BackendError` where the body takes longer than a time of `time.monotonic`."""
    left = None if deadline is None else max(0.0, deadline - time.monotonic())
    limit = asyncio.timeout(left)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise BackendError(problem, remedy="give it more time, or see what holds it up") from None


class Live(ABC):
    """A cluster that runs, or did.

    Parameters
    ----------
    name : str
        What to call it.
    discovery : str
        The method that found it.
    record : Record, optional
        Its record, if it was created from the command line.
    """

    def __init__(self, name: str, discovery: str, record: records.Record | None = None) -> None:
        self.name, self.discovery, self.record = name, discovery, record

    async def look(self) -> ClusterInfo:
        """See what there is to say of it; what cannot be asked says so in its status."""
        timeout = settings.discovery_timeout()
        try:
            async with asyncio.timeout(timeout):
                return self.info(**await self._asked(timeout))
        except TimeoutError:
            return self.unanswered()
        except Exception as error:  # noqa: BLE001 -- whatever a class raises
            return self.info(status=f"unreachable: {reason(error)}")

    def unanswered(self) -> ClusterInfo:
        """What there is to say of one that does not answer in time."""
        timeout = settings.discovery_timeout()
        return self.info(status=f"unreachable: no answer within {timeout:g} s")

    def info(self, **known: Any) -> ClusterInfo:
        """What is `known`, and what its record says."""
        record = self.record
        recorded = {
            "address": record and record.address,
            "type": record.target if record else self.type,
            "created": record and record.created,
        }
        return ClusterInfo(name=self.name, discovery=self.discovery, **{**recorded, **known})

    @property
    @abstractmethod
    def type(self) -> str | None:
        """Its class by its full name, if that is known."""

    @property
    def key(self) -> tuple[str | None, str]:
        """What is the same of two that are one cluster found twice."""
        return self.type, self.name

    @property
    def cluster_class(self) -> Any:
        """The class that gives a cluster object by its ``from_name``, imported for that."""
        from dask_ctl.proxy import ProxyCluster

        return ProxyCluster

    @abstractmethod
    async def _asked(self, timeout: float) -> dict[str, Any]:
        """What is found out by asking it: fields of a `ClusterInfo`."""

    @abstractmethod
    def connect(self, *, asynchronous: bool) -> Any:
        """A cluster object, which leaves it running; inside a loop it is yet to be awaited."""

    async def complete(self) -> None:
        """Find out what connecting needs and a name does not say."""
        return

    async def attach(self) -> Any:
        """A cluster object for the running loop, if the cluster answers in time.

        Raises
        ------
        BackendError
            If it does not.
        """
        timeout = 2 * settings.discovery_timeout()
        try:
            async with asyncio.timeout(timeout):
                await self.complete()
                return await settled(self.connect(asynchronous=True))
        except TimeoutError:
            raise BackendError(
                f"cluster {self.name!r} does not answer within {timeout:g} s",
                remedy="see whether it still runs",
            ) from None

    @abstractmethod
    async def scale(self, n: int, deadline: float | None) -> None:
        """Have `n` workers, from now on; it takes a while until they are there."""

    @abstractmethod
    async def adapt(self, options: Mapping[str, Any], deadline: float | None) -> None:
        """Have as many workers as the work needs."""

    @abstractmethod
    async def delete(self, deadline: float) -> None:
        """End it, and wait until nothing is left of it."""

    @abstractmethod
    def logs(self, *, follow: bool) -> Iterator[str]:
        """What it has logged, piece by piece."""

    @abstractmethod
    def snippet(self) -> str:
        """Python code that gives a client of it."""

    def cannot(self, verb: str, remedy: str) -> NoReturn:
        """Raise the error that something cannot be done to it."""
        raise BackendError(f"{self.type} cannot {verb} {self.name!r}", remedy=remedy)


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
        self._completed: dict[str, Any] | None = None

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

    @property
    def key(self) -> tuple[str | None, str]:
        """Classes have more than one full name."""
        return self.type.rpartition(".")[2], self.sighting.name

    @property
    def _arguments(self) -> dict[str, Any]:
        given = dict(self.sighting.arguments if self._completed is None else self._completed)
        written = locate(given, Origin(Source.ARGUMENT, self.name))
        expanded: dict[str, Any] = expand(written, (), os.environ).plain()
        return expanded

    async def _asked(self, timeout: float) -> dict[str, Any]:
        if "status" in self.sighting.known:
            return dict(self.sighting.known)
        import distributed  # noqa: F401 -- before any thread, which would see half of it

        # In a thread and a loop of its own, as its class may block.
        return await asyncio.wrap_future(in_daemon(asyncio.run, self._told()))

    async def _told(self) -> dict[str, Any]:
        cluster = await self.attach()
        try:
            told = dict(cluster.scheduler_info)
            dashboard = getattr(cluster, "dashboard_link", None)
            return {
                "status": "running",
                **of_scheduler({**told, "dashboard": dashboard}),
                "address": cluster.scheduler_address,
            }
        finally:
            await settled(cluster.close())

    async def complete(self) -> None:
        """Ask its service, if that is needed."""
        given = dict(self.sighting.arguments)
        self._completed = await self.room.completed(self.sighting.name, given)

    def connect(self, *, asynchronous: bool) -> Any:
        """By its class."""
        with self._explained("reach"):
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
        await self.complete()
        try:
            with self._explained("delete"):
                ending = in_daemon(self.room.delete, self.sighting.name, self._arguments, deadline)
                async with within(deadline + _GRACE, f"cluster {self.name!r} has not ended"):
                    await asyncio.wrap_future(ending)
        except NoSuchClusterError:
            if self.record is None:  # otherwise somebody else has deleted it
                raise
        if self.record is not None:
            records.remove(self.name)

    def logs(self, *, follow: bool) -> Iterator[str]:
        """By its class."""
        if follow:
            raise BackendError(
                f"{self.type} has no log that can be followed", remedy="leave out --follow"
            )
        with self._explained("give the logs of"):
            for part, text in self.room.logs(self.sighting.name, self._arguments):
                yield f"== {part}\n{str(text).rstrip()}\n"

    def snippet(self) -> str:
        """By its class."""
        given = self.sighting.arguments if self._completed is None else self._completed
        imports, call = self.room.snippet(self.sighting.name, given)
        return _CLIENT.format(imports=imports, call=call)

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


class Seen(Live):
    """A scheduler, of which nothing but its address is known.

    Parameters
    ----------
    address : str
        Where it listens.
    identity : mapping, optional
        What it has said of itself already.
    security : mapping, optional
        The keywords of a `distributed.Security`.
    name, discovery, record
        As of `Live`; its name is its address otherwise.
    """

    def __init__(
        self,
        address: str,
        discovery: str = "schedulers",
        *,
        identity: Mapping[str, Any] | None = None,
        security: Mapping[str, Any] | None = None,
        record: records.Record | None = None,
    ) -> None:
        super().__init__(record.name if record else address, discovery, record)
        self.address, self.identity = address, identity
        self.security = dict(security or {})

    @property
    def type(self) -> str | None:
        """That of whoever started it, if its scheduler says."""
        return ((self.identity or {}).get("manager") or {}).get("type")

    @property
    def key(self) -> tuple[str | None, str]:
        """A scheduler has more than one address: tcp://localhost:8786, tcp://127.0.0.1:8786."""
        return None, str((self.identity or {}).get("id") or self.address)

    async def _asked(self, timeout: float) -> dict[str, Any]:
        if not self.identity:
            self.identity = await listening.identity(self.address, timeout, self.security)
        created = {} if self.record else {"created": started(self.identity), "type": self.type}
        return {"status": "running", **of_scheduler(self.identity), **created}

    def info(self, **known: Any) -> ClusterInfo:
        """Its address is known in any case."""
        return super().info(**{"address": self.address, **known})

    def connect(self, *, asynchronous: bool) -> Any:
        """By its address."""
        from dask_ctl.proxy import ProxyCluster

        security = self.security or None
        return ProxyCluster(self.address, asynchronous=asynchronous, security=security)

    async def scale(self, n: int, deadline: float | None) -> None:
        """Refuse: its workers are not ours."""
        self._refuse("scale")

    async def adapt(self, options: Mapping[str, Any], deadline: float | None) -> None:
        """Refuse: its workers are not ours."""
        self._refuse("adapt")

    def _refuse(self, verb: str) -> NoReturn:
        raise BackendError(
            f"{_PROXY} cannot {verb} {self.name!r}", remedy="ask whoever started its scheduler"
        )

    async def delete(self, deadline: float) -> None:
        """Refuse, or only forget what was recorded: it is not ours to end."""
        if self.record is not None:
            records.remove(self.record.name)
            return
        raise BackendError(
            f"the scheduler at {self.address} was started by somebody else",
            remedy="end the process that started it",
        )

    def logs(self, *, follow: bool) -> Iterator[str]:
        """What its scheduler and its workers remember of their logs."""
        if follow:
            raise BackendError(
                f"{_PROXY} has no log that can be followed", remedy="leave out --follow"
            )
        with self.connect(asynchronous=False) as cluster:
            for part, text in cluster.get_logs().items():
                yield f"== {part}\n{str(text).rstrip()}\n"

    def snippet(self) -> str:
        """By its address."""
        given = f", security={self.security!r}" if self.security else ""
        return _CLIENT.format(
            imports="from dask_ctl.proxy import ProxyCluster",
            call=f"ProxyCluster.from_name({self.address!r}{given})",
        )


def client_of(name: str) -> str:
    """Python code that gives a client of a cluster that has an owner."""
    imports = "from dask_ctl import get_cluster"
    return _CLIENT.format(imports=imports, call=f"get_cluster({name!r})")
