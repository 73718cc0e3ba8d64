"""`dask cluster` on the other clusters of this machine: processes, and jobs that are processes."""

from __future__ import annotations

import os
import signal

import pytest

from dask_ctl.hosts import store as records
from tests.backends.scripts import USE, Scripts, host_of, listed, ok, wait_until

DASHBOARD = {
    "subprocess": "DASHBOARD_ADDRESS",
    "local-jobqueue": "SCHEDULER_OPTIONS__DASHBOARD_ADDRESS",
}


@pytest.mark.parametrize("name", DASHBOARD)
@pytest.mark.parametrize("end", ["delete", "kill"])
def test_from_creation_to_deletion(
    scripts: Scripts, monkeypatch: pytest.MonkeyPatch, name: str, end: str
) -> None:
    """It is found, scaled and deleted by other processes; so is what a killed host leaves."""
    scripts.use_example(name)
    monkeypatch.setenv(f"DASK_CTL__CLUSTER_KWARGS__{DASHBOARD[name]}", ":0")
    ok(scripts.dask_cluster("create", "--name", "a", "--wait", "2"))
    if end == "kill":
        os.kill(host_of("a").pid, signal.SIGKILL)
        wait_until(lambda: records.read("a").life == "dead", "it has ended")
    else:
        ok(scripts.dask_cluster("scale", "a", "1"))
        assert [row["workers"] for row in listed(scripts)] == [1]
        (scripts.cwd / "snippet.py").write_text(ok(scripts.dask_cluster("snippet", "a")) + USE)
        assert ok(scripts.python("snippet.py")) == "3\n"
    ok(scripts.dask_cluster("delete", "a"))
    wait_until(lambda: not scripts.processes(), "every process has ended")
    assert records.names() == []
    # A scheduler that is killed leaves its file, however the class is called.
    for scheduler_file in scripts.tmp.glob("*-*-*-*-*"):
        assert "address" in scheduler_file.read_text()
        scheduler_file.unlink()
