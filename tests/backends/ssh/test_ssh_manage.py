"""`dask cluster` on machines reached by SSH: a cluster that outlives the shell, and its host."""

from __future__ import annotations

import os
import signal

from dask_ctl.hosts import store as records
from tests.backends.scripts import USE, Scripts, host_of, listed, ok, refused, wait_until


def test_from_creation_to_deletion(ssh: Scripts) -> None:
    """It is found, used and deleted by other processes; its size is fixed, and that is said."""
    assert ok(ssh.dask_cluster("create", "--name", "a", "--wait", "2")) == "a\n"
    (row,) = listed(ssh)
    assert (row["status"], row["type"], row["workers"]) == (
        "running",
        "dask.distributed.SSHCluster",
        2,
    )
    refused(ssh.dask_cluster("scale", "a", "3"), 5, "cannot scale")
    (ssh.cwd / "snippet.py").write_text(ok(ssh.dask_cluster("snippet", "a")) + USE)
    assert ok(ssh.python("snippet.py")) == "3\n"
    ok(ssh.dask_cluster("delete", "a"))
    wait_until(lambda: not ssh.processes(), "every process has ended")
    assert records.names() == []


def test_a_killed_host(ssh: Scripts) -> None:
    """What the host leaves on other machines is listed as orphaned, and deleted."""
    ok(ssh.dask_cluster("create", "--name", "a", "--wait", "2"))
    os.kill(host_of("a").pid, signal.SIGKILL)
    wait_until(lambda: records.read("a").life == "dead", "it has ended")
    for row in listed(ssh):
        assert (row["name"], row["status"]) == ("a", "orphaned")
    ok(ssh.dask_cluster("delete", "a"))
    wait_until(lambda: not ssh.processes(), "every process has ended")
    assert (records.names(), listed(ssh)) == ([], [])
