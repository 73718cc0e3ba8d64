"""Classes whose every process becomes scheduler, worker or client."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Final, NoReturn

from dask_ctl import _platform, _private
from dask_ctl.backends import plans
from dask_ctl.backends.base import Backend
from dask_ctl.backends.ending import close_clients, end_process
from dask_ctl.backends.ledger import Ledger
from dask_ctl.backends.signature import with_options
from dask_ctl.exceptions import BackendError
from dask_ctl.spec.files import require_own

_JOIN_TIMEOUT: Final = 60.0  # seconds
_LEAVE_TIMEOUT: Final = 60.0  # seconds
# What tells one run of a Slurm job's ranks from the next; the second is set once it was requeued.
_RUN_OF_A_JOB: Final = ("SLURM_STEP_ID", "SLURM_RESTART_COUNT")


class Runner(Backend):
    """dask-jobqueue's ``BaseRunner``."""

    classes = ("dask_jobqueue.runner.BaseRunner",)
    packages = {"dask_jobqueue": "dask-jobqueue"}
    by_command = True
    launcher = "<its launcher>"
    inherits_config = True  # every rank sets it in force for itself
    options_of_servers = True

    def takers(self, kwargs: Mapping[str, Any]) -> tuple[list[Any], bool]:
        """They hand what they do not name to their bases."""
        return [self.target], True

    def with_variables(
        self, kwargs: Mapping[str, Any], variables: Mapping[str, str]
    ) -> dict[str, Any]:
        """Every rank sets them for itself."""
        return dict(kwargs)

    def when_idle(self, kwargs: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """By its scheduler."""
        return with_options(kwargs, "scheduler_options", idle_timeout=seconds)

    def plan(self, args: list[Any], kwargs: Mapping[str, Any]) -> str:
        """What each rank would become, as dask-jobqueue has it unless it is told otherwise."""
        ranks = {"rank 0": "scheduler", "rank 1": "the script", "other ranks": "a worker each"}
        return plans.listed(ranks) + super().plan(args, kwargs)

    def calling(
        self, kwargs: Mapping[str, Any], *, asynchronous: bool
    ) -> AbstractContextManager[dict[str, Any]]:
        """Let the ranks of scheduler and workers end their process in order.

        ``BaseRunner`` ends them with SIGINT, which by default is a ``KeyboardInterrupt``. A batch
        system ends them with SIGTERM, which by default leaves the scheduler file.
        """
        return _ranks_end_in_order()

    def before_close(self, cluster: Any) -> None:
        """Have all workers join and leave, in that order.

        A worker rank that starts after the scheduler has gone would wait for it for ever, and one
        that loses its scheduler prints tracebacks.
        """
        from distributed import Client

        close_clients(cluster)
        with Client(cluster.scheduler_address, set_as_default=False) as client:
            client.wait_for_workers(getattr(cluster, "n_workers", 0), timeout=_JOIN_TIMEOUT)
            client.run(_without_heartbeat, on_error="ignore")
            client.retire_workers(close_workers=True)
            deadline = time.monotonic() + _LEAVE_TIMEOUT
            while not client.run_on_scheduler(_only_clients_left) and time.monotonic() < deadline:
                time.sleep(0.05)


class SlurmRunner(Runner):
    """dask-jobqueue's ``SLURMRunner``: the tasks of one ``srun``."""

    classes = ("dask_jobqueue.slurm.SLURMRunner",)
    launcher = "srun"
    templates = ("slurm-runner",)
    commands: ClassVar[Mapping[str, str]] = {"slurm-runner": "srun"}

    def require(self, kwargs: Mapping[str, Any], env: Mapping[str, str]) -> None:
        """Refuse where ``srun`` has not started it: it would wait for other ranks for ever.

        Of too few tasks only the first says so.
        """
        remedy = _platform.how_to_start(self.launcher)
        if "SLURM_STEP_ID" not in env or "SLURM_PROCID" not in env:
            raise BackendError(
                f"{self.name} runs inside a job step, and this process is in none", remedy=remedy
            )
        roles = [each for each in ("scheduler", "client") if kwargs.get(each, True)]
        tasks = int(env.get("SLURM_NTASKS", 1))
        if len(roles) >= tasks:
            if env["SLURM_PROCID"] != "0":
                sys.exit()
            raise BackendError(
                f"{self.name} needs {len(roles) + 1} tasks, {', '.join(roles)} and a worker, "
                f"and was given {tasks}",
                remedy=remedy,
            )

    def prepared(
        self, kwargs: Mapping[str, Any], env: Mapping[str, str], ledger: Ledger | None
    ) -> dict[str, Any]:
        """Give each run a scheduler file of its own.

        The default name holds only the job (dask-jobqueue 0.9), so a second ``srun`` in one job
        would read the first one's, and a requeued job the one that its killed ranks left.
        """
        run = "-".join(env[name] for name in _RUN_OF_A_JOB if name in env)
        file = Path(f"scheduler-{env.get('SLURM_JOB_ID')}-{run}.json")
        with suppress(FileNotFoundError):
            require_own(file, file.lstat())
        return {"scheduler_file": f"scheduler-{{job_id}}-{run}.json", **kwargs}


async def _without_heartbeat(dask_worker: Any) -> None:
    """Have a worker call its scheduler no more; this runs in the worker.

    One that closes in the middle of a heartbeat logs a traceback (distributed 2026.8).
    """
    dask_worker.periodic_callbacks["heartbeat"].stop()
    if tasks := _private.periodic_tasks():
        await asyncio.wait(tasks, timeout=_LEAVE_TIMEOUT)


def _only_clients_left(dask_scheduler: Any) -> bool:
    """Whether no worker is connected to the scheduler; this runs in the scheduler.

    A retired worker is forgotten at once but hangs up later, and a scheduler that closes before
    that logs a traceback. Active here are a stream of each client, and the call of this.
    """
    active: int = dask_scheduler.incoming_comms_active
    return not dask_scheduler.workers and active <= len(dask_scheduler.client_comms) + 1


@contextmanager
def _ranks_end_in_order() -> Iterator[dict[str, Any]]:
    if threading.current_thread() is not threading.main_thread():
        yield {}
        return
    before = {number: signal.signal(number, _end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield {}
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(signalnum: int, _: object) -> NoReturn:
    """End the process, and what is to be done at its end: a scheduler removes its file."""
    end_process(0 if signalnum == signal.SIGINT else 128 + signalnum)


ROOMS = (Runner, SlurmRunner)
