"""What the owner of a cluster does for whoever knows its secret, until the cluster ends."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import dask.config

from dask_ctl import _platform, _private
from dask_ctl.backends import Backend
from dask_ctl.backends.ending import status_of
from dask_ctl.creation.arguments import option_misfits
from dask_ctl.exceptions import BackendError, DaskCtlError, InvalidSpecError, reason
from dask_ctl.hosts import log
from dask_ctl.hosts import store as records
from dask_ctl.hosts.client import LOOPBACK, MAX_LINE
from dask_ctl.hosts.keeper import Keeper

if TYPE_CHECKING:
    import subprocess

logger = logging.getLogger("dask_ctl")

_LOOK_INTERVAL: Final = 2.0  # seconds
_LOOKS: Final = 2  # in vain, until a scheduler is taken for gone
_LINE_TIMEOUT: Final = 10.0  # seconds
_TLS_FIELDS: Final = ("tls_ca_file", "tls_client_cert", "tls_client_key")


class Service:
    """The calls of one cluster's owner.

    Parameters
    ----------
    keeper : Keeper
        Who keeps its record.
    cluster : object
        The live cluster.
    room : Backend
        Its room.
    command : subprocess.Popen, optional
        The command for whose time the cluster is there.
    """

    def __init__(
        self,
        keeper: Keeper,
        cluster: Any,
        room: Backend,
        command: subprocess.Popen[bytes] | None = None,
    ) -> None:
        self.keeper, self.cluster, self.room, self.command = keeper, cluster, room, command
        self.address = str(cluster.scheduler_address)
        self.stop = asyncio.Event()
        self.ended_by_itself = False

    async def serve(self) -> None:
        """Answer until told to stop, or until the cluster has gone."""
        loop = asyncio.get_running_loop()
        for signalnum in (*_platform.ending_signals(), signal.SIGINT):
            signal.signal(signalnum, lambda *_: loop.call_soon_threadsafe(self.stop.set))
        server = await self._listening()
        host = self.keeper.record.host
        assert host is not None  # noqa: S101 -- it is this process
        port = server.sockets[0].getsockname()[1]
        self.keeper.change(status="running", address=self.address, host=replace(host, port=port))
        records.drop_kept(self.keeper.record)
        self.keeper.say(running=self.keeper.record.name)
        os.close(self.keeper.channel)
        looking = [asyncio.create_task(self._until_gone())]
        if self.command is not None:
            looking.append(asyncio.create_task(self._until_ended(self.command)))
        await self.stop.wait()
        for each in looking:
            each.cancel()
        server.close()

    async def _listening(self) -> asyncio.Server:
        refused = []
        for address in LOOPBACK:
            try:
                return await asyncio.start_server(self._answer, address, 0, limit=MAX_LINE)
            except OSError as error:
                refused.append(error)
        raise refused[0]

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await self._asked(reader)
        try:
            if asked is None:
                answer = {"error": "this is not for you"}
            else:
                answer = {"result": await self._do(asked["verb"], asked["arguments"])}
        except DaskCtlError as error:
            answer = {"error": str(error)}
        except Exception as error:  # whatever a backend raises
            logger.exception("a call failed")
            answer = {"error": reason(error)}
        with suppress(OSError):
            writer.write(json.dumps(answer).encode() + b"\n")
            writer.close()

    async def _asked(self, reader: asyncio.StreamReader) -> dict[str, Any] | None:
        """What is asked for, if by somebody who knows the secret."""
        host = self.keeper.record.host
        known = "" if host is None else host.secret
        try:
            line = await asyncio.wait_for(reader.readline(), _LINE_TIMEOUT)
            asked = json.loads(line)
            given = str(asked["secret"]).encode()
            shaped = isinstance(asked["verb"], str) and isinstance(asked["arguments"], dict)
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return None  # whatever a stranger sends, or does not before the end
        return asked if hmac.compare_digest(given, known.encode()) and shaped else None

    async def _do(self, verb: str, arguments: dict[str, Any]) -> Any:
        if verb == "security":
            return _security(self.cluster)
        logger.info("told to %s %s", verb, arguments or "")
        if verb == "scale":
            return await self._scale(**arguments)
        if verb == "adapt":
            return await self._adapt(arguments)
        if verb == "close":
            self.keeper.stop_within = arguments.get("within") or self.keeper.stop_within
            return self.stop.set()
        raise BackendError(f"unknown verb {verb!r}", remedy="use the same version of dask-ctl")

    async def _scale(self, n: Any = None) -> None:
        self._refuse_fixed("scale")
        if type(n) is not int or n < 0:
            raise InvalidSpecError(
                f"{n!r} is no number of workers", remedy="give one that is not negative"
            )
        _private.stop_adapting(self.cluster)
        if self.keeper.record.adapt is not None:
            self.keeper.note(adapt=None)
        await self._anew(lambda: self.cluster.scale(n))

    async def _adapt(self, options: dict[str, Any]) -> None:
        self._refuse_fixed("adapt")
        for problem in option_misfits(self.room, "adapt", options):
            raise InvalidSpecError.of(problem)
        given = self.room.adapt_options(self.cluster, options)
        await self._anew(lambda: self.cluster.adapt(**given))
        self.keeper.note(adapt=options)

    async def _anew(self, change: Callable[[], object]) -> None:
        """Change the size of the cluster, whatever was refused before."""
        if self.keeper.record.refused is not None:
            self.keeper.note(refused=None)
            await asyncio.to_thread(self.room.before_scaling, self.cluster)
        await asyncio.to_thread(change)

    def _refuse_fixed(self, verb: str) -> None:
        if _private.has_fixed_size(self.cluster) or not hasattr(self.cluster, verb):
            record = self.keeper.record
            raise BackendError(
                f"{record.target} cannot {verb} {record.name!r}",
                remedy="it has the size that its spec gave it",
            )

    # -- a cluster that ends by itself -----------------------------------------------------------

    async def _until_ended(self, command: subprocess.Popen[bytes]) -> None:
        await asyncio.to_thread(command.wait)
        self.ended_by_itself = True
        self.stop.set()

    async def _until_gone(self) -> None:
        failures = 0
        while failures < _LOOKS and not self._has_ended():
            await asyncio.sleep(_LOOK_INTERVAL)
            log.shorten(self.keeper.record.log)
            self.keeper.restore()
            failures = 0 if await self._is_there() else failures + 1
        self.ended_by_itself = True
        limit = self.keeper.record.spec["spec"].get("idle_timeout")
        why = f" (its idle_timeout is {limit})" if limit else ""
        logger.warning("the scheduler of cluster %s has gone%s", self.keeper.record.name, why)
        # Closing the cluster calls it again, and again, for as long as this.
        dask.config.set({"distributed.comm.timeouts.connect": _LOOK_INTERVAL})
        self.stop.set()

    def _has_ended(self) -> bool:
        """Whether its scheduler is one of this process, and has ended, as an idle one does."""
        return status_of(getattr(self.cluster, "scheduler", None)) in ("closed", "failed")

    async def _is_there(self) -> bool:
        """Whether the scheduler is there, if only too busy to answer."""
        comm = getattr(self.cluster, "scheduler_comm", None)
        loop = getattr(self.cluster, "loop", None)
        if comm is None or loop is None:
            return True  # no class of distributed: its own business
        asked = asyncio.run_coroutine_threadsafe(
            comm.get_metadata(keys=["cluster-manager-info"], default=None), loop.asyncio_loop
        )
        try:
            await asyncio.wait_for(asyncio.wrap_future(asked), _LOOK_INTERVAL)
        except OSError:
            return await self._listens()
        return True

    async def _listens(self) -> bool:
        from distributed.comm import get_address_host_port

        host, port = get_address_host_port(self.address)
        try:
            async with asyncio.timeout(_LOOK_INTERVAL):
                _, writer = await asyncio.open_connection(host, port)
        except OSError as error:
            return isinstance(error, TimeoutError)
        writer.close()
        return True


def _security(cluster: Any) -> dict[str, Any]:
    """The keywords of a `distributed.Security` with which a client may come."""
    security = getattr(cluster, "security", None)
    found = {name: getattr(security, name, None) for name in _TLS_FIELDS}
    files = {
        name: value if "\n" in value else os.path.abspath(value)
        for name, value in found.items()
        if value
    }
    if getattr(security, "require_encryption", None):
        return {"require_encryption": True, **files}
    return files
