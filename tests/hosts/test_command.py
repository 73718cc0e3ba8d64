"""`dask cluster run --detach`: a command that a host runs, and what is kept of it."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace

import psutil
import pytest

from dask_ctl import launch_cluster, list_clusters, wait_for_command
from dask_ctl.exceptions import BackendError
from dask_ctl.hosts import store as records
from tests.backends.scripts import (
    DASK_CLUSTER,
    USE,
    Scripts,
    host_of,
    listed,
    ok,
    refused,
    wait_until,
)
from tests.conftest import ROOT

# Ends when it may, with an exit code, having used the cluster.
WORK = f"""\
import sys, time
from pathlib import Path
from dask.distributed import Client

client = Client()
{USE}
sys.stdout.flush()
Path("working.yaml").touch()
while not Path("go-on.yaml").exists():
    time.sleep(0.05)
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for no other clusters on this machine, which may be too busy to answer."""
    monkeypatch.setenv("DASK_CTL__DISABLE_DISCOVERY", "['schedulers']")
    monkeypatch.setenv("DASK_CTL__DISCOVERY__TIMEOUT", "60")


@pytest.fixture
def work(shell: Scripts) -> tuple[str, ...]:
    """A command that works until it may end, with exit code 3."""
    (shell.cwd / "work.py").write_text(WORK)
    return sys.executable, "work.py", "3"


def working(shell: Scripts) -> None:
    """Wait until the command works."""
    wait_until((shell.cwd / "working.yaml").exists, "the command works")


def test_it_is_known_to_every_command(shell: Scripts, work: tuple[str, ...]) -> None:
    """`list`, `show`, `logs` and `wait` know it, the last two also when it has ended."""
    run = shell.dask_cluster("run", "--detach", "--name", "night", "--", *work)
    assert ok(run) == "night\n"
    working(shell)
    (row,) = listed(shell)
    assert (row["command"], row["status"]) == (" ".join(work), "running")
    assert "work.py 3" in ok(shell.dask_cluster("show", "night"))
    taken = shell.dask_cluster("run", "--detach", "--name", "night", "--", "true")
    refused(taken, 4, "there is a cluster 'night' already")
    refused(shell.dask_cluster("wait", "night", "--timeout", "0"), 5, "has not ended; wait longer")
    waiting = shell.start(*DASK_CLUSTER, "wait", "night")
    following = shell.start(*DASK_CLUSTER, "logs", "night", "--follow")
    (shell.cwd / "go-on.yaml").touch()
    ended = shell.finished(waiting)
    last = "The command of night has ended with exit code 3."
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (3, last)
    assert "the command has ended with exit code 3" in shell.finished(following).stdout
    assert shell.dask_cluster("wait", "night").returncode == 3
    refused(
        shell.dask_cluster("show", "night"), 6, "its command has ended with exit code 3; to see"
    )
    assert "\n3\n" in ok(shell.dask_cluster("logs", "night"))
    assert listed(shell) == []
    wait_until(lambda: not shell.processes(), "every process has ended")


def test_deleting_ends_it(shell: Scripts, work: tuple[str, ...]) -> None:
    """The command and its children end with the cluster, and whoever waits for it is told."""
    shell.dask_cluster(
        "run", "--detach", "--name", "a", "--", "sh", "-c", f"{' '.join(work)}; true"
    )
    working(shell)
    waiting = shell.start(*DASK_CLUSTER, "wait", "a")
    ok(shell.dask_cluster("delete", "a"))
    refused(shell.finished(waiting), 6, "'a' was ended before its command|no cluster 'a'")
    wait_until(lambda: not shell.processes(), "every process has ended")
    refused(shell.dask_cluster("wait", "a"), 6, "there is no cluster 'a'")


def test_in_python(shell: Scripts, work: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same by functions; a command ended by a signal is told by its number."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    name = launch_cluster("dask-cluster.yaml", command=work)
    working(shell)
    (info,) = list_clusters("recorded")
    assert " runs " in info.state
    with pytest.raises(BackendError, match="has not ended"):
        wait_for_command(name, timeout=0)
    (process,) = [
        each for each in psutil.Process(host_of(name).pid).children() if "work.py" in each.cmdline()
    ]
    process.send_signal(signal.SIGKILL)
    assert wait_for_command(name) == 137


@pytest.mark.parametrize(
    ("command", "error"),
    [("nix", "there is no program 'nix'"), ("./broken.yaml", "cannot be run: Exec format error")],
)
def test_what_cannot_be_run(shell: Scripts, command: str, error: str) -> None:
    """Nothing is left."""
    broken = shell.cwd / "broken.yaml"
    broken.write_bytes(b"\0")
    broken.chmod(0o700)
    refused(shell.dask_cluster("run", "--detach", "--", command), 5, error)
    wait_until(lambda: not shell.processes(), "every process has ended")


def test_a_name_that_is_used_again(shell: Scripts) -> None:
    """What is kept of an earlier cluster is not said of a later one."""
    ok(shell.dask_cluster("run", "--detach", "--name", "a", "--", "sh", "-c", "exit 3"))
    assert shell.dask_cluster("wait", "a").returncode == 3
    ok(shell.dask_cluster("create", "--name", "a"))
    ok(shell.dask_cluster("delete", "a"))
    for verb in ("wait", "logs"):
        refused(shell.dask_cluster(verb, "a"), 6, "there is no cluster 'a'")


def test_secrets_are_not_recorded(shell: Scripts) -> None:
    """What looks like a secret on the command line is masked in its record."""
    (shell.cwd / "work.py").write_text("import time\ntime.sleep(3600)\n")
    command = (sys.executable, "work.py", "--password", "pa55word")
    ok(shell.dask_cluster("run", "--detach", "--name", "a", "--", *command))
    assert listed(shell)[0]["command"].endswith("work.py --password ***")
    assert "pa55word" not in (records.folder() / "a.json").read_text()
    ok(shell.dask_cluster("delete", "a"))


def test_a_cluster_without_one(shell: Scripts) -> None:
    """`wait` is for a worker, and the function says None at once."""
    ok(shell.dask_cluster("create", "--name", "a"))
    assert wait_for_command("a") is None
    ok(shell.dask_cluster("wait", "a"))
    ok(shell.dask_cluster("delete", "a"))


def test_a_host_that_was_killed(shell: Scripts, work: tuple[str, ...]) -> None:
    """How the command has ended is not known, and so not said; it is listed, and ended."""
    ok(shell.dask_cluster("run", "--detach", "--name", "a", "--", *work))
    working(shell)
    psutil.Process(host_of("a").pid).kill()
    refused(
        shell.dask_cluster("wait", "a"), 5, "the host of cluster 'a' has ended before its command"
    )
    (row,) = listed(shell)
    assert (row["status"], row["command"]) == ("orphaned", " ".join(work))
    ok(shell.dask_cluster("delete", "a"))
    wait_until(lambda: not shell.processes(), "every process has ended")


def test_a_command_that_ended_after_its_host(shell: Scripts, work: tuple[str, ...]) -> None:
    """It is not said to run, and a process that has since got its id is not ended."""
    ok(shell.dask_cluster("run", "--detach", "--name", "a", "--", *work))
    working(shell)
    psutil.Process(host_of("a").pid).kill()
    process = records.read("a").process
    assert process is not None
    (shell.cwd / "go-on.yaml").touch()
    wait_until(lambda: records.read("a").running is None, "the command has ended")
    (row,) = listed(shell)
    assert (row["status"], row["command"]) == ("dead", None)
    other = shell.start(sys.executable, "-c", "import time; time.sleep(3600)")
    reused = replace(records.read("a"), process={**process, "pid": other.pid, "started": 1.0})
    records.update(reused)
    ok(shell.dask_cluster("delete", "a"))
    assert other.poll() is None
    other.kill()
