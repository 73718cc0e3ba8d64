"""What is done to clusters that run: connected to, scaled, waited for, described, deleted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Final

from dask_ctl import _async
from dask_ctl.backends.logs import Wanted
from dask_ctl.creation.arguments import impossible
from dask_ctl.creation.waiting import FIRST_NOTE, NOTE_INTERVAL
from dask_ctl.exceptions import (
    BackendError,
    DiscoveryError,
    InvalidSpecError,
    NoSuchClusterError,
    Problem,
    plural,
)
from dask_ctl.hosts import log
from dask_ctl.hosts import store as records
from dask_ctl.management.find import find
from dask_ctl.management.info import ClusterInfo, load_of, workers_of
from dask_ctl.management.live import POLL, Live

DELETE_TIMEOUT: Final = 180.0  # seconds
_ASK: Final = 2.0  # seconds, for what a wait is for, which holds it up
_LATE: Final = 10.0  # seconds, to end what is left when the time is over


def connect(name: str) -> Any:
    """A cluster object for code that has no loop of its own."""
    live = _async.run(find(name))
    return live.connect(asynchronous=False)


async def attach(name: str) -> Any:
    """A cluster object for the running loop."""
    return await (await find(name)).attach()


async def scale(name: str, n: int, timeout: float | None = None) -> None:
    """Have a cluster have `n` workers; it may take a while until they are there."""
    for problem in impossible("scale", {"n_workers": n}):
        raise InvalidSpecError.of(problem)
    deadline = _deadline(timeout)
    await (await find(name)).scale(n, deadline)


async def adapt(name: str, options: Mapping[str, Any], timeout: float | None = None) -> None:
    """Have a cluster have as many workers as its work needs."""
    for problem in impossible("adapt", options):
        raise InvalidSpecError.of(problem)
    deadline = _deadline(timeout)
    await (await find(name)).adapt(options, deadline)


async def stop_adapting(name: str, timeout: float | None = None) -> int:
    """Have a cluster keep the workers that it has; return how many."""
    deadline = _deadline(timeout)
    live = await find(name)
    info = await live.look()
    if info.workers is None:
        await asyncio.to_thread(live.require)
        raise BackendError(
            f"how many workers cluster {name!r} has is not known; it is {info.status}",
            remedy=f"say how many: dask cluster scale {name} N",
        )
    await live.scale(info.workers, deadline)
    return info.workers


async def delete(name: str, timeout: float = DELETE_TIMEOUT) -> None:
    """End a cluster, and wait until nothing is left of it; `timeout` is in seconds."""
    deadline = time.monotonic() + timeout
    await (await find(name)).delete(deadline)


async def forget(name: str, deadline: float | None) -> None:
    """End what the creation of a cluster has left, whose process has ended."""
    if records.exists(name):
        late = time.monotonic() + _LATE
        await (await find(name)).delete(max(late, deadline or late + DELETE_TIMEOUT))


async def snippet(name: str) -> str:
    """Python code that gives a client of a cluster."""
    return (await find(name)).snippet()


async def wait(
    name: str,
    n: int,
    *,
    exactly: bool = False,
    timeout: float | None = None,
    deadline: float | None = None,
    told: Callable[[int], None] | None = None,
    noted: Callable[[str], None] | None = None,
) -> None:
    """Wait until a cluster has as many workers as were asked for.

    Parameters
    ----------
    name : str
        The cluster.
    n : int
        How many are enough.
    exactly : bool
        Whether more are not right, either.
    timeout : float, optional
        How long to wait, in seconds.
    deadline : float, optional
        The same as a time of `time.monotonic`.
    told : callable, optional
        Called with the number of workers, when it changes.
    noted : callable, optional
        Called with what they wait for, if that is known: after a while, then every minute.

    Raises
    ------
    NoSuchClusterError
        If the cluster is gone.
    BackendError
        If they have not come by then.
    """
    deadline = _deadline(timeout) if deadline is None else deadline
    live = await find(name)
    last, due = None, time.monotonic() + FIRST_NOTE
    async with live.watched():
        while True:
            began = time.monotonic()
            info = await live.look()
            if info.workers is not None and info.workers != last and told is not None:
                told(info.workers)
            last = info.workers
            if last is not None and (last == n if exactly else last >= n):
                return
            if last is None:
                await asyncio.to_thread(live.require)
            if why := live.hopeless():
                has = plural(last or 0, "worker")
                raise BackendError(
                    f"cluster {name!r} has {has}, and no more will come: {why}",
                    remedy="mend its spec, and create it anew",
                )
            if deadline is not None and time.monotonic() > deadline:
                raise await _too_few(name, live, info)
            if noted is not None and time.monotonic() > due:
                due = time.monotonic() + NOTE_INTERVAL
                if reasons := await live.waiting_for(_ASK):
                    noted(f"waiting for workers: {reasons}")
            # Where a look is costly, such as through a port forward, they are fewer.
            await asyncio.sleep(max(POLL, time.monotonic() - began))


async def _too_few(name: str, live: Live, info: ClusterInfo) -> BackendError:
    """The error of a wait that is over."""
    why, error = await live.waiting_for(_ASK), live.last_error()
    said = [why, None if why and error and why in error else error]
    if info.workers is None:
        few = f"how many workers cluster {name!r} has is not known: it is {info.status}"
    else:
        has = plural(info.workers, "worker")
        few = f"cluster {name!r} has {has}, not yet as many as were asked for"
    return BackendError(
        ": ".join([few, *filter(None, said)]),
        remedy=f"wait longer with --timeout, or see: dask cluster logs {name}",
    )


async def describe(name: str) -> dict[str, Any]:
    """All there is to say of one cluster, for a machine to read."""
    live = await find(name)
    info, record = await live.look_closely(), live.record
    return {
        **info.as_dict(),
        "dashboard": info.dashboard,
        **load_of(info),
        "worker_info": workers_of(info),
        "jobs": list(record.jobs) if record else [],
        "log": str(record.log) if record and record.host else None,
        "spec": record.spec.get("spec") if record else None,
        "origins": record.spec.get("origins") if record else None,
    }


@contextmanager
def dashboard(name: str) -> Iterator[tuple[str, bool]]:
    """Where the dashboard of a cluster is, and whether only as long as the body runs."""
    live = _async.run(find(name))
    info = _async.run(live.look())
    with ExitStack() as connected:
        address, is_forwarded = info.dashboard, False
        if address is None and info.status == "running":
            cluster = connected.enter_context(live.connect(asynchronous=False))
            address, is_forwarded = getattr(cluster, "dashboard_link", None), True
        if not address:
            live.require()
            remedy = f"see: dask cluster logs {name}"
            if info.status == "running":
                remedy = "give it one (kwargs.dashboard_address), and have bokeh installed"
            raise BackendError(
                f"no dashboard of cluster {name!r} is known; it is {info.status}", remedy=remedy
            )
        yield address, is_forwarded


async def command_ended(name: str, timeout: float | None = None) -> int | None:
    """Wait until the command of a cluster has ended: its exit code; None if it runs none."""
    deadline, record = _deadline(timeout), None
    while records.exists(name):
        with suppress(NoSuchClusterError):  # it has just ended
            record = records.read(name)
            if record.command is None:
                return None
            if record.life == "dead" and records.exists(name):
                raise BackendError(
                    f"the host of cluster {name!r} has ended before its command",
                    remedy=f"see: dask cluster logs {name}",
                )
        if deadline is not None and time.monotonic() > deadline:
            raise BackendError(
                f"the command of cluster {name!r} has not ended",
                remedy=f"wait longer with --timeout, or see: dask cluster logs {name}",
            )
        await asyncio.sleep(POLL)
    ended = records.ended(name)
    if record is None and (ended is None or ended.command is None):
        await find(name)  # says if there is none
        return None
    if ended is None or (record and record.created != ended.created):
        raise NoSuchClusterError(
            f"cluster {name!r} was ended before its command", remedy="run it again"
        )
    if ended.exit_code is None:
        raise BackendError(
            f"the command of cluster {name!r} was ended, as its scheduler had gone",
            remedy=f"see: dask cluster logs {name}",
        )
    return ended.exit_code


def logs(name: str, wanted: Wanted) -> tuple[Iterator[str], Problem | None]:
    """What a cluster has logged, and that it has ended, if it has."""
    try:
        return _async.run(find(name)).logs(wanted), None
    except (NoSuchClusterError, DiscoveryError):
        if (kept := records.kept_log(name)) is None:
            raise
    ended = f"cluster {name!r} has ended by itself; its log is kept for {log.KEPT_DAYS} days"
    return log.texts(kept, wanted, lambda: True), Problem(ended, severity="warning")


def _deadline(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout
