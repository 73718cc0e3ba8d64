"""A Grid Engine of one node, this machine: its parts, and what a test asks of it."""

from __future__ import annotations

import getpass
import socket
import subprocess
from pathlib import Path

from tests.backends.batch import BatchSystem
from tests.backends.daemons import output
from tests.backends.scripts import wait_until

# Where Debian keeps what is not for users, and the defaults.
LIB = Path("/usr/lib/gridengine")
SHARE = Path("/usr/share/gridengine")
INSTALL = (
    "apt-get install -y --no-install-recommends gridengine-master gridengine-exec gridengine-client"
)

BOOTSTRAP = """\
admin_user {user}
default_domain none
ignore_fqdn true
spooling_method berkeleydb
spooling_lib libspoolb
spooling_params {folder}/spooldb
binary_path {lib}
qmaster_spool_dir {folder}/qmaster
security_mode none
listener_threads 2
worker_threads 2
scheduler_threads 1
"""

# What differs from the defaults that the packages bring.
CONFIGURATION = {
    "execd_spool_dir": "{folder}/execd",
    "load_report_time": "00:00:01",
    "min_uid": "0",
    "min_gid": "0",
}
SCHEDULER = {"schedule_interval": "0:0:1", "flush_submit_sec": "1", "flush_finish_sec": "1"}
QUEUE = {
    "qname": "all.q",
    "hostlist": "localhost",
    # Room for two jobs of the example spec, whatever this machine has.
    "slots": "16",
    "load_thresholds": "NONE",
    "pe_list": "smp",
    "tmpdir": "{folder}/tmp",
}
PROJECT = {"name": "my-project", "oticket": "0", "fshare": "0", "acl": "NONE", "xacl": "NONE"}
EXECUTION_HOST = {
    "hostname": "localhost",
    **dict.fromkeys(
        ("load_scaling", "complex_values", "user_lists", "xuser_lists", "projects", "xprojects"),
        "NONE",
    ),
    "usage_scaling": "NONE",
    "report_variables": "NONE",
}


def prepare(folder: Path) -> None:
    """Write a cell and its empty database; ``SGE_ROOT`` is `folder`."""
    folder.chmod(0o755)
    common = folder / "default" / "common"
    for new in (common, folder / "qmaster" / "job_scripts", folder / "execd", folder / "tmp"):
        new.mkdir(parents=True)
    (folder / "spooldb").mkdir()
    (folder / "util").symlink_to(SHARE / "util")
    (common / "bootstrap").write_text(
        BOOTSTRAP.format(user=getpass.getuser(), folder=folder, lib=LIB)
    )
    # Under whichever name and address this machine knows itself, it is localhost.
    (common / "act_qmaster").write_text("localhost\n")
    (common / "host_aliases").write_text(f"localhost {socket.gethostname()}\n")
    _run(LIB / "spoolinit", "berkeleydb", "libspoolb", folder / "spooldb", "init")
    defaults = (SHARE / "default-configuration").read_text()
    configuration = _changed(folder, "configuration", defaults, CONFIGURATION)
    _run(LIB / "spooldefaults", "configuration", configuration)
    for part, name in (("complexes", "centry"), ("usersets", "usersets")):
        _run(LIB / "spooldefaults", part, SHARE / "util" / "resources" / name)
    _run(LIB / "spooldefaults", "managers", getpass.getuser())


def configure(folder: Path) -> None:
    """Tell a running qmaster of its one node, and of the queue and the project of the spec."""
    _run("qconf", "-as", "localhost")
    _run("qconf", "-Ae", _changed(folder, "host", "", EXECUTION_HOST))
    _run("qconf", "-Ap", SHARE / "util" / "resources" / "pe" / "smp")
    _run("qconf", "-Aprj", _changed(folder, "project", "", PROJECT))
    _run("qconf", "-Msconf", _changed(folder, "scheduler", output("qconf", "-ssconf"), SCHEDULER))
    _run("qconf", "-Aq", _changed(folder, "queue", output("qconf", "-sq"), QUEUE))


def _changed(folder: Path, name: str, text: str, changes: dict[str, str]) -> Path:
    values = dict(line.split(None, 1) for line in text.splitlines() if line[:1] not in ("", "#"))
    values |= {key: value.format(folder=folder) for key, value in changes.items()}
    path = folder / name
    path.write_text("".join(f"{key} {value}\n" for key, value in values.items()))
    return path


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def cancel_all() -> None:
    """Take every job out of the queue."""
    subprocess.run(["qdel", "-u", "*"], capture_output=True, timeout=30, check=False)
    wait_until(lambda: not output("qstat", "-u", "*"), "the queue is empty")


class GridEngine(BatchSystem):
    """A user's folder and environment on a machine where ``qsub`` works."""

    def queue(self) -> list[str]:
        """Give the state of each job that is queued, running or ending."""
        states = {"qw": "PENDING", "t": "RUNNING", "r": "RUNNING"}
        jobs = output("qstat", "-u", "*").splitlines()[2:]
        return [states.get(state, state) for state in (job.split()[4] for job in jobs)]
