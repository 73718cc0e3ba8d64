"""What is done to clusters that run: connected to, scaled, deleted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from dask_ctl._async import run, settled
from dask_ctl.backends import jobqueue as jobs
from dask_ctl.exceptions import BackendError, DaskCtlError, NoSuchClusterError, reason
from dask_ctl.hosts import control, records
from dask_ctl.management.inventory import find, living, look
from dask_ctl.management.reach import Found
from dask_ctl.spec import settings

_POLL: Final = 0.1  # seconds
DELETE_TIMEOUT: Final = 180.0  # seconds


async def connect(name: str) -> Any:
    """A cluster object for a running loop.

    Raises
    ------
    NoSuchClusterError
        If there is none of that name.
    BackendError
        If it cannot be reached.
    """
    return await attached(await living(name))


async def attached(found: Found) -> Any:
    """A cluster object for a running loop, if the cluster answers in time.

    Raises
    ------
    BackendError
        If it cannot be reached.
    """
    timeout = 2 * settings.discovery_timeout()
    try:
        return await asyncio.wait_for(found.reach.attach(), timeout)
    except TimeoutError:
        raise BackendError(
            f"cluster {found.name!r} does not answer within {timeout:g} s",
            remedy="see whether it still runs",
        ) from None


def logs(name: str, *, follow: bool) -> Iterator[str]:
    """What a cluster has logged, piece by piece.

    Parameters
    ----------
    name : str
        The cluster.
    follow : bool
        Whether to go on until the cluster ends.

    Raises
    ------
    NoSuchClusterError
        If there is no such cluster.
    BackendError
        If it cannot be reached, or has no log that can be followed.
    """
    found = run(find(name))
    record = found.record
    if record is not None and record.host is not None:
        yield from _log_of_host(record, follow=follow)
        return
    if follow:
        raise BackendError(
            f"{found.reach.target} has no log that can be followed", remedy="leave out --follow"
        )
    cluster = found.reach.connect()
    try:
        for part, text in cluster.get_logs().items():
            yield f"== {part}\n{str(text).rstrip()}\n"
    finally:
        cluster.close()


def _log_of_host(record: records.Record, *, follow: bool) -> Iterator[str]:
    try:
        file = record.log.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise BackendError(
            f"cannot be read: {error.strerror}", remedy="see who owns it", origin=record.log
        ) from None
    with file:
        while True:
            ended = record.name not in records.names() or record.orphaned
            while text := file.read(2**16):
                yield text
            if ended or not follow:
                return
            time.sleep(_POLL)


async def scale(name: str, n: int) -> Found:
    """Have a cluster have `n` workers; it may take a while until they are there.

    Raises
    ------
    NoSuchClusterError
        If there is no such cluster.
    BackendError
        If it cannot be scaled, which is found out before anything is called.
    """
    return await _resize(name, "scale", lambda cluster: cluster.scale(n))


async def adapt(name: str, **kwargs: Any) -> Found:
    """Have a cluster have as many workers as its work needs.

    Raises
    ------
    NoSuchClusterError
        If there is no such cluster.
    BackendError
        If it cannot adapt, which is found out before anything is called.
    """
    return await _resize(name, "adapt", lambda cluster: cluster.adapt(**kwargs))


async def _resize(name: str, verb: str, call: Callable[[Any], Any]) -> Found:
    from distributed.deploy.cluster import Cluster

    found = await living(name)
    target = found.reach.load()
    # The attribute is how distributed's Cluster says that it has a fixed size.
    if not hasattr(target, verb) or not getattr(target, "_supports_scaling", True):
        raise BackendError(
            f"{found.reach.target} cannot {verb} {name!r}",
            remedy="ask whoever started its scheduler",
        )
    if verb == "adapt" and getattr(target, "adapt", None) is Cluster.adapt:
        raise BackendError(
            f"{found.reach.target} adapts only as long as the process that asked it to",
            remedy="call get_cluster(...).adapt(...) in a script, or scale it",
        )
    cluster = await attached(found)
    try:
        await settled(call(cluster))
    except DaskCtlError:
        raise
    except Exception as error:
        raise BackendError(
            f"{found.reach.target} cannot {verb} {name!r}: {reason(error)}",
            remedy="see its documentation",
        ) from error
    finally:
        await settled(cluster.close())
    return found


async def until_workers(
    found: Found, enough: Callable[[int], bool], deadline: float, told: Callable[[int], None]
) -> None:
    """Wait until a cluster has as many workers as were asked for.

    Parameters
    ----------
    found : Found
        The cluster.
    enough : callable
        Whether a number of workers will do.
    deadline : float
        When to give up, as of `time.monotonic`.
    told : callable
        Is told the number of workers when it has changed.

    Raises
    ------
    BackendError
        If it has not got them in time.
    """
    found = replace(found, identity=None)
    last = None
    while True:
        began = time.monotonic()
        info = await look(found)
        if info.workers is not None and info.workers != last:
            last = info.workers
            told(last)
        if info.workers is not None and enough(info.workers):
            return
        if time.monotonic() > deadline:
            raise BackendError(
                f"cluster {found.name!r} has {info.workers or 0} workers, not yet as many as "
                "were asked for",
                remedy=f"wait longer with --timeout, or see: dask cluster logs {found.name}",
            )
        # Where a look is costly, such as through a port forward, they are fewer.
        await asyncio.sleep(max(_POLL, time.monotonic() - began))


async def delete(name: str, timeout: float = DELETE_TIMEOUT) -> None:
    """End a cluster, and wait until nothing is left of it.

    Parameters
    ----------
    name : str
        The cluster.
    timeout : float
        How long to wait for its end, in seconds.

    Raises
    ------
    NoSuchClusterError
        If there is no such cluster.
    BackendError
        If it cannot be ended from here, or is not gone in time.
    """
    found = await find(name)
    record = found.record
    deadline = time.monotonic() + timeout
    if record is None:
        await asyncio.to_thread(found.reach.delete)
    elif record.host is None:
        if not found.reach.by_address:  # that one is only forgotten
            with suppress(NoSuchClusterError):  # somebody else has deleted it
                await asyncio.to_thread(found.reach.delete)
        records.remove(name)
    elif record.orphaned:
        await _end_orphan(found, record, deadline)
    else:
        await _end_host(record, record.host, deadline)


async def _end_host(record: records.Record, host: records.Host, deadline: float) -> None:
    if host.port is None and not host.elsewhere:
        host.terminate()
    else:
        patience = min(control.TIMEOUT, max(_POLL, deadline - time.monotonic()))
        await asyncio.to_thread(control.call, record, "close", timeout=patience)
    while record.name in records.names() and not record.orphaned:
        await _patience(deadline, f"cluster {record.name!r} is still closing", record)
    while not host.elsewhere and host.alive:
        await _patience(deadline, f"the host of {record.name!r} has not ended", record)
    await _until_out_of_queue(record, deadline)


async def _end_orphan(found: Found, record: records.Record, deadline: float) -> None:
    if (await look(found)).status == "orphaned":
        from distributed import rpc

        async with rpc(record.address) as scheduler:
            with suppress(OSError):  # it ends before it has answered
                await scheduler.terminate()
        while (await look(found)).status == "orphaned":
            await _patience(deadline, f"the scheduler of {record.name!r} has not ended", record)
    refused: dict[str, str | None] = {}
    for job_id, command in record.jobs.items():
        problem = await asyncio.to_thread(jobs.cancel, command)
        left = problem is not None and await asyncio.to_thread(jobs.queued, job_id, command)
        if left:
            refused[job_id] = problem
    if refused:
        first = next(iter(refused.values()))
        raise BackendError(
            f"these jobs of cluster {record.name!r} could not be cancelled: "
            f"{', '.join(refused)} ({first})",
            remedy="cancel them by hand, and delete it again",
        )
    await _until_out_of_queue(record, deadline)
    records.remove(record.name)


async def _until_out_of_queue(record: records.Record, deadline: float) -> None:
    for job_id, command in record.jobs.items():
        while await asyncio.to_thread(jobs.queued, job_id, command):
            await _patience(deadline, f"job {job_id} is still in its queue", record)


async def _patience(deadline: float, problem: str, record: records.Record) -> None:
    if time.monotonic() > deadline:
        raise BackendError(
            problem, remedy=f"see {record.log}, and delete it again", origin=record.name
        )
    await asyncio.sleep(_POLL)
