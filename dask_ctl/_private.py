"""Every private name of other packages that is used: why, and in which version it was seen.

Nothing else of this package reaches into another one. A test asks each of these packages whether
the name is still there.
"""

from __future__ import annotations

import asyncio
import atexit
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Final

_failed: ContextVar[list[RuntimeError] | None] = ContextVar("_failed", default=None)

# What is used below, as ``module:name``, for the test.
USED: Final = (
    "atexit:_run_exitfuncs",
    "distributed:Client._instances",
    "distributed.deploy.cluster:Cluster._close",
    "distributed.deploy.cluster:Cluster._supports_scaling",
    "distributed.deploy.spec:SpecCluster._supports_scaling",
    "dask_jobqueue.core:Job._call",
    "dask_kubernetes.operator:KubeCluster._start",
    "kr8s._api:Api._create_session",
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
    """What a cluster object has told its log: where a KubeCluster says that it only connected."""
    return [text for _, text in getattr(cluster, "_cluster_manager_logs", ())]


def run_exit_functions() -> None:
    """Run what was registered with `atexit`: there is no public way (Python 3.14)."""
    atexit._run_exitfuncs()  # noqa: SLF001


def in_own_process_group(job_cls: Any) -> Any:
    """A class of dask-jobqueue's jobs whose commands a Ctrl-C in a terminal does not reach.

    ``sbatch`` and its like run in the script's process group (dask-jobqueue 0.9): one that does
    not live to print the id of its job leaves that in the queue.
    """

    class Job(job_cls):  # type: ignore[misc]
        @staticmethod
        async def _call(cmd: list[str], **options: Any) -> str:
            options.setdefault("process_group", 0)
            try:
                output: str = await job_cls._call(cmd, **options)  # noqa: SLF001
            except RuntimeError as error:
                if (failed := _failed.get()) is not None:
                    failed.append(error)
                raise
            return output

    Job.__name__, Job.__qualname__ = job_cls.__name__, job_cls.__qualname__
    return Job


@contextmanager
def errors_of_commands() -> Iterator[list[RuntimeError]]:
    """The errors of jobs' commands that are run in the body.

    ``Job.close`` passes over that of a command which cancels (dask-jobqueue 0.9).
    """
    failed: list[RuntimeError] = []
    token = _failed.set(failed)
    try:
        yield failed
    finally:
        _failed.reset(token)


def cancel_start_of_kube_cluster(cluster: Any) -> None:
    """End what the constructor of a KubeCluster waits for in another thread (2026.3)."""
    with suppress(AttributeError, RuntimeError):  # it has not begun; its loop has ended
        loop = cluster.loop.asyncio_loop

        def cancel() -> None:
            for task in asyncio.all_tasks(loop):
                if getattr(task.get_coro(), "__qualname__", "") == "KubeCluster._start":
                    task.cancel()

        loop.call_soon_threadsafe(cancel)


def kubernetes_connection(context: str | None) -> Any:
    """What to await for a connection to Kubernetes that nobody else has used, in a context.

    That is its `chosen` one; without, it is in the current one.

    ``kr8s.asyncio.api()`` gives one that there is already. It knows threads and loops by their ids,
    which are used again, so that it may be one of a loop that has been closed (kr8s 0.20).
    For as long as this one is held, whoever asks kr8s on the same loop is given it.
    """
    from kr8s._api import Api

    class Connection(Api):  # type: ignore[misc]
        """At each 403 kr8s logs in anew, closing the session that other requests are using.

        These then fail for want of an address, whatever they may do (kr8s 0.20).
        """

        chosen = context
        _with_token: str | None = None

        async def _create_session(self) -> None:
            token, session = self.auth.token, self._session
            if session is None or session.is_closed or token != self._with_token:
                self._with_token = token
                await super()._create_session()

    names = ("url", "kubeconfig", "serviceaccount", "namespace")
    return Connection(**dict.fromkeys(names), context=context, bypass_factory=True)
