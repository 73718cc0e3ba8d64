"""The process that owns a cluster which was created from the command line.

``python -m dask_ctl.hosts.owner NAME`` reads a resolved spec from its standard input, says on its
standard output how far it is, and then belongs to nobody's terminal. A cluster that can be rebuilt
by its name needs no owner: it is left running, and the process ends.
"""

from __future__ import annotations

import asyncio
import hmac
import inspect
import json
import logging
import os
import pickle
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import dask.config

from dask_ctl.backends import jobqueue as jobs
from dask_ctl.backends.kubernetes import connected
from dask_ctl.backends.runners import is_runner
from dask_ctl.creation import call as factory
from dask_ctl.creation import closing
from dask_ctl.creation.target import load_from
from dask_ctl.exceptions import BackendError, DaskCtlError, InvalidSpecError, reason
from dask_ctl.hosts import records
from dask_ctl.hosts.control import MAX_LINE
from dask_ctl.management.reach import arguments_of, reachable, rebuildable
from dask_ctl.spec.located import Located, Origin, Source, locate, merge
from dask_ctl.spec.resolved import ResolvedSpec

logger = logging.getLogger("dask_ctl")

_LOOK_INTERVAL: Final = 2.0  # seconds
_LOOKS: Final = 2  # in vain, until a scheduler is taken for gone
_LINE_TIMEOUT: Final = 10.0  # seconds
_TLS_FIELDS: Final = ("tls_ca_file", "tls_client_cert", "tls_client_key")


def main() -> None:
    """Create the cluster that standard input describes, and own it until it is told to stop."""
    channel = os.dup(1)
    os.dup2(2, 1)  # what a backend prints belongs into the log
    tree: Located = pickle.load(sys.stdin.buffer)  # noqa: S301 -- from what started this
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    # As Ctrl-C of a script, which everything below knows how to end in order.
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logger.setLevel(logging.INFO)
    owner = _Owner(sys.argv[1], tree, channel)
    try:
        owner.run()
    except DaskCtlError as error:
        logger.error("nothing was created: %s", error)  # noqa: TRY400 -- a line for its reader
        owner.say(failed=str(error), exit_code=error.exit_code)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        owner.say(failed="stopped before it was there", exit_code=BackendError.exit_code)
        sys.exit(BackendError.exit_code)


