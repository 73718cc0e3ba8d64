"""A live cluster: owned by a host, left to its service, or seen by its address.

They have one interface, and nobody asks which of them one is.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final, NoReturn

from dask_ctl._async import settled
from dask_ctl.backends.logs import Wanted
from dask_ctl.exceptions import BackendError, NoSuchClusterError, reason
from dask_ctl.hosts import store as records
from dask_ctl.management.info import ClusterInfo
from dask_ctl.spec import settings

POLL: Final = 0.1  # seconds
CLIENT: Final = """\
from dask.distributed import Client
{imports}

cluster = {call}
client = Client(cluster)
"""


def in_service(type_: str, name: str) -> tuple[str, str]:
    """The key of a cluster that its service knows: its class has many full names, one package."""
    return f"{type_.partition('.')[0]}.{type_.rpartition('.')[2]}", name


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
        # As far as it is known by now.
        self.address: str | None = record.address if record else None
        self._gone: NoSuchClusterError | None = None

    async def look(self) -> ClusterInfo:
        """See what there is to say of it; what cannot be asked says so in its status."""
        timeout = settings.discovery_timeout()
        try:
            async with asyncio.timeout(timeout):
                return self.info(**await self._asked(timeout))
        except TimeoutError:
            return self.unanswered()
        except NoSuchClusterError as error:  # it has a record, which nobody else may end
            self._gone = error
            return self.info(status=f"unknown: {error.problem.summary}")
        except Exception as error:  # noqa: BLE001 -- whatever a class raises
            return self.info(status=f"unreachable: {reason(error)}")

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Look at it more than once in the body: whoever connects for a look connects once."""
        yield

    async def look_closely(self) -> ClusterInfo:
        """The same, and what it waits for."""
        info = await self.look()
        record = self.record
        if record is None or ((info.workers or 0) >= len(record.jobs) and not record.refused):
            return info
        return replace(info, waiting=await self.waiting_for(settings.discovery_timeout()))

    async def waiting_for(self, timeout: float) -> str | None:
        """What workers that were asked for wait for; None if that is not known in time."""
        return None

    def require(self) -> None:
        """Raise `NoSuchClusterError` if it was found to be gone."""
        if self._gone is not None:
            raise self._gone

    def hopeless(self) -> str | None:
        """Why no more workers will come, if that is known."""
        return None

    def last_error(self) -> str | None:
        """The last error that was logged for it, if that is known."""
        return None

    def unanswered(self) -> ClusterInfo:
        """What there is to say of one that does not answer in time."""
        timeout = settings.discovery_timeout()
        return self.info(status=f"unreachable: no answer within {timeout:g} s")

    def info(self, **known: Any) -> ClusterInfo:
        """What is `known`, and what its record says."""
        record = self.record
        recorded = {
            "address": self.address,
            "type": record.target if record else self.type,
            "created": record and record.created,
            "adapt": record and record.adapt,
            "command": record and record.command,
        }
        info = ClusterInfo(name=self.name, discovery=self.discovery, **{**recorded, **known})
        self.address = info.address or self.address
        return info

    @property
    @abstractmethod
    def type(self) -> str | None:
        """Its class by its full name, if that is known."""

    @property
    def key(self) -> tuple[str | None, str]:
        """What is the same of two that are one cluster found twice."""
        return self.type, self.name

    def is_same(self, other: Live) -> bool:
        """Whether both are one cluster, found twice."""
        return self.key == other.key

    @property
    def full_name(self) -> str:
        """What to call it where others have its name."""
        return self.name

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

    async def confirm(self) -> None:
        """Raise `NoSuchClusterError` if its service answers that it does not have it."""
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
                await self.confirm()
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
    def logs(self, wanted: Wanted) -> Iterator[str]:
        """What is wanted of what its parts have logged, piece by piece."""

    @abstractmethod
    def snippet(self) -> str:
        """Python code that gives a client of it."""

    @property
    def called(self) -> str | None:
        """The class by which it is reached, in messages."""
        return self.type

    def cannot(self, verb: str, remedy: str) -> NoReturn:
        """Raise the error that something cannot be done to it."""
        raise BackendError(f"{self.called} cannot {verb} {self.name!r}", remedy=remedy)


def parts_of_log(parts: Iterable[tuple[str, str]]) -> Iterator[str]:
    """What the parts of a cluster have logged, each under its name."""
    last = None
    for part, text in parts:
        lines = [f"== {part}"] * (part != last) + str(text).rstrip().splitlines()
        yield "".join(f"{line}\n" for line in lines)
        last = part
