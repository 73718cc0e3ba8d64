"""Every private name of the backends' own packages that is used: why, and in which version.

Those of Python's and Dask's stand in ``dask_ctl/_private.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Final

_failed: ContextVar[list[RuntimeError] | None] = ContextVar("_failed", default=None)

# What is used below, as ``module:name``, for the test.
USED: Final = (
    "dask_jobqueue.core:Job._call",
    "dask_kubernetes.operator:KubeCluster._start",
    "kr8s._api:Api._create_session",
)


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