class _Owner:
    """The owner of one cluster, and the ledger of its jobs."""

    def __init__(self, name: str, tree: Located, channel: int) -> None:
        self.tree = tree
        self.channel = channel
        resolved = ResolvedSpec.of(tree)
        self.record = records.Record(
            name=name,
            target=resolved.spec.target,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            spec=resolved.as_dict(),
            host=records.Host.here(),
        )

    def say(self, **event: Any) -> None:
        """Tell the command that started this, if it still listens."""
        with suppress(OSError):
            os.write(self.channel, json.dumps(event).encode() + b"\n")

    def run(self) -> None:
        """Create the cluster, and own it until it ends."""
        records.add(self.record)
        try:
            self.say(hosted=self.record.name)
            cluster = self._create()
        except BaseException:
            records.remove(self.record.name)
            raise
        left = False
        try:
            left = rebuildable(type(cluster)) and self._leave(cluster)
            if not left:
                asyncio.run(self._own(cluster))
        finally:
            if not left:
                for signalnum in (signal.SIGTERM, signal.SIGINT):
                    signal.signal(signalnum, signal.SIG_IGN)
                logger.info("closing cluster %s", self.record.name)
                closing.undo(cluster)
                records.remove(self.record.name)

    def _create(self) -> Any:
        tree = self.tree
        target = load_from(tree, os.environ)
        if is_runner(target):
            raise InvalidSpecError(
                "a Runner lives in the ranks of its job, and not without a script",
                remedy="start the script itself there: srun -n 4 python script.py",
                origin=tree.origin_of(("class",)),
                key="class",
            )
        tree = reachable(tree, target)
        if rebuildable(target) and "name" in inspect.signature(target).parameters:
            asked = Origin(Source.ARGUMENT, "--name")
            tree = merge(tree, locate({"kwargs": {"name": self.record.name}}, asked))
        cluster = factory.create(ResolvedSpec.of(tree), ledger=self)
        try:
            self._refuse(cluster, tree)
        except InvalidSpecError:
            cluster.close()
            raise
        return cluster

    def _refuse(self, cluster: Any, tree: Located) -> None:
        if connected(cluster):
            raise InvalidSpecError(
                f"there is a cluster {cluster.name!r} already",
                remedy="choose another --name",
                origin=tree.origin_of(("kwargs", "name")),
            )
        if str(cluster.scheduler_address).startswith("inproc:"):
            raise InvalidSpecError(
                "its scheduler would listen inside its own process only",
                remedy="write 'protocol: tcp' into its kwargs",
                origin=tree.origin_of(("kwargs",)),
            )

    # -- jobs ------------------------------------------------------------------------------

    def submitted(self, job_id: str, cancel: list[str]) -> None:
        """Write down a job."""
        self._note({**self.record.jobs, job_id: cancel})

    def cancelled(self, job_id: str) -> None:
        """Strike it out."""
        self._note({job: cancel for job, cancel in self.record.jobs.items() if job != job_id})

    def _note(self, jobs: dict[str, list[str]]) -> None:
        try:
            self._change(jobs=jobs)
        except BackendError as error:
            logger.warning("a job was not recorded: %s", error)  # the next one records it all

    def _change(self, **changes: Any) -> None:
        self.record = replace(self.record, **changes)
        records.update(self.record)

    # -- a cluster that its class gives again ------------------------------------------------

    def _leave(self, cluster: Any) -> bool:
        kwargs = self.tree.get("kwargs")
        self._change(
            status="running",
            host=None,
            cluster_name=cluster.name,
            arguments=arguments_of(cluster, kwargs),
        )
        cluster.shutdown_on_close = False
        cluster.close()
        self.say(running=self.record.name)
        return True

    # -- a cluster that needs an owner -------------------------------------------------------

    async def _own(self, cluster: Any) -> None:
        self.stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for signalnum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signalnum, self.stop.set)
        server = await asyncio.start_server(
            lambda reader, writer: self._serve(cluster, reader, writer),
            "127.0.0.1",
            0,
            limit=MAX_LINE,
        )
        host = self.record.host
        assert host is not None  # noqa: S101 -- it is this process
        port = server.sockets[0].getsockname()[1]
        address = str(cluster.scheduler_address)
        self._change(status="running", address=address, host=replace(host, port=port))
        self.say(running=self.record.name)
        os.close(self.channel)
        looking = asyncio.create_task(self._until_gone(cluster, address))
        await self.stop.wait()
        looking.cancel()
        server.close()

    async def _until_gone(self, cluster: Any, address: str) -> None:
        """End when the cluster has ended by itself, or somebody else has ended it."""
        failures = 0
        while failures < _LOOKS:
            await asyncio.sleep(_LOOK_INTERVAL)
            failures = 0 if await _answers(cluster, address) else failures + 1
        logger.warning("the scheduler of cluster %s has gone", self.record.name)
        # Closing the cluster calls it again, and again, for as long as this.
        dask.config.set({"distributed.comm.timeouts.connect": _LOOK_INTERVAL})
        self.stop.set()

    async def _serve(
        self, cluster: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            asked = json.loads(await asyncio.wait_for(reader.readline(), _LINE_TIMEOUT))
            verb, arguments = asked["verb"], asked["arguments"]
            knows = self._is_secret(asked["secret"])
        except (OSError, ValueError, LookupError, TypeError, asyncio.CancelledError):
            knows = False  # whatever a stranger sends, or does not before the end
        if not knows:
            answer = {"error": "this is not for you"}
        else:
            try:
                answer = {"result": await self._do(cluster, verb, arguments)}
            except DaskCtlError as error:
                answer = {"error": str(error)}
            except Exception as error:  # whatever a backend raises
                logger.exception("a call failed")
                answer = {"error": reason(error)}
        with suppress(OSError):
            writer.write(json.dumps(answer).encode() + b"\n")
            writer.close()

    def _is_secret(self, given: object) -> bool:
        host = self.record.host
        known = "" if host is None else host.secret
        return hmac.compare_digest(str(given).encode(), known.encode())

    async def _do(self, cluster: Any, verb: str, arguments: dict[str, Any]) -> Any:
        logger.info("told to %s %s", verb, arguments or "")
        # The attribute is how distributed's Cluster says that it has a fixed size.
        fixed = not getattr(cluster, "_supports_scaling", True)
        if verb in ("scale", "adapt") and (fixed or not hasattr(cluster, verb)):
            raise BackendError(
                f"{self.record.target} cannot {verb} {self.record.name!r}",
                remedy="it has the size that its spec gave it",
            )
        if verb == "scale":
            await asyncio.to_thread(cluster.scale, arguments["n"])
        elif verb == "adapt":
            await asyncio.to_thread(lambda: cluster.adapt(**jobs.adapting(cluster, arguments)))
        elif verb == "security":
            return _security(cluster)
        elif verb == "close":
            self.stop.set()
        else:
            raise ValueError(f"unknown verb {verb!r}")
        return None


async def _answers(cluster: Any, address: str) -> bool:
    """Whether the scheduler of a cluster is there, if only too busy to answer."""
    comm, loop = getattr(cluster, "scheduler_comm", None), getattr(cluster, "loop", None)
    if comm is None or loop is None:
        return True  # no class of distributed: its own business
    asked = asyncio.run_coroutine_threadsafe(
        comm.get_metadata(keys=["cluster-manager-info"], default=None), loop.asyncio_loop
    )
    try:
        await asyncio.wait_for(asyncio.wrap_future(asked), _LOOK_INTERVAL)
    except OSError:
        return await _listens(address)
    return True


async def _listens(address: str) -> bool:
    from distributed.comm import get_address_host_port

    host, port = get_address_host_port(address)
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
    found = {field: getattr(security, field, None) for field in _TLS_FIELDS}
    files = {
        field: value if "\n" in value else os.path.abspath(value)
        for field, value in found.items()
        if value
    }
    if getattr(security, "require_encryption", None):
        return {"require_encryption": True, **files}
    return files


if __name__ == "__main__":
    main()
