"""What a Runner needs: a class whose every process becomes scheduler, worker or client."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NoReturn

from dask_ctl.backends.signature import inherits
from dask_ctl.creation.ending import end_process
from dask_ctl.exceptions import BackendError

# What tells one run of a Slurm job's ranks from the next; the second is set once it was requeued.
_RUN_OF_A_JOB: Final = ("SLURM_STEP_ID", "SLURM_RESTART_COUNT")


def is_runner(target: Any) -> bool:
    """Whether `target` is a subclass of dask-jobqueue's ``BaseRunner``."""
    return inherits(target, "dask_jobqueue.runner", "BaseRunner")


def prepared(target: Any, kwargs: Mapping[str, Any], env: Mapping[str, str]) -> dict[str, Any]:
    """The keyword arguments to call a Runner with.

    A ``SLURMRunner`` shares its address in a file. Its default name holds only the job, so a
    second ``srun`` in one job would read the first one's, and a requeued job the one that its
    killed ranks left: the step and the number of the restart are added.

    Raises
    ------
    BackendError
        If a ``SLURMRunner`` is not run by ``srun``: it would wait for other ranks for ever.
    """
    given = dict(kwargs)
    if inherits(target, "dask_jobqueue.slurm", "SLURMRunner"):
        if "SLURM_STEP_ID" not in env or "SLURM_PROCID" not in env:
            raise BackendError(
                "SLURMRunner runs inside a job step, and this process is in none",
                remedy=f"start it with: srun -n 4 python {sys.argv[0] or 'script.py'}",
            )
        run = "-".join(env[name] for name in _RUN_OF_A_JOB if name in env)
        given.setdefault("scheduler_file", f"scheduler-{{job_id}}-{run}.json")
    return given


@contextmanager
def ranks_exit_quietly() -> Iterator[Callable[[], bool]]:
    """Let the ranks of scheduler and workers end their process with exit code 0.

    ``BaseRunner`` ends them with SIGINT, which by default is a ``KeyboardInterrupt``.

    Yields
    ------
    interrupted : callable
        Always false: nothing is held back.
    """

    def never() -> bool:
        return False

    if threading.current_thread() is not threading.main_thread():
        yield never
        return
    before = signal.signal(signal.SIGINT, _end_process)
    try:
        yield never
    finally:
        signal.signal(signal.SIGINT, before)


def _end_process(*_: object) -> NoReturn:
    end_process(0)
