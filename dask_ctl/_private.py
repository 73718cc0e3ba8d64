"""Every private name of Python's and Dask's packages that is used: why, and in which version.

Those of the backends' own packages stand in ``backends/_private.py``. Nothing else of this package
reaches into another one. A test asks each of them whether the name is still there.
"""

from __future__ import annotations

import asyncio
import atexit
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

# What is used below, as ``module:name``, for the test.
USED: Final = (
    "atexit:_run_exitfuncs",
    "distributed:Client._instances",
    "distributed.deploy.cluster:Cluster._close",
    "distributed.deploy.cluster:Cluster._supports_scaling",
    "distributed.deploy.spec:SpecCluster._supports_scaling",
    "tornado.ioloop:PeriodicCallback._run",
)
# Set by distributed 2026.8 on its objects only, where the test looks for them.
USED_ON_OBJECTS: Final = ("_adaptive", "_cluster_manager_logs", "_loop_runner")


def has_fixed_size(target: Any) -> bool:
    """Whether a cluster, or its class, says that it cannot be scaled.

    The attribute is how distributed's ``Cluster`` documents that for its subclasses.
    """
    return not getattr(target, "_supports_scaling", True)


def stop_adapting(cluster: Any) -> None:
    """End what ``cluster.adapt()`` has begun, as the buttons of distributed's widget do.

    ``cluster.scale()`` does not (distributed 2026.8), so that the size asked for is undone a
    second later.
    """
    with suppress(AttributeError):
        cluster._adaptive.stop()  # noqa: SLF001


def when_closed(cluster: Any, then: Callable[[Exception | None], object]) -> None:
    """Have something done once `cluster` has closed, given its error, or is no more.

    Whichever way a cluster of distributed is closed, it is by ``_close``; what has none has
    ``close``. There is no public hook (distributed 2026.8).
    """
    weakref.finalize(cluster, then, None).atexit = False

    @contextmanager
    def told() -> Iterator[None]:
        met = None
        try:
            yield
        except Exception as error:
            met = error
            raise
        finally:
            then(met)

    if not hasattr(cluster, "_close"):
        close = cluster.close

        def closed(*args: Any, **kwargs: Any) -> Any:
            with told():
                return close(*args, **kwargs)

        cluster.close = closed
        return
    inner = cluster._close  # noqa: SLF001

    async def closed_inside(*args: Any, **kwargs: Any) -> Any:
        with told():
            return await inner(*args, **kwargs)

    cluster._close = closed_inside  # noqa: SLF001


def periodic_tasks() -> list[asyncio.Task[Any]]:
    """What a server of distributed does every now and then, such as a heartbeat, where it is at it.

    Tornado keeps no account of that (6.6).
    """
    return [each for each in asyncio.all_tasks() if "PeriodicCallback._run" in repr(each)]


def clients() -> Iterator[Any]:
    """The clients of this process: distributed keeps no public list of them (2026.8)."""
    from distributed import Client

    yield from list(Client._instances)  # noqa: SLF001


def has_loop(cluster: Any) -> bool:
    """Whether distributed's ``Cluster`` has begun with an object: before, nothing is to be ended.

    ``LocalCluster.__init__`` sets a status before that (distributed 2026.8).
    """
    return hasattr(cluster, "_loop_runner")


def messages_of(cluster: Any) -> list[str]:
    """What a cluster object has told its log, such as that it only connected to one."""
    return [text for _, text in getattr(cluster, "_cluster_manager_logs", ())]


def run_exit_functions() -> None:
    """Run what was registered with `atexit`: there is no public way (Python 3.14)."""
    atexit._run_exitfuncs()  # noqa: SLF001
