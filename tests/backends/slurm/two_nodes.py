"""A Slurm of two nodes, both of them this machine: its parts, and what a test asks of it."""

from __future__ import annotations

import getpass
import re
import secrets
import socket
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from tests.backends.batch import BatchSystem
from tests.backends.daemons import free_ports, output, start_daemon
from tests.backends.scripts import wait_until
from tests.conftest import aborted, own_words

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "sinfo", "squeue", "srun")
INSTALL = "apt-get install -y --no-install-recommends slurm-wlm slurmctld slurmd slurm-client munge"

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
ProctrackType=proctrack/pgid
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
# Nodes of 8 CPUs each, whatever this machine has: room for one job of the example spec.
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,batch_sched_delay=0
ReturnToService=2
KillWait=3
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=8 RealMemory=32000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=8 RealMemory=32000
PartitionName=batch Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
"""


def start(at_end: ExitStack, folder: Path, conf: Path, programs: Mapping[str, str]) -> None:
    """Start munge, a controller and two nodes in a folder, and wait until these are idle."""
    write_configuration(folder, conf)
    start_daemon(at_end, programs["munged"], *munge_options(folder))
    wait_until((folder / "munge.socket").exists, "munged listens")
    start_daemon(at_end, programs["slurmctld"], "-D", "-c", "-f", conf)
    for node in ("n1", "n2"):
        start_daemon(at_end, programs["slurmd"], "-D", "-N", node, "-f", conf)
    at_end.callback(cancel_all)
    wait_until(lambda: output("sinfo", "-h", "-N", "-o", "%t").split() == ["idle"] * 2, "idle")


def write_configuration(folder: Path, conf: Path) -> None:
    folder.chmod(0o755)
    (folder / "state").mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    host = socket.gethostname().partition(".")[0]
    conf.write_text(
        SLURM_CONF.format(folder=folder, host=host, user=getpass.getuser(), ports=free_ports(3))
    )


def munge_options(folder: Path) -> list[str]:
    files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "seed-file": "seed"}
    options = [f"--{option}={folder}/munge.{ending}" for option, ending in files.items()]
    return ["--foreground", "--force", f"--log-file={folder}/munge.log", *options]


def cancel_all() -> None:
    subprocess.run(["scancel", "--full", "--user", getpass.getuser()], timeout=30, check=False)
    wait_until(lambda: not output("squeue", "-h"), "the queue is empty")


class Slurm(BatchSystem):
    """A user's folder and environment on a machine where ``sbatch`` works."""

    def run_batch(self, command: str, tasks: int = 4) -> subprocess.CompletedProcess[str]:
        """Submit a shell command as a batch job with ``sbatch``, and wait for its end."""
        # Not with --wait, which looks every few seconds, then every half minute.
        options = ["--parsable", "-n", str(tasks), "-o", "out", "-e", "err", "--wrap", command]
        submitted = self.run("sbatch", *options)
        assert submitted.returncode == 0, submitted.stderr
        wait_until(lambda: not self.queue(), "the job has ended", timeout=60)
        job = output("scontrol", "show", "job", "-o", submitted.stdout.strip())
        code = re.search(r" ExitCode=(\d+):", job)
        assert code, job
        out, err = ((self.cwd / name).read_text() for name in ("out", "err"))
        for name in ("out", "err"):
            (self.cwd / name).unlink()
        if aborted(int(code[1]), err):
            return self.run_batch(command, tasks)
        return subprocess.CompletedProcess(command, int(code[1]), out, own_words(err))

    def queue(self) -> list[str]:
        """Give the state of each job that is queued, running or ending."""
        return output("squeue", "-h", "-o", "%T").split()
