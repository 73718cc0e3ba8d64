"""The ranks of one ``mpirun`` as a cluster: one scheduler, one client, the rest workers.

Specs name it as `dask_ctl.mpi.MPIRunner`; nothing else imports it, since it needs dask-jobqueue.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from dask_jobqueue.runner import BaseRunner, Role
from distributed import Scheduler

from dask_ctl import _platform
from dask_ctl.exceptions import BackendError
from dask_ctl.spec.files import require_own, written_beside

# Rank and size: of Open MPI, and of MPICH, Intel MPI and ``srun --mpi=pmi2``.
_RANKS: Final = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
)
# What all ranks of one run share, and no other run has; any of these is enough.
_RUNS: Final = (
    ("OMPI_MCA_orte_precondition_transports",),
    ("PMIX_NAMESPACE",),
    ("SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_RESTART_COUNT"),
    ("SLURM_JOB_ID", "SLURM_STEP_ID"),
)
_NEEDED: Final = 3


class MPIRunner(BaseRunner):  # type: ignore[misc]  # dask-jobqueue has no types
    """A cluster of the processes that ``mpirun`` starts; MPI itself is not used.

    Rank 0 becomes the scheduler, rank 1 runs the script, and the others become workers. They
    find the scheduler by a file in the current directory, which all machines must share.

    Parameters
    ----------
    scheduler_file : str, optional
        Where the scheduler says its address: a path that no other run uses. By default a name
        that is unique to the run, if the launcher tells the runs apart.
    scheduler_options : dict, optional
        Keyword arguments of the scheduler.
    worker_options : dict, optional
        Keyword arguments of each worker.
    worker_class : str, optional
        The class of the workers, ``distributed.Worker`` by default.

    Raises
    ------
    BackendError
        If it is not one of at least three ranks, or the run has no name.
    """

    def __init__(self, *, scheduler_file: str | None = None, **options: Any) -> None:
        self.rank, size = _rank_and_size(os.environ)
        self.n_workers = size - 2
        self.scheduler_file = Path(scheduler_file or _file_of_this_run(os.environ))
        if self.rank == 0:
            # mpirun passes Ctrl-C on as SIGTERM, which would leave the file.
            with suppress(ValueError):  # not in the main thread
                signal.signal(signal.SIGTERM, self._terminated)
        try:
            super().__init__(**options)
        except SystemExit as end:
            if self.role in (Role.scheduler, Role.worker):
                # All is closed by now. While Python shuts down, a thread of distributed that
                # still runs can abort the process (SIGABRT), and with it the whole run.
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(end.code if isinstance(end.code, int) else 0)
            raise

    async def get_role(self) -> Role:
        """Tell what this rank becomes."""
        return {0: Role.scheduler, 1: Role.client}.get(self.rank, Role.worker)

    async def start_scheduler(self) -> None:
        """Be the scheduler until it is closed, then remove its file."""
        try:
            await super().start_scheduler()
        finally:
            self.scheduler_file.unlink(missing_ok=True)

    async def set_scheduler_address(self, scheduler: Scheduler) -> None:
        """Write the file whole, so that nobody reads half of it."""
        with written_beside(self.scheduler_file, json.dumps(scheduler.identity())) as written:
            os.replace(written, self.scheduler_file)

    async def get_scheduler_address(self) -> str:
        """Wait for the file, and read it."""
        while True:
            try:
                return self._address_written()
            except FileNotFoundError:
                await asyncio.sleep(0.1)

    def _address_written(self) -> str:
        """What the file says, if nobody else has put it there."""
        with open(self.scheduler_file, encoding="utf-8") as file:
            require_own(self.scheduler_file, os.fstat(file.fileno()))
            return str(json.load(file)["address"])

    async def get_worker_name(self) -> int:
        """Name a worker by its rank."""
        return self.rank

    def _terminated(self, *_: object) -> None:
        self.scheduler_file.unlink(missing_ok=True)
        sys.exit(128 + signal.SIGTERM)


def _rank_and_size(env: Mapping[str, str]) -> tuple[int, int]:
    remedy = _platform.how_to_start("mpirun")
    for rank, size in _RANKS:
        if rank in env and size in env:
            if int(env[size]) < _NEEDED:
                if env[rank] != "0":
                    sys.exit()  # one of them says it
                raise BackendError(
                    f"MPIRunner needs {_NEEDED} ranks, scheduler, client and a worker, "
                    f"and was given {env[size]}",
                    remedy=remedy,
                )
            return int(env[rank]), int(env[size])
    raise BackendError(
        "MPIRunner runs in the ranks of mpirun, and this process is none", remedy=remedy
    )


def _file_of_this_run(env: Mapping[str, str]) -> str:
    for names in _RUNS:
        if all(name in env for name in names):
            return f"scheduler-mpi-{'-'.join(env[name] for name in names)}.json"
    raise BackendError(
        "this mpirun does not tell one run from another",
        remedy="add under 'kwargs' a scheduler_file, a path that no other run uses",
    )
