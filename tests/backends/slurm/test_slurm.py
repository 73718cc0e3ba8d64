"""The announcement's script on Slurm: workers as jobs, and the whole cluster in one job."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from two_nodes import EXAMPLES, Slurm, wait_until

from dask_ctl import BackendError, create_cluster

SCRIPT = EXAMPLES / "myscript.py"
RESULT = "[0, 2, 4, 6, 8, 10, 12, 14, 16, 18]\n"

WAIT_FOR_EVER = """
import threading
threading.Event().wait()
"""

# A preload of the scheduler: it says that the scheduler starts, and holds it until it may go on.
HELD_SCHEDULER = """
import asyncio
from pathlib import Path

async def dask_setup(scheduler):
    Path("starting").touch()
    while not Path("go-on").exists():
        await asyncio.sleep(0.01)
"""


@pytest.fixture
def slurm_cluster(slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    """Use Slurm with the example spec of a ``SLURMCluster``."""
    slurm.use_example("slurm", monkeypatch)
    return slurm


@pytest.fixture
def slurm_runner(slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    """Use Slurm with the example spec of a ``SLURMRunner``."""
    slurm.use_example("slurm-runner", monkeypatch)
    return slurm


def longer_script(slurm: Slurm, end: str) -> Path:
    """Write the script with something more at its end."""
    script = slurm.cwd / "longer.py"
    script.write_text(SCRIPT.read_text() + end)
    return script


def interrupt(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Press Ctrl-C in the terminal of `process`, and wait for its end."""
    os.killpg(process.pid, signal.SIGINT)
    return process.communicate(timeout=30)


def test_cluster_runs_the_script_unchanged(slurm_cluster: Slurm) -> None:
    """The script runs on workers in jobs: its result, exit code 0, and nothing on stderr."""
    run = slurm_cluster.run(sys.executable, SCRIPT)
    assert (run.stdout, run.stderr, run.returncode) == (RESULT, "", 0)


def test_cluster_of_a_failing_script_ends(slurm_cluster: Slurm) -> None:
    """An exception in the script is its own one traceback and exit code; no job stays."""
    run = slurm_cluster.run(sys.executable, longer_script(slurm_cluster, "raise KeyError(results)"))
    assert (run.stdout, run.returncode) == (RESULT, 1)
    assert run.stderr.count("Traceback") == 1
    assert run.stderr.splitlines()[-1].startswith("KeyError")


