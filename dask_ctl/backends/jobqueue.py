"""What a cluster of batch jobs needs so that it knows each of its jobs, and can cancel it."""

from __future__ import annotations

import asyncio
import math
import shlex
import subprocess
from collections.abc import Mapping
from typing import Any, Final, Protocol

from dask_ctl.backends.signature import inherits

_TIMEOUT: Final = 30.0  # seconds
# What prints a job while it is in the queue, by what cancels it.
_ASKING: Final = {
    "scancel": ("squeue", "--noheader", "--jobs"),
    "qdel": ("qstat", "-j"),
}


class Ledger(Protocol):
    """Where the jobs are written down that must be cancelled if their owner cannot."""

    def submitted(self, job_id: str, cancel: list[str]) -> None:
        """A job is in the queue; `cancel` is the command that takes it out."""

    def cancelled(self, job_id: str) -> None:
        """It has been taken out."""


def keeping_track(
    target: Any, kwargs: Mapping[str, Any], ledger: Ledger | None = None
) -> dict[str, Any]:
    """The keyword arguments to call a cluster class with, so that Ctrl-C loses no job.

    dask-jobqueue runs ``sbatch`` and its like in the script's process group, where Ctrl-C in a
    terminal ends them too. A job submitted by one that did not live to print the job's id
    stays in the queue; so does one whose ``scancel`` was ended. Here they get a group of
    their own.

    Parameters
    ----------
    target : object
        What the spec names; for all but dask-jobqueue's clusters nothing changes.
    kwargs : mapping
        The keyword arguments of the spec.
    ledger : Ledger, optional
        Where to write down each job.
    """
    if not _has_jobs(target):
        return dict(kwargs)
    from distributed import Status

    job_cls: Any = kwargs.get("job_cls") or target.job_cls

    class Job(job_cls):  # type: ignore[misc]
        @staticmethod
        async def _call(cmd: list[str], **options: Any) -> str:
            options.setdefault("process_group", 0)
            output: str = await job_cls._call(cmd, **options)  # noqa: SLF001
            return output

        async def start(self) -> None:
            await super().start()
            if ledger is not None and self.job_id and self.cancel_command:
                ledger.submitted(self.job_id, [*shlex.split(self.cancel_command), self.job_id])

        async def close(self) -> None:
            await super().close()
            if ledger is not None and self.job_id:
                ledger.cancelled(self.job_id)
            # SpecCluster's own close asserts it, of each job that anything still refers to.
            self.status = Status.closed

    Job.__name__, Job.__qualname__ = job_cls.__name__, job_cls.__qualname__
    return {**kwargs, "job_cls": Job}


def adapting(cluster: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments to call ``adapt`` with, so that jobs of several workers come whole.

    distributed counts workers: it asks for one, gets a job of two, takes one of them back for
    being too many, and with it the job; a job that waits in the queue never gets to run.

    Parameters
    ----------
    cluster : object
        The cluster; for all but those of jobs with several workers nothing changes.
    options : mapping
        ``adapt`` of the spec.
    """
    workers = len((getattr(cluster, "new_spec", None) or {}).get("group", ()))
    if workers <= 1 or not _has_jobs(type(cluster)):
        return dict(options)
    from distributed import Adaptive

    class WholeJobs(Adaptive):  # type: ignore[misc]
        async def safe_target(self) -> int:
            wanted: int = await super().safe_target()
            return math.ceil(wanted / workers) * workers

    return {"Adaptive": WholeJobs, "worker_key": _job_of, **options}


def _job_of(worker: Any) -> str:
    return str(worker.name).rpartition("-")[0]


def submit(cluster: Any) -> None:
    """Wait until each job that a new cluster was called with is in the queue.

    dask-jobqueue submits them in the background. An interrupt of a ``Client(cluster)`` that
    waits for that would cancel it half way, and with it the closing of the cluster; and a job
    that is refused would be a line in a log, and a script that waits for ever.
    """
    if _has_jobs(type(cluster)):
        cluster.sync(_submit, cluster)


async def submit_async(cluster: Any) -> None:
    """The same inside a running loop; a first cancellation waits until the jobs can be named."""
    if not _has_jobs(type(cluster)):
        return
    submitting = asyncio.ensure_future(_submit(cluster))
    try:
        await asyncio.shield(submitting)
    except asyncio.CancelledError:
        await asyncio.gather(submitting, return_exceptions=True)
        raise


async def _submit(cluster: Any) -> None:
    await cluster
    # Gives the error of a job that was refused.
    await asyncio.gather(*cluster.workers.values())


def cancel(command: list[str]) -> str | None:
    """Take a job out of its queue; what went wrong, or None.

    Parameters
    ----------
    command : list of str
        As its `Ledger` was told.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return (done.stderr or done.stdout).strip() or "it failed" if done.returncode else None


def queued(job_id: str, cancel: list[str]) -> bool:
    """Whether a job that was cancelled is still in its queue, where that can be asked.

    Parameters
    ----------
    job_id : str
        The job.
    cancel : list of str
        The command that cancelled it, which tells the batch system.
    """
    asking = _ASKING.get(cancel[0])
    if asking is None:
        return False
    try:
        done = subprocess.run(
            [*asking, job_id], capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and bool(done.stdout.strip())


def _has_jobs(cluster_class: Any) -> bool:
    return inherits(cluster_class, "dask_jobqueue.core", "JobQueueCluster")
