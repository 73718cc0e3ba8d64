"""The announcement's script on Slurm: workers as jobs, and the whole cluster in one job."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest
from two_nodes import Slurm

from dask_ctl import create_cluster
from tests.backends.batch import ClusterOfJobs
from tests.backends.daemons import output
from tests.backends.scripts import ANSWER, DASK_CLUSTER, SCRIPT, SEEN, refused, wait_until


@pytest.fixture
def batch(slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    """Use Slurm with the example spec of a ``SLURMCluster``, on this machine's loopback."""
    slurm.use_example("slurm")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__INTERFACE", "lo")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__SCHEDULER_OPTIONS__DASHBOARD_ADDRESS", ":0")
    return slurm


@pytest.fixture
def slurm_runner(slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    """Use Slurm with the example spec of a ``SLURMRunner``, on this machine's loopback."""
    slurm.use_example("slurm-runner")
    use_loopback(monkeypatch)
    return slurm


@pytest.fixture
def mpi(
    slurm: Slurm,
    monkeypatch: pytest.MonkeyPatch,
    require_programs: Callable[..., Mapping[str, str]],
) -> Slurm:
    """Use Slurm with the example spec of an ``MPIRunner``, on this machine's loopback."""
    require_programs("mpirun", install="apt-get install -y --no-install-recommends openmpi-bin")
    slurm.use_example("mpi")
    use_loopback(monkeypatch)
    monkeypatch.setenv("OMPI_ALLOW_RUN_AS_ROOT", "1")
    monkeypatch.setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
    return slurm


def use_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay this machine's network over the spec of a Runner."""
    for part in ("SCHEDULER", "WORKER"):
        monkeypatch.setenv(f"DASK_CTL__CLUSTER_KWARGS__{part}_OPTIONS__INTERFACE", "lo")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__SCHEDULER_OPTIONS__DASHBOARD_ADDRESS", ":0")


class TestCluster(ClusterOfJobs):
    """``SLURMCluster``: each worker is a job."""

    refusal = "invalid partition specified: absent"
    submitting = "sbatch"

    def test_inside_a_job(self, batch: Slurm) -> None:
        """The script itself is a job, whose workers are further jobs."""
        run = batch.run_batch(f"{sys.executable} {SCRIPT}", tasks=1)
        assert (run.stdout, run.stderr, run.returncode) == (ANSWER, "", 0)


@pytest.mark.usefixtures("slurm")
def test_what_a_constructor_says_at_once_is_the_error() -> None:
    """The undoing of a cluster that was hardly begun does not hide why it failed."""
    spec = {"module": "dask_jobqueue", "class": "SLURMCluster", "kwargs": {"n_workers": 1}}
    with pytest.raises(ValueError, match="You must specify how much cores"):
        create_cluster(spec)


@pytest.mark.parametrize("options", [["-n", "4"], ["-N", "2", "-n", "4"]], ids=" ".join)
def test_runner_runs_the_script_unchanged(slurm_runner: Slurm, options: list[str]) -> None:
    """One rank runs the script, on one node and over two; every rank then exits with 0."""
    run = slurm_runner.run("srun", *options, sys.executable, SCRIPT)
    assert (run.stdout, run.returncode) == (ANSWER, 0), run.stderr
    assert "Traceback" not in run.stderr
    assert "ERROR" not in run.stderr


def test_runner_hands_on_configuration_and_variables(slurm_runner: Slurm) -> None:
    """What the spec hands on is in force in every rank."""
    run = slurm_runner.run("srun", "-n", "3", sys.executable, slurm_runner.carry())
    assert (run.stdout, run.returncode) == (SEEN, 0), run.stderr


def test_runner_runs_in_two_steps_of_one_job(slurm_runner: Slurm) -> None:
    """A second ``srun`` in a batch job does not take the first one's scheduler for its own."""
    step = f"srun {sys.executable} {SCRIPT}"
    run = slurm_runner.run_batch(f"{step} && {step}")
    assert (run.stdout, run.returncode) == (ANSWER * 2, 0), run.stderr
    assert "Traceback" not in run.stderr
    assert "ERROR" not in run.stderr


def test_runner_runs_in_two_steps_at_a_time(slurm_runner: Slurm) -> None:
    """Two ``srun`` side by side in one job are two clusters."""
    step = f"srun --overlap {sys.executable} {SCRIPT}"
    run = slurm_runner.run("salloc", "-n", "4", "sh", "-c", f"{step} & {step} & wait")
    assert (run.stdout, run.returncode) == (ANSWER * 2, 0), run.stderr
    assert "Traceback" not in run.stderr


def test_runner_of_a_requeued_job_ignores_the_scheduler_file_of_its_first_run(
    slurm_runner: Slurm,
) -> None:
    """A job that was killed and requeued has the same ids; its old scheduler file is no trap."""
    job = (
        'old="scheduler-$SLURM_JOB_ID-0.json"\n'
        """echo '{"address": "tcp://127.0.0.1:1"}' > "$old"\n"""
        f"SLURM_RESTART_COUNT=1 srun {sys.executable} {SCRIPT}\n"
        'code=$?; rm "$old"; exit $code\n'
    )
    run = slurm_runner.run("salloc", "-n", "4", "sh", "-c", job)
    assert (run.stdout, run.returncode) == (ANSWER, 0), run.stderr


def test_a_cancelled_runner_leaves_no_scheduler_file(slurm_runner: Slurm) -> None:
    """``scancel``, and the end of the time limit, end the ranks by SIGTERM."""
    waits = "from pathlib import Path\nPath('up').touch()\nimport time\ntime.sleep(600)\n"
    running = slurm_runner.start("srun", "-n", "4", sys.executable, slurm_runner.longer(waits))
    wait_until((slurm_runner.cwd / "up").exists, "the script waits")
    files = list(slurm_runner.cwd.glob("scheduler-*.json"))
    subprocess.run(["scancel", *output("squeue", "-h", "-o", "%A").split()], check=True)
    running.communicate(timeout=60)
    (slurm_runner.cwd / "up").unlink()
    wait_until(lambda: not any(file.exists() for file in files), "its file is gone")
    assert len(files) == 1


@pytest.mark.parametrize(
    ("end", "code", "tracebacks"),
    [("raise KeyError(results)", 1, 1), ("raise SystemExit(7)", 7, 0)],
)
def test_runner_passes_on_the_exit_code_of_the_script(
    slurm_runner: Slurm, end: str, code: int, tracebacks: int
) -> None:
    """How the script ends is how ``srun`` ends, and all ranks end with it."""
    run = slurm_runner.run("srun", "-n", "4", sys.executable, slurm_runner.longer(end))
    assert (run.stdout, run.returncode) == (ANSWER, code), run.stderr
    assert run.stderr.count("Traceback") == tracebacks, run.stderr


def test_runner_outside_a_job_says_what_to_do(slurm_runner: Slurm) -> None:
    """Without ``srun`` the script ends at once, with the command that would start it."""
    run = slurm_runner.run(sys.executable, SCRIPT)
    assert run.returncode == 1
    assert f"srun -n 4 python {SCRIPT}" in run.stderr.splitlines()[-1]


@pytest.mark.parametrize("tasks", [1, 2])
def test_runner_of_too_few_tasks_says_what_to_do(slurm_runner: Slurm, tasks: int) -> None:
    """One of them does, and all of them end: of the script, and of ``dask cluster run``."""
    said = (
        f"SLURMRunner needs 3 tasks, scheduler, client and a worker, and was given {tasks}; start"
    )
    run = slurm_runner.run("srun", "-n", str(tasks), sys.executable, SCRIPT)
    assert (run.returncode, run.stderr.count("Traceback"), run.stderr.count(said)) == (1, 1, 1)
    assert f"with: srun -n 4 python {SCRIPT}\n" in run.stderr
    run = slurm_runner.run("srun", "-n", str(tasks), *DASK_CLUSTER, "run", "--", "true")
    assert (run.returncode, run.stderr.count("Error: "), run.stderr.count(said)) == (5, 1, 1)
    assert "with: srun -n 4 dask cluster run -- true\n" in run.stderr


def test_run_with_a_runner(slurm_runner: Slurm, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the ranks of a step one runs the command; elsewhere it is said how to come there."""
    command = ["run", "--", "sh", "-c", "echo once; exit 3"]
    run = slurm_runner.run("srun", "-n", "3", *DASK_CLUSTER, *command)
    assert (run.stdout, run.returncode) == ("once\n", 3), run.stderr
    assert "Traceback" not in run.stderr
    how = "start it with: srun -n 4 dask cluster run -- sh -c 'echo once; exit 3'$"
    refused(
        slurm_runner.dask_cluster(*command), 5, f"SLURMRunner runs inside a job step, .*; {how}"
    )
    refused(slurm_runner.dask_cluster("create"), 4, "start a script there itself: srun -n 4 python")
    with monkeypatch.context() as patched:
        patched.setenv("PATH", "/nowhere")
        run = slurm_runner.dask_cluster("run", "--", sys.executable)
    refused(run, 5, "there is no srun here; go where there is one, or choose another spec$")


def test_runner_in_a_batch_script_without_srun_says_what_to_do(slurm_runner: Slurm) -> None:
    """So it does in a batch job, where it would otherwise be a scheduler without anyone else."""
    run = slurm_runner.run_batch(f"{sys.executable} {SCRIPT}")
    assert run.returncode == 1
    assert f"srun -n 4 python {SCRIPT}" in run.stderr.splitlines()[-1]


def test_mpirun_in_an_allocation_runs_the_script_unchanged(mpi: Slurm) -> None:
    """``salloc`` gives the ranks' places, and ``mpirun`` starts them there, through Slurm."""
    run = mpi.run("salloc", "-n", "4", "mpirun", sys.executable, SCRIPT)
    assert (run.stdout, run.returncode) == (ANSWER, 0), run.stderr
    assert "Traceback" not in run.stderr
    assert "ERROR" not in run.stderr


def test_mpirun_in_an_allocation_passes_on_the_exit_code(mpi: Slurm) -> None:
    """How the script ends is how ``salloc`` ends, and all ranks end with it."""
    run = mpi.run("salloc", "-n", "4", "mpirun", sys.executable, mpi.longer("raise SystemExit(7)"))
    assert (run.stdout, run.returncode) == (ANSWER, 7), run.stderr
    assert "Traceback" not in run.stderr
