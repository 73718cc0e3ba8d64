"""A simulation of Windows: our modules find only what there is of the system there.

Locks (``msvcrt``) and flags of creation are Windows' own, and not tried here; nor is what lies
below us. The workflow of public CI runs on Windows itself.
"""

from __future__ import annotations

import json
import signal
import sys

import pytest

from dask_ctl.hosts import store
from tests.backends.scripts import (
    ANSWER,
    DASK_CLUSTER,
    SCRIPT,
    SPEC,
    USE,
    Scripts,
    listed,
    ok,
    refused,
    wait_until,
)
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it takes away what Linux has")
FOLDER = ROOT / "tests" / "windows"


@pytest.fixture
def windows(scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> Scripts:
    """Scripts all of whose processes, and those that they start, see no more than that."""
    (scripts.cwd / "dask-cluster.yaml").write_text(SPEC)
    monkeypatch.setenv("PYTHONPATH", f"{FOLDER}:{ROOT}")
    return scripts


def test_it_is_simulated(windows: Scripts) -> None:
    """Names are missing for our modules, and for nobody else."""
    program = windows.cwd / "program.py"
    program.write_text(
        "import os, signal, psutil\n"
        "from dask_ctl import _platform\n"
        "print(_platform.user_id(), _platform.boot())\n"
        "print([each.name for each in _platform.ending_signals()])\n"
        "print(_platform.owned_by_user(psutil.Process()), os.getuid(), signal.SIGKILL)\n"
    )
    lines = ok(windows.python(program)).splitlines()
    assert lines[:2] == ["None None", "['SIGTERM']"]
    assert lines[2].startswith("True ")


def test_a_script(windows: Scripts) -> None:
    """It runs unguarded, with processes."""
    run = windows.python(SCRIPT)
    assert (ok(run), run.stderr) == (ANSWER, "")


def test_from_creation_to_deletion(windows: Scripts) -> None:
    """Every verb does its work on a cluster that another process created."""
    assert ok(windows.dask_cluster("create", "--name", "a", "--wait", "1")) == "a\n"
    (row,) = listed(windows)
    assert (row["name"], row["status"], row["workers"]) == ("a", "running", 1)
    ok(windows.dask_cluster("scale", "a", "2"))
    assert json.loads(ok(windows.dask_cluster("show", "a", "-o", "json")))["workers"] == 2
    (windows.cwd / "snippet.py").write_text(ok(windows.dask_cluster("snippet", "a")) + USE)
    assert ok(windows.python("snippet.py")) == "3\n"
    ok(windows.dask_cluster("logs", "a"))
    ok(windows.dask_cluster("delete", "--yes", "a"))
    assert listed(windows) == []


def test_a_scheduler_of_somebody(windows: Scripts) -> None:
    """It is found by where it listens, which a system without ``/proc`` tells as well."""
    file = windows.cwd / "scheduler.json"
    options = ("--port", "0", "--no-dashboard", "--scheduler-file", file.name)
    scheduler = windows.start(DASK_CLUSTER[0], "scheduler", *options)
    try:
        wait_until(lambda: file.exists() and file.read_text().endswith("}"), "a scheduler", 60)
        listing = ok(windows.dask_cluster("list", "schedulers", "-o", "json"))
        addresses = {each["address"] for each in json.loads(listing)}
        assert json.loads(file.read_text())["address"] in addresses
    finally:
        scheduler.kill()
        scheduler.communicate()
    file.unlink()


def test_a_cluster_that_ends_by_itself(windows: Scripts) -> None:
    """Its host ends it, and keeps its log, although no file can be replaced that is open."""
    options = ("--set", "kwargs.processes=false", "--idle-timeout", "2s")
    ok(windows.dask_cluster("create", "--name", "a", *options))
    wait_until(lambda: not listed(windows), "the end of an idle cluster", 60)
    logged = windows.dask_cluster("logs", "a")
    assert "being idle for" in ok(logged)
    assert "cluster 'a' has ended by itself" in logged.stderr


def test_a_list_that_is_watched(windows: Scripts) -> None:
    """It is printed again and again, until Ctrl-C."""
    ok(windows.dask_cluster("create", "--name", "a"))
    watched = windows.start(*DASK_CLUSTER, "list", "recorded", "--watch", "--output", "name")
    assert watched.stdout is not None
    assert [watched.stdout.readline() for _ in range(2)] == ["a\n", "a\n"]
    watched.send_signal(signal.SIGINT)
    assert windows.finished(watched).returncode == 0
    ok(windows.dask_cluster("delete", "--yes", "a"))


def test_a_spec_that_is_used_from_now_on(windows: Scripts) -> None:
    """By a file of the user's configuration, which is replaced each time."""
    (windows.cwd / "other.yaml").write_text(SPEC)
    for option in ([], ["--local"]):
        ok(windows.dask_cluster("spec", "use", "other.yaml", *option))
        assert "other.yaml:" in ok(windows.dask_cluster("spec", "show"))
    for option in (["--local"], []):
        ok(windows.dask_cluster("spec", "use", "--unset", *option))
    assert "other.yaml:" not in ok(windows.dask_cluster("spec", "show"))


def test_a_cluster_that_cannot_be_created(windows: Scripts) -> None:
    """It says why, and leaves nothing, although no file can be removed that is open."""
    (windows.cwd / "dask-cluster.yaml").write_text(SPEC + "  host: 203.0.113.1\n")
    refused(windows.dask_cluster("create", "--name", "a"), 5, "assign requested address")
    assert not list(store.folder().glob("a*"))


def test_a_command_that_is_run(windows: Scripts) -> None:
    """It finds the cluster, and its exit code is handed on."""
    program = windows.cwd / "program.py"
    program.write_text(
        "import sys\nfrom distributed import Client\n"
        "print(Client().submit(sum, [1, 2]).result())\nsys.exit(3)\n"
    )
    run = windows.dask_cluster("run", "--", sys.executable, str(program))
    assert (run.returncode, run.stdout) == (3, "3\n"), run.stderr


@pytest.mark.parametrize("command", [["spec", "show"], ["spec", "check"], ["spec", "list"]])
def test_questions(windows: Scripts, command: list[str]) -> None:
    """They are answered as elsewhere."""
    ok(windows.dask_cluster(*command))
