"""A Slurm of two nodes, both of them this machine: its parts, and what a test asks of it."""

from __future__ import annotations

import getpass
import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.conftest import own_words

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "docs" / "examples"

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "sinfo", "squeue", "srun")
INSTALL = "apt-get install -y --no-install-recommends slurm-wlm slurmctld slurmd slurm-client munge"

# What the example specs leave to the machine.
THIS_MACHINE = {
    "slurm": {
        "INTERFACE": "lo",
        "N_WORKERS": "2",
        "MEMORY": "1GB",
        "SCHEDULER_OPTIONS__DASHBOARD_ADDRESS": ":0",
    },
    "slurm-runner": {
        "SCHEDULER_OPTIONS__INTERFACE": "lo",
        "SCHEDULER_OPTIONS__DASHBOARD_ADDRESS": ":0",
        "WORKER_OPTIONS__INTERFACE": "lo",
    },
}

SLURM_CONF = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmdLogFile={folder}/slurmd.%n.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
# Nodes of 16 CPUs each, whatever this machine has.
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,batch_sched_delay=0
ReturnToService=2
KillWait=3
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=16 RealMemory=32000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=16 RealMemory=32000
PartitionName=batch Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
"""


def wait_until(done: Callable[[], object], what: str, timeout: float = 30) -> None:
    """Wait for a condition, and fail with what was awaited if it does not come true.

    Parameters
    ----------
    done : callable
        The condition.
    what : str
        Its description.
    timeout : float
        How long to wait, in seconds.
    """
    deadline = time.monotonic() + timeout
    while not done():
        if time.monotonic() > deadline:
            pytest.fail(f"after {timeout:g} s still not: {what}")
        time.sleep(0.05)


def write_configuration(folder: Path, conf: Path) -> None:
    folder.chmod(0o755)
    (folder / "state").mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    host = socket.gethostname().partition(".")[0]
    conf.write_text(
        SLURM_CONF.format(folder=folder, host=host, user=getpass.getuser(), ports=_free_ports(3))
    )


def munge_options(folder: Path) -> list[str]:
    files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "seed-file": "seed"}
    options = [f"--{option}={folder}/munge.{ending}" for option, ending in files.items()]
    return ["--foreground", "--force", f"--log-file={folder}/munge.log", *options]


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def start_daemon(at_end: ExitStack, *command: str | Path) -> None:
    """Start a daemon that stays in the foreground, so that its process is ours to end."""
    daemon = subprocess.Popen(
        [*map(str, command)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    at_end.callback(_stop, daemon)


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(timeout=10)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def output(*command: str) -> str:
    run = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return run.stdout if run.returncode == 0 else f"{command[0]} failed: {run.stderr}"


def cancel_all() -> None:
    subprocess.run(["scancel", "--full", "--user", getpass.getuser()], timeout=30, check=False)
    wait_until(lambda: not output("squeue", "-h"), "the queue is empty")


@dataclass(frozen=True)
class Slurm:
    """What a test asks of Slurm, all of it in the test's own folder and environment."""

    cwd: Path
    home: Path

    def use_example(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make an example spec the current one, with this machine's details laid over it."""
        shutil.copy(EXAMPLES / name / "dask-cluster.yaml", self.cwd)
        for key, value in THIS_MACHINE[name].items():
            monkeypatch.setenv(f"DASK_CTL__CLUSTER_KWARGS__{key}", value)

    def start(self, *command: str | Path) -> subprocess.Popen[str]:
        """Start a command in a process group of its own, as a shell does in a terminal."""
        return subprocess.Popen(
            [*map(str, command)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=self.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str | Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command to its end.

        Parameters
        ----------
        *command : str or Path
            The command.
        timeout : float
            How long it may take, in seconds; a command that takes longer is killed.
        """
        process = self.start(*command)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.kill_all()
            out, err = process.communicate()
            pytest.fail(f"not done after {timeout:g} s: {command}\n{out}\n{err}")
        return subprocess.CompletedProcess(command, process.returncode, out, own_words(err))

    def run_batch(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Submit a batch job of four tasks with ``sbatch``, and wait for its end."""
        # Not with --wait, which looks every few seconds, then every half minute.
        submitted = self.run(
            "sbatch", "--parsable", "-n", "4", "-o", "out", "-e", "err", *arguments
        )
        assert submitted.returncode == 0, submitted.stderr
        wait_until(lambda: not self.queue(), "the job has ended", timeout=60)
        job = output("scontrol", "show", "job", "-o", submitted.stdout.strip())
        code = re.search(r" ExitCode=(\d+):", job)
        assert code, job
        out, err = (self.cwd / name for name in ("out", "err"))
        return subprocess.CompletedProcess(
            arguments, int(code[1]), out.read_text(), err.read_text()
        )

    def queue(self) -> list[str]:
        """Give the state of each job that is queued, running or ending."""
        return output("squeue", "-h", "-o", "%T").split()

    def processes(self) -> list[psutil.Process]:
        """Give the processes, jobs' included, that run in the environment of this test."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.pid != os.getpid() and process.environ().get("HOME") == str(self.home):
                    found.append(process)
        return found

    def kill_all(self) -> None:
        """Kill the processes that run in the environment of this test."""
        for process in self.processes():
            with suppress(psutil.Error):
                process.kill()

    def files(self) -> list[Path]:
        """Give the files that schedulers and jobs leave, except the logs in the test's folder."""
        return [
            *self.cwd.parent.rglob("scheduler-*.json"),
            *ROOT.glob("scheduler-*.json"),
            *ROOT.glob("slurm-*.out"),
            *self.home.rglob("slurm-*.out"),
        ]
