"""A cluster that a host owns, or did."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from dask_ctl import _platform
from dask_ctl.backends import address, batch, batch_systems, listening
from dask_ctl.backends.logs import Wanted
from dask_ctl.exceptions import BackendError, NoSuchClusterError
from dask_ctl.hosts import client, command, log
from dask_ctl.hosts import store as records
from dask_ctl.management.info import of_scheduler
from dask_ctl.management.live import CLIENT, POLL, Live, in_service
from dask_ctl.management.seen import Seen

if TYPE_CHECKING:
    import psutil

# Of the time, for an owner to close it in order; the rest is for its end by force.
_SHARE: Final = 0.75


class Owned(Live):
    """A cluster that was created from the command line, and has an owner.

    Parameters
    ----------
    record : Record
        Its record.
    host : Host
        Its owner.
    """

    record: records.Record

    def __init__(self, record: records.Record, host: records.Host) -> None:
        super().__init__(record.name, "recorded", record)
        self.host = host

    @property
    def type(self) -> str:
        """Its class by its full name."""
        return self.record.target

    @property
    def key(self) -> tuple[str | None, str]:
        """By what its service calls it, if that knows it too."""
        known = self.record.cluster_name
        return super().key if known is None else in_service(self.type, known)

    @property
    def cluster_class(self) -> Any:
        """What connects to its owner, too."""
        from dask_ctl.hosts.cluster import HostedCluster

        return HostedCluster

    async def _asked(self, timeout: float) -> dict[str, Any]:
        record, life = self.record, self.record.life
        if life != "dead" and record.status != "running":
            return {"status": record.status}
        if record.address is not None and not address.is_enough(record.address):
            if life == "dead":
                return self._remains()
            unknown = "unknown: its host cannot be reached from here"
            return {"status": "running" if life == "alive" else unknown}
        # One that is gone refuses at once, which distributed tries again and again.
        if not await asyncio.to_thread(self._listens, record.address):
            return self._remains() if life == "dead" else {"status": await self._silence()}
        identity = await self._identity(timeout)
        if life == "dead":
            return {**self._remains(), "status": "orphaned", **of_scheduler(identity)}
        return {"status": "running", **of_scheduler(identity)}

    def _listens(self, address: str | None) -> bool:
        """Whether it does, at an address of its own; the port may be somebody else's by now."""
        if address is None or not listening.listens(address):
            return False
        return self.record.life == "alive" or listening.is_trusted(address)

    def _remains(self) -> dict[str, Any]:
        """What its owner, which is gone, has left besides a scheduler: its command."""
        left = self.record.command if self.record.running else None
        return {"status": "orphaned" if left else "dead", "command": left}

    async def _answers(self) -> bool:
        """Whether anything listens where its owner does, on this machine."""
        host = f"tcp://127.0.0.1:{self.host.port}"
        return not self.host.elsewhere and await asyncio.to_thread(self._listens, host)

    async def _silence(self) -> str:
        """What it means that nothing listens at the address of the scheduler."""
        if await self._answers():
            return f"unreachable: nothing listens at {self.record.address}"
        return "unknown: neither its scheduler nor its host can be reached from here"

    async def _identity(self, timeout: float) -> dict[str, Any]:
        from dask_ctl.hosts.cluster import security_of

        assert self.record.address is not None  # noqa: S101 -- whoever calls this has looked
        security = await asyncio.to_thread(security_of, self.record)
        return await listening.identity(self.record.address, timeout, security)

    async def waiting_for(self, timeout: float) -> str | None:
        """What the batch system says of its jobs, which is one of the machine of its owner."""
        if self.host.elsewhere:
            return None
        with suppress(BackendError, NoSuchClusterError):
            record = records.read(self.name)  # a job may have been submitted just now
            if record.refused is not None:
                return record.refused
            if record.system is not None:
                system = batch_systems.SYSTEMS[record.system]
                return await asyncio.to_thread(batch.waiting, system, record.jobs, timeout)
        return None

    def hopeless(self) -> str | None:
        """A job was refused, and there is no other."""
        with suppress(BackendError, NoSuchClusterError):
            record = records.read(self.name)
            return None if record.jobs else record.refused
        return None

    def last_error(self) -> str | None:
        """Of its owner."""
        return log.last_error(self.record.log)

    def _require_life(self) -> None:
        """Raise `NoSuchClusterError` if its owner has ended without closing it."""
        if self.record.life == "dead":
            left = f"; these of its jobs may be queued: {', '.join(self.record.jobs)}"
            raise NoSuchClusterError(
                f"the host of cluster {self.name!r} has ended without closing it"
                f"{left if self.record.jobs else ''}; it logged last: "
                f"{log.last_words(self.record.log)}",
                remedy=f"to end what is left of it: dask cluster delete {self.name}",
            )

    def connect(self, *, asynchronous: bool) -> Any:
        """By its address, and by its owner for what that does."""
        from dask_ctl.hosts.cluster import HostedCluster

        if self.record.life != "dead":
            return HostedCluster(self.name, asynchronous=asynchronous)
        return self._orphan().connect(asynchronous=asynchronous)

    def require(self) -> None:
        """Its scheduler may go on without its owner."""
        self.record = records.read(self.name)
        if not self._listens(self.record.address):
            self._require_life()

    def _orphan(self) -> Seen:
        """Its scheduler, if that goes on without its owner."""
        self.require()
        return Seen(str(self.record.address), self.discovery)

    async def scale(self, n: int, deadline: float | None) -> None:
        """Have its owner do it."""
        await self._call("scale", deadline, n=n)

    async def adapt(self, options: Mapping[str, Any], deadline: float | None) -> None:
        """Have its owner do it."""
        await self._call("adapt", deadline, **options)

    async def _call(self, verb: str, deadline: float | None, **arguments: Any) -> None:
        self._require_life()
        await asyncio.to_thread(client.call, self.record, verb, deadline=deadline, **arguments)

    # -- its end ---------------------------------------------------------------------------------

    async def delete(self, deadline: float) -> None:
        """Have its owner close it; of one that has none any more, end what is left."""
        life = self.record.life
        if life == "alive" or (life == "unknown" and await self._answers()):
            process = self.record.owner
            heard = await self._close(deadline)
            patience = (time.monotonic() + deadline) / 2
            while records.exists(self.name) and self.record.life == life:
                closing = heard or self._is_closing()
                if not closing and time.monotonic() > patience:
                    _kill(process)  # it is stopped, or hangs: what is left is ended from here
                state = "is still closing" if closing else "has a host that does not answer"
                await self._patience(deadline, f"cluster {self.name!r} {state}")
            await _ended(process, deadline)
        if records.exists(self.name):
            self.record = records.read(self.name)
            await self._end_remains(deadline)

    async def _close(self, deadline: float) -> bool:
        """Have its owner close it, by a signal where it does not answer; whether it does."""
        within = max(1.0, deadline - time.monotonic())
        if self.host.port is None and not self.host.elsewhere:
            self._terminate()
            return False
        by = time.monotonic() + min(client.TIMEOUT, within / 2)
        try:
            times = {"deadline": by, "within": _SHARE * within}
            await asyncio.to_thread(client.call, self.record, "close", **times)
        except BackendError:
            if self.host.elsewhere or not records.exists(self.name):
                raise
            self._terminate()  # it does not answer, but it lives, here
            return False
        return True

    def _is_closing(self) -> bool:
        """Whether it is being closed, or would be as soon as it has started."""
        with suppress(BackendError, NoSuchClusterError):
            return records.read(self.name).status in ("closing", "starting")
        return False

    def _terminate(self) -> None:
        import psutil

        with suppress(psutil.Error):
            if (process := self.record.owner) is not None:
                process.terminate()

    async def _end_remains(self, deadline: float) -> None:
        record = self.record
        if record.life == "unknown":
            remedy = f"log in to {self.host.machine}, and delete it there"
            if not self.host.elsewhere:
                file = record.log.with_suffix(".json")
                remedy = f"see whether its process {self.host.pid} runs, and remove {file}"
            raise BackendError(
                f"whether the host of cluster {self.name!r} lives cannot be known here; it is of "
                f"{self.host.machine}",
                remedy=remedy,
            )
        if (pid := record.running) is not None:
            within = max(1.0, deadline - time.monotonic()) / 2
            await asyncio.to_thread(_platform.end_tree, pid, min(command.TIMEOUT, within))
        if record.address is not None and (await self.look()).status == "orphaned":
            from distributed import rpc

            async with rpc(record.address) as scheduler:
                with suppress(OSError):  # it ends before it has answered
                    await scheduler.terminate()
            while (await self.look()).status == "orphaned":
                await self._patience(deadline, f"the scheduler of {self.name!r} has not ended")
        if record.system is not None and record.jobs:
            await asyncio.to_thread(_end_jobs, record, deadline)
        records.remove(record.name)

    async def _patience(self, deadline: float, problem: str) -> None:
        if time.monotonic() > deadline:
            raise BackendError(
                problem, remedy=f"see {self.record.log}, and delete it again", origin=self.name
            )
        await asyncio.sleep(POLL)

    # -- what it says ----------------------------------------------------------------------------

    def logs(self, wanted: Wanted) -> Iterator[str]:
        """What its owner has logged."""
        return log.texts(self.record.log, wanted, self._has_ended)

    def _has_ended(self) -> bool:
        return not records.exists(self.name) or self.record.life == "dead"

    def snippet(self) -> str:
        """By its name."""
        if self.record.life != "dead":
            imports = "from dask_ctl import get_cluster"
            return CLIENT.format(imports=imports, call=f"get_cluster({self.name!r})")
        return self._orphan().snippet()


def _end_jobs(record: records.Record, deadline: float) -> None:
    system = batch_systems.SYSTEMS[record.system or ""]
    try:
        refused = batch.cancel(system, record.jobs, max(1.0, deadline - time.monotonic()))
    except BackendError as error:
        refused = dict.fromkeys(record.jobs, str(error))
    if refused:
        raise BackendError(
            f"these jobs of cluster {record.name!r} could not be cancelled: "
            f"{', '.join(refused)} ({next(iter(refused.values()))})",
            remedy="cancel them by hand, and delete it again",
        )
    batch.until_gone(system, record.jobs, max(1.0, deadline - time.monotonic()))


async def _ended(process: psutil.Process | None, deadline: float) -> None:
    """Wait until an owner, which has nothing left to do, is gone; help it at the deadline."""
    import psutil

    with suppress(psutil.NoSuchProcess):
        # In a container there may be nobody who collects a process that has ended.
        while process is not None and process.is_running() and process.status() != "zombie":
            if time.monotonic() > deadline:
                _kill(process)
                return
            await asyncio.sleep(POLL)


def _kill(process: psutil.Process | None) -> None:
    import psutil

    with suppress(psutil.NoSuchProcess):
        if process is not None:
            process.kill()
