"""The announcement's script in the ranks of a real ``mpirun``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

import pytest

from tests.backends.scripts import (
    ANSWER,
    DASK_CLUSTER,
    SCRIPT,
    SEEN,
    WORK_FOR_EVER,
    Scripts,
    refused,
)

INSTALL = "apt-get install -y --no-install-recommends openmpi-bin"


@pytest.fixture
def mpi(
    scripts: Scripts,
    monkeypatch: pytest.MonkeyPatch,
    require_programs: Callable[..., Mapping[str, str]],
) -> Scripts:
    """Use the example spec, on this machine's loopback, where root may run ``mpirun`` too."""
    require_programs("mpirun", install=INSTALL)
    scripts.use_example("mpi")
    for part in ("SCHEDULER", "WORKER"):
        monkeypatch.setenv(f"DASK_CTL__CLUSTER_KWARGS__{part}_OPTIONS__INTERFACE", "lo")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__SCHEDULER_OPTIONS__DASHBOARD_ADDRESS", ":0")
    for name in [name for name in os.environ if name.startswith(("OMPI_", "PMI", "SLURM_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OMPI_ALLOW_RUN_AS_ROOT", "1")
    monkeypatch.setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
    # By default mpirun kills a second after Ctrl-C what has not ended, so that its file stays.
    monkeypatch.setenv("OMPI_MCA_odls_base_sigkill_timeout", "20")
    return scripts


def ranks(count: int) -> list[str]:
    """Give the command that starts Python in `count` ranks, whatever the machine has."""
    return ["mpirun", "-n", str(count), "--oversubscribe", sys.executable]


def test_runs_the_script_unchanged(mpi: Scripts) -> None:
    """One rank runs the script; all of them exit with 0 and print no traceback."""
    run = mpi.run(*ranks(4), SCRIPT)
    assert (run.stdout, run.returncode) == (ANSWER, 0), run.stderr
    assert "Traceback" not in run.stderr
    assert "ERROR" not in run.stderr


@pytest.mark.parametrize(
    ("end", "code", "tracebacks"),
    [("raise KeyError(results)", 1, 1), ("raise SystemExit(7)", 7, 0)],
)
def test_passes_on_how_the_script_ends(mpi: Scripts, end: str, code: int, tracebacks: int) -> None:
    """How the script ends is how ``mpirun`` ends, and all ranks end with it."""
    run = mpi.run(*ranks(4), mpi.longer(end))
    assert (run.stdout, run.returncode) == (ANSWER, code), run.stderr
    assert run.stderr.count("Traceback") == tracebacks


def test_interrupt_during_work(mpi: Scripts) -> None:
    """Ctrl-C in the terminal of ``mpirun`` ends all ranks, and removes the scheduler's file."""
    run = mpi.interrupt(mpi.start(*ranks(4), mpi.longer(WORK_FOR_EVER)))
    assert run.returncode != 0


def test_two_runs_at_a_time(mpi: Scripts) -> None:
    """Two runs side by side in one folder are two clusters."""
    started = [mpi.start(*ranks(3), SCRIPT) for _ in range(2)]
    for run in [mpi.finished(process, timeout=90) for process in started]:
        assert (run.stdout, run.returncode) == (ANSWER, 0), run.stderr


def test_without_mpirun_says_what_to_do(mpi: Scripts) -> None:
    """A script that is started alone ends at once, with the command that would start it."""
    run = mpi.python(SCRIPT)
    assert run.returncode == 1
    assert f"start it with: mpirun -n 4 python {SCRIPT}" in run.stderr.splitlines()[-1]


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_ranks(mpi: Scripts, count: int) -> None:
    """Two ranks, which leave no worker, end at once, and one of them says so."""
    said = f"MPIRunner needs 3 ranks, scheduler, client and a worker, and was given {count}; start"
    run = mpi.run(*ranks(count), SCRIPT)
    assert (run.returncode, run.stderr.count("Traceback"), run.stderr.count(said)) == (1, 1, 1)
    assert f"with: mpirun -n 4 python {SCRIPT}\n" in run.stderr


def test_run_with_a_runner(mpi: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the ranks one runs the command; elsewhere it is said how to come there."""
    command = ["run", "--", "sh", "-c", "echo once; exit 3"]
    run = mpi.run(*ranks(3)[:-1], *DASK_CLUSTER, *command)
    assert (run.stdout.splitlines()[0], run.returncode) == ("once", 3), run.stderr
    assert "Traceback" not in run.stderr
    how = "start it with: mpirun -n 4 dask cluster run -- sh -c 'echo once; exit 3'$"
    refused(mpi.dask_cluster(*command), 5, how)
    refused(mpi.dask_cluster("create"), 4, "start a script there itself: mpirun -n 4 python")
    monkeypatch.setenv("PATH", "/nowhere")
    run = mpi.dask_cluster("run", "--", sys.executable)
    refused(run, 5, "there is no mpirun here; go where there is one, or choose another spec$")


def test_a_launcher_that_does_not_name_its_runs(
    mpi: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where runs cannot be told apart, an old file could be taken for this run's: one is asked."""
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setenv("PMI_SIZE", "4")
    run = mpi.python(SCRIPT)
    assert run.returncode == 1
    assert "add under 'kwargs' a scheduler_file" in run.stderr.splitlines()[-1]


def test_configuration_and_variables_reach_workers(mpi: Scripts) -> None:
    """What the spec hands on is what a task sees, and after the cluster is gone here."""
    run = mpi.run(*ranks(3), mpi.carry())
    assert (run.stdout, run.returncode) == (SEEN, 0), run.stderr