def test_interrupt_during_work_cancels_running_and_pending_jobs(
    slurm_cluster: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in a script cancels its jobs, those too that wait for a free node."""
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__CORES", "16")  # all of a node
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__N_WORKERS", "4")
    process = slurm_cluster.start(sys.executable, longer_script(slurm_cluster, WAIT_FOR_EVER))
    states = ["PENDING", "PENDING", "RUNNING", "RUNNING"]
    wait_until(lambda: sorted(slurm_cluster.queue()) == states, "two jobs run and two wait")
    assert process.stdout is not None
    assert process.stdout.readline() == RESULT
    _, err = interrupt(process)
    assert err.count("Traceback") == 1
    assert err.splitlines()[-1] == "KeyboardInterrupt", err
    assert process.returncode == -signal.SIGINT


def test_interrupt_while_the_scheduler_starts_leaves_nothing(
    slurm_cluster: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C inside ``create_cluster`` ends the script, and no job is ever submitted."""
    (slurm_cluster.cwd / "held.py").write_text(HELD_SCHEDULER)
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__SCHEDULER_OPTIONS__PRELOAD", "held.py")
    process = slurm_cluster.start(sys.executable, SCRIPT)
    wait_until((slurm_cluster.cwd / "starting").exists, "the scheduler starts")
    os.killpg(process.pid, signal.SIGINT)
    (slurm_cluster.cwd / "go-on").touch()
    out, err = process.communicate(timeout=30)
    assert out == ""
    assert err.splitlines()[-1] == "KeyboardInterrupt", err
    assert process.returncode == -signal.SIGINT


def test_interrupt_while_jobs_are_submitted_leaves_nothing(
    slurm_cluster: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C when the first of many jobs is in the queue leaves none of them there."""
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__N_WORKERS", "12")
    process = slurm_cluster.start(sys.executable, longer_script(slurm_cluster, WAIT_FOR_EVER))
    wait_until(slurm_cluster.queue, "the first job is queued")
    _, err = interrupt(process)
    # Where the script is by then is chance, and its client may have more to say; the fixture sees
    # to it that no job is left.
    assert "KeyboardInterrupt" in err.splitlines(), err


def test_refused_jobs_are_an_error_that_says_why(
    slurm_cluster: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What sbatch says of a partition that does not exist ends the script; nothing stays."""
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__QUEUE", "absent")
    run = slurm_cluster.run(sys.executable, SCRIPT)
    assert run.returncode == 1
    errors = [line for line in run.stderr.splitlines() if "BackendError: " in line]
    assert len(errors) == 1
    assert "invalid partition specified: absent" in errors[0]


@pytest.mark.usefixtures("slurm")
def test_what_a_constructor_says_at_once_is_the_error() -> None:
    """The undoing of a cluster that was hardly begun does not hide why it failed."""
    spec = {"module": "dask_jobqueue", "class": "SLURMCluster", "kwargs": {"n_workers": 1}}
    with pytest.raises(BackendError, match="You must specify how much cores"):
        create_cluster(spec)


@pytest.mark.parametrize("options", [["-n", "4"], ["-N", "2", "-n", "4"]], ids=" ".join)
def test_runner_runs_the_script_unchanged(slurm_runner: Slurm, options: list[str]) -> None:
    """One rank runs the script, on one node and over two; every rank then exits with 0."""
    run = slurm_runner.run("srun", *options, sys.executable, SCRIPT)
    assert (run.stdout, run.returncode) == (RESULT, 0), run.stderr
    assert "Traceback" not in run.stderr
    assert "ERROR" not in run.stderr


def test_runner_runs_in_two_steps_of_one_job(slurm_runner: Slurm) -> None:
    """A second ``srun`` in a batch job does not take the first one's scheduler for its own."""
    step = f"srun {sys.executable} {SCRIPT}"
    run = slurm_runner.run_batch("--wrap", f"{step} && {step}")
    assert (run.stdout, run.returncode) == (RESULT * 2, 0), run.stderr
    assert "Traceback" not in run.stderr
    assert "ERROR" not in run.stderr


def test_runner_runs_in_two_steps_at_a_time(slurm_runner: Slurm) -> None:
    """Two ``srun`` side by side in one job are two clusters."""
    step = f"srun --overlap {sys.executable} {SCRIPT}"
    run = slurm_runner.run("salloc", "-n", "4", "sh", "-c", f"{step} & {step} & wait")
    assert (run.stdout, run.returncode) == (RESULT * 2, 0), run.stderr
    assert "Traceback" not in run.stderr


def test_runner_of_a_requeued_job_ignores_the_scheduler_file_of_its_first_run(
    slurm_runner: Slurm,
) -> None:
    """A job that was killed and requeued has the same ids; its old scheduler file is no trap."""
    (slurm_runner.cwd / "job.sh").write_text(
        'old="scheduler-$SLURM_JOB_ID-0.json"\n'
        """echo '{"address": "tcp://127.0.0.1:1"}' > "$old"\n"""
        f"SLURM_RESTART_COUNT=1 srun {sys.executable} {SCRIPT}\n"
        'code=$?; rm "$old"; exit $code\n'
    )
    run = slurm_runner.run("salloc", "-n", "4", "sh", "job.sh")
    assert (run.stdout, run.returncode) == (RESULT, 0), run.stderr


@pytest.mark.parametrize(
    ("end", "code", "tracebacks"),
    [("raise KeyError(results)", 1, 1), ("raise SystemExit(7)", 7, 0)],
)
def test_runner_passes_on_the_exit_code_of_the_script(
    slurm_runner: Slurm, end: str, code: int, tracebacks: int
) -> None:
    """How the script ends is how ``srun`` ends, and all ranks end with it."""
    run = slurm_runner.run("srun", "-n", "4", sys.executable, longer_script(slurm_runner, end))
    assert (run.stdout, run.returncode) == (RESULT, code), run.stderr
    assert run.stderr.count("Traceback") == tracebacks, run.stderr


def test_runner_outside_a_job_says_what_to_do(slurm_runner: Slurm) -> None:
    """Without ``srun`` the script ends at once, with the command that would start it."""
    run = slurm_runner.run(sys.executable, SCRIPT)
    assert run.returncode == 1
    assert f"srun -n 4 python {SCRIPT}" in run.stderr.splitlines()[-1]


def test_runner_in_a_batch_script_without_srun_says_what_to_do(slurm_runner: Slurm) -> None:
    """So it does in a batch job, where it would otherwise be a scheduler without anyone else."""
    run = slurm_runner.run_batch("--wrap", f"{sys.executable} {SCRIPT}")
    assert run.returncode == 1
    assert f"srun -n 4 python {SCRIPT}" in run.stderr.splitlines()[-1]
