"""`dask cluster` on Grid Engine: what its clusters leave in the queue, however they end."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from grid_engine import GridEngine

from dask_ctl.hosts import store as records
from tests.backends.scripts import USE, host_of, ok, refused, wait_until


def test_jobs_of_a_killed_host(batch: GridEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are named where nobody can cancel them, and gone when `delete` is done elsewhere."""
    batch.ask_for(3)
    ok(batch.dask_cluster("create", "--name", "a"))
    states = ["PENDING", "RUNNING", "RUNNING"]
    wait_until(lambda: sorted(batch.queue()) == states, "two jobs run and one waits")
    os.kill(host_of("a").pid, signal.SIGKILL)
    wait_until(lambda: records.read("a").life == "dead", "it has ended")
    jobs = records.read("a").jobs
    assert len(jobs) == 3
    with monkeypatch.context() as patched:
        patched.setenv("PATH", "/nowhere")
        refused(batch.dask_cluster("delete", "a"), 5, f"these jobs of .* {', '.join(jobs)}")
    assert records.read("a").jobs == jobs
    ok(batch.dask_cluster("delete", "a"))
    assert (batch.queue(), records.names()) == ([], [])


def test_an_end_when_idle(batch: GridEngine) -> None:
    """Its jobs leave the queue, the one that waits too, and the log tells why."""
    batch.ask_for(3)
    ok(batch.dask_cluster("create", "--name", "a", "--wait", "1", "--idle-timeout", "20s"))
    wait_until(lambda: not records.exists("a"), "it has ended", timeout=90)
    assert batch.queue() == []
    assert "closing after being idle for 20.00 s" in ok(batch.dask_cluster("logs", "a"))


def test_a_command_that_is_left(batch: GridEngine) -> None:
    """It computes in jobs, which are gone when it has ended."""
    batch.ask_for(1)
    (batch.cwd / "work.py").write_text(
        f"from dask.distributed import Client\nclient = Client()\n{USE}"
    )
    command = (sys.executable, "work.py")
    ok(batch.dask_cluster("run", "--detach", "--name", "a", "--", *command))
    ok(batch.dask_cluster("wait", "a"))
    assert batch.queue() == []
    assert "\n3\n" in ok(batch.dask_cluster("logs", "a"))
