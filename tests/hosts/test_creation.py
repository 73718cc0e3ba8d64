"""`dask cluster create` where all is well, late, interrupted or fails."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dask_ctl.hosts import store as records
from tests.backends.scripts import (
    DASK_CLUSTER,
    USE,
    Scripts,
    fill,
    kept_log,
    listed,
    ok,
    refused,
    wait_until,
)

THREADS_ALONE = ["--set", "kwargs.processes=false", "--set", "kwargs.protocol=inproc://"]


def test_workers_that_do_not_come(shell: Scripts) -> None:
    """Without the workers that `--wait` asks for, `--timeout` ends it all."""
    run = shell.dask_cluster("create", "--name", "a", "--wait", "2", "--timeout", "12")
    refused(run, 5, "cluster 'a' has 1 worker, not yet as many as .*; .* --timeout, .* its log: ")
    assert "creating dask.distributed.LocalCluster" in kept_log(run)


def test_no_wait(shell: Scripts, mine: Callable[[str], Path]) -> None:
    """A cluster that is still starting is listed as that, and refuses what it cannot do yet."""
    assert ok(shell.dask_cluster("create", mine("slow"), "--name", "a", "--no-wait"))
    wait_until((shell.cwd / "starting.yaml").exists, "its class is called")
    (row,) = listed(shell)
    assert (row["status"], row["address"], row["workers"]) == ("starting", None, None)
    assert "status:     starting" in ok(shell.dask_cluster("show", "a"))
    for verb in (["scale", "a", "2"], ["adapt", "a", "--maximum", "2"]):
        refused(shell.dask_cluster(*verb), 5, "cluster 'a' is still starting; see: ")
    (shell.cwd / "go-on.yaml").touch()
    wait_until(lambda: records.read("a").status == "running", "it is there")
    ok(shell.dask_cluster("scale", "a", "2"))
    ok(shell.dask_cluster("delete", "a"))


def test_deleted_while_it_starts(shell: Scripts, mine: Callable[[str], Path]) -> None:
    """`delete` waits until what has been started can be ended, and ends it."""
    ok(shell.dask_cluster("create", mine("slow"), "--name", "a", "--no-wait"))
    wait_until((shell.cwd / "starting.yaml").exists, "its class is called")
    deleting = shell.start(*DASK_CLUSTER, "delete", "a")
    wait_until(lambda: "interrupted: mine.slow" in records.read("a").log.read_text(), "it is told")
    (shell.cwd / "go-on.yaml").touch()
    out, err = deleting.communicate(timeout=60)
    assert (out, err, deleting.returncode) == ("", "deleting a\nDeleted a.\n", 0)


def test_a_constructor_that_hangs(shell: Scripts, mine: Callable[[str], Path]) -> None:
    """`--timeout` ends a class that never comes back."""
    run = shell.dask_cluster("create", mine("slow"), "--name", "a", "--timeout", "2")
    refused(run, 5, "cluster 'a' was not there in time; it said: .*mine.slow.*; give it more")


@pytest.mark.parametrize("name", ["slow", "hanging"])
def test_interrupted(shell: Scripts, mine: Callable[[str], Path], name: str) -> None:
    """Ctrl-C during `create` ends what was begun; whoever presses it again does not wait."""
    process = shell.start(*DASK_CLUSTER, "create", mine(name), "--name", "a")
    wait_until((shell.cwd / "starting.yaml").exists, "its class is called")
    log = records.read("a").log
    os.killpg(process.pid, signal.SIGINT)
    wait_until(lambda: "interrupted: mine." in log.read_text(), "its host is told")
    if name == "slow":
        (shell.cwd / "go-on.yaml").touch()
    else:
        for _ in range(2):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.5)  # two signals at once are one
    out, err = process.communicate(timeout=60)
    assert (out, process.returncode) == ("", 1)
    assert "Traceback" not in err
    assert err.rstrip().endswith("Aborted!")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("failing", "failing.yaml:3: mine.failing failed: no such luck; check its args"),
        ("exiting", "exiting.yaml:3: mine.exiting failed: no licence; check its args"),
        ("dying", "creating cluster 'a' ended without a word: last words; see whether"),
    ],
)
def test_a_class_that_fails(
    shell: Scripts, mine: Callable[[str], Path], name: str, error: str
) -> None:
    """The reason that a class gives, or else the last line of the log, is the error."""
    refused(shell.dask_cluster("create", mine(name), "--name", "a"), 5, error)


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["nix.yaml"], 3, "spec file 'nix.yaml' does not exist .*; create it"),
        (["--set", "kwargs.n_worker=1"], 4, "takes no such argument; did you mean 'n_workers'"),
        (["--set", "class=LocalClustr"], 4, "has no 'LocalClustr'; did you mean 'LocalCluster'"),
        (THREADS_ALONE, 4, "inside its own process only; write 'protocol: tcp"),
        (["--set", "module=nix"], 5, "there is no module 'nix'; check the name"),
        (["--wait", "1", "--no-wait"], 2, "exclude each other"),
    ],
)
def test_what_cannot_be_created(
    shell: Scripts, arguments: list[str], code: int, error: str
) -> None:
    """A spec that is missing or wrong is one line and its exit code; nothing is left."""
    run = shell.dask_cluster("create", *arguments)
    assert (run.stdout, run.returncode) == ("", code), run.stderr
    assert re.search(error, run.stderr.splitlines()[-1]), run.stderr
    assert "Traceback" not in run.stderr


def test_threads_that_listen(shell: Scripts) -> None:
    """A cluster of threads can be created if it is told to listen, as the refusal says."""
    tcp = ["--set", "kwargs.processes=false", "--set", "kwargs.protocol=tcp"]
    ok(shell.dask_cluster("create", "--name", "a", *tcp))
    (shell.cwd / "snippet.py").write_text(ok(shell.dask_cluster("snippet", "a")) + USE)
    assert ok(shell.python("snippet.py")) == "3\n"
    ok(shell.dask_cluster("delete", "a"))


def test_a_folder_that_cannot_be_written(shell: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a place for its record no cluster is begun."""
    monkeypatch.setenv("XDG_STATE_HOME", "/proc")
    refused(shell.dask_cluster("create"), 5, "/proc/dask-ctl/clusters: cannot be written: .*; ")


def test_a_full_disk(shell: Scripts, small_disk: Path) -> None:
    """A full disk refuses a new cluster, and does not keep an old one from being ended."""
    ok(shell.dask_cluster("create", "--name", "a"))
    filler = fill(small_disk)
    refused(shell.dask_cluster("create", "--name", "b"), 5, "cannot be written: No space left .*; ")
    ok(shell.dask_cluster("scale", "a", "2"))
    assert [row["name"] for row in listed(shell)] == ["a"]
    ok(shell.dask_cluster("delete", "a"))
    filler.unlink()


@pytest.mark.parametrize("output", [">/dev/full", "| true", ">&-"], ids=["full", "pipe", "closed"])
def test_a_name_that_cannot_be_printed(shell: Scripts, output: str) -> None:
    """A cluster of which nobody has learnt the name is ended, and the exit code says so."""
    into = f'{{ "$0" "$1" create; echo $? >code.yaml; }} {output}'
    _, err = shell.start("sh", "-c", into, *DASK_CLUSTER).communicate(timeout=90)
    assert (shell.cwd / "code.yaml").read_text() == "5\n", err
    assert "the name of the cluster cannot be printed: " in err.splitlines()[-1]
    assert records.names() == []
