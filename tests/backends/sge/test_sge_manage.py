"""`dask cluster` on Grid Engine: what a killed host leaves in the queue is cancelled."""

from __future__ import annotations

import os
import signal

import pytest
from grid_engine import GridEngine

from dask_ctl.hosts import store as records
from tests.backends.scripts import host_of, ok, refused, wait_until


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
