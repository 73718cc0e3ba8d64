"""The jobs of one cluster of dask-jobqueue: each is written down, and a refusal is told."""

from __future__ import annotations

import asyncio
import logging
import sys
import weakref
from collections.abc import Callable
from typing import Any, Final

from dask_ctl.backends import batch
from dask_ctl.backends._private import errors_of_commands, in_own_process_group
from dask_ctl.backends.batch_systems import BatchSystem, submitted_in
from dask_ctl.backends.ledger import Ledger
from dask_ctl.exceptions import BackendError

logger = logging.getLogger("dask_ctl")

_ASK: Final = 30.0  # seconds


class Jobs:
    """The jobs of a cluster, from their submission until they are gone.

    Parameters
    ----------
    name : str
        The class of the cluster, for what is said of it.
    system : BatchSystem or None
        Whose jobs they are.
    """

    def __init__(self, name: str, system: BatchSystem | None) -> None:
        self.name, self.system = name, system
        self.ledger: Ledger | None = None
        self._refusal: Exception | None = None
        self._settled: weakref.ref[Any] | None = None
        self._adopt: Callable[[Any], None] | None = None

    def noted(self, job_cls: Any) -> Any:
        """A class of jobs, each of which is written down once it is in the queue.

        No Ctrl-C ends a command that submits or cancels one.
        """
        from distributed import Status

        own, jobs = in_own_process_group(job_cls), self

        class Job(own):  # type: ignore[misc, valid-type]
            job_id: str | None

            async def start(self) -> None:
                try:
                    await super().start()
                except Exception as error:  # noqa: BLE001 -- whatever reads the command's output
                    # A command may submit a job, warn of something, and fail.
                    for self.job_id in jobs.submitted_in(error):
                        await super().close()
                    self.job_id = None
                    jobs.say_refused(error)
                    self.status = Status.running  # as far as SpecCluster asks
                    return
                jobs.submitted(self.job_id)

            async def close(self) -> None:
                with errors_of_commands() as failed:
                    await super().close()
                await jobs.cancelled(self.job_id, failed)
                # SpecCluster's own close asserts it, of each job that anything still refers to.
                self.status = Status.closed

        Job.__name__, Job.__qualname__ = job_cls.__name__, job_cls.__qualname__
        return Job

    def adopt(self, cluster: Any) -> None:
        """Note those of a cluster that is there: once they can be named, and those to come."""
        noted = self.noted(cluster.new_spec["cls"])
        for spec in (cluster.new_spec, *cluster.worker_spec.values()):
            spec["cls"] = noted

        def adopt(job: Any) -> None:
            if not isinstance(job, noted):
                job.__class__ = noted
                self.submitted(job.job_id)

        self._adopt = adopt

    # -- what becomes of each --------------------------------------------------------------------

    def submitted(self, job_id: str | None) -> None:
        """Write down one that is in the queue."""
        if self.ledger is not None and self.system is not None and job_id:
            self.ledger.submitted(self.system.name, job_id)

    def submitted_in(self, error: Exception) -> list[str]:
        """The jobs that a command has submitted which then failed."""
        return list(submitted_in(self.system, str(error))) if self.system else []

    async def cancelled(self, job_id: str | None, failed: list[RuntimeError]) -> None:
        """Strike out one that was cancelled, unless that failed and it is not gone.

        The command fails for one that has just ended, too, so dask-jobqueue says nothing of it
        (0.9), and the batch system is asked.
        """
        if self.ledger is None or self.system is None or not job_id:
            return
        if failed:
            try:
                left = await asyncio.to_thread(batch.cancel, self.system, [job_id], _ASK)
            except BackendError as error:
                left = {job_id: str(error)}
            if left:
                logger.error("job %s was not cancelled: %s", job_id, left[job_id])
                return
        self.ledger.cancelled(job_id)

    def say_refused(self, error: Exception) -> None:
        """Tell of a job that is refused: the call that creates the cluster, which then fails.

        Once the cluster is there, no call is to fail. One that has nothing else is closed, so that
        whoever waits for its workers is told.
        """
        if self._settled is None:
            self._refusal = error
            return
        # dask-jobqueue's text ends with what the command said.
        why = " ".join(str(error).rpartition("stderr:")[2].split()) or type(error).__name__
        if self.ledger is not None:
            self.ledger.refused(f"a job was refused: {why}")
            return
        sys.stderr.write(f"dask_ctl: a job of {self.name} was refused: {why}\n")
        cluster = self._settled()
        if cluster is not None and not any(job.job_id for job in cluster.workers.values()):
            cluster.loop.add_callback(cluster.close)

    # -- all of them -----------------------------------------------------------------------------

    async def settle(self, cluster: Any) -> Any:
        """Wait until each that was asked for is in the queue.

        dask-jobqueue submits them in the background. An interrupt of a ``Client(cluster)`` that
        waits for that would cancel it half way, and with it the closing of the cluster; and a job
        that is refused would be a line in a log, and a script that waits for ever.
        """
        await self.not_half_way(cluster)
        self._settled = weakref.ref(cluster)
        if self._adopt is not None:
            for job in cluster.workers.values():
                self._adopt(job)
        return cluster

    async def not_half_way(self, cluster: Any) -> Any:
        """Submit; a first cancellation waits until the jobs can be named."""
        submitting = asyncio.ensure_future(self._submitted(cluster))
        try:
            return await asyncio.shield(submitting)
        except asyncio.CancelledError:
            await asyncio.gather(submitting, return_exceptions=True)
            raise

    async def _submitted(self, cluster: Any) -> Any:
        await cluster
        await asyncio.gather(*cluster.workers.values())
        if self._refusal is not None:
            raise self._refusal
        return cluster


async def forget_refused(cluster: Any) -> None:
    """Have jobs that were refused submitted again, if there are to be as many."""
    for name in [name for name, job in cluster.workers.items() if not job.job_id]:
        del cluster.workers[name]
        cluster.worker_spec.pop(name, None)
