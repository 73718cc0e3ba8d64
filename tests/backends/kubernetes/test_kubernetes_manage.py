"""`dask cluster` on Kubernetes, which keeps the cluster; the record says in which namespace."""

from __future__ import annotations

import json
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from urllib.request import urlopen

import pytest
from kube_client import Kubernetes

from dask_ctl import BackendError, wait_for_workers
from dask_ctl.hosts import store as records
from tests.backends.scripts import DASK_CLUSTER, USE, Scripts, example, kept_log, ok, refused


@pytest.fixture
def dask_cluster(
    kubernetes: Kubernetes,
    isolated: Path,
    python: Callable[..., CompletedProcess[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., CompletedProcess[str]]:
    """Run ``dask cluster`` with the example spec."""
    shutil.copy(example("kubernetes"), isolated / "dask-cluster.yaml")
    monkeypatch.setenv("DASK_CTL__DISCOVERY__TIMEOUT", "30s")

    def run(*arguments: str) -> CompletedProcess[str]:
        done = python(*DASK_CLUSTER, *arguments, timeout=180)
        done.args = arguments
        return done

    return run


def test_from_creation_to_deletion(
    kubernetes: Kubernetes,
    isolated: Path,
    python: Callable[..., CompletedProcess[str]],
    dask_cluster: Callable[..., CompletedProcess[str]],
) -> None:
    """It is called as its spec calls it, runs without a host, and is gone when `delete` is."""
    assert ok(dask_cluster("create", "--wait", "2")) == "foo\n"
    record = records.read("foo")
    assert (record.host, record.cluster_name) == (None, "foo")
    assert record.arguments["namespace"] == "bar"
    (row,) = json.loads(ok(dask_cluster("list", "recorded", "--output", "json")))
    assert (row["name"], row["status"], row["workers"]) == ("foo", "running", 2)
    shown = json.loads(ok(dask_cluster("show", "foo", "--output", "json")))
    assert shown["memory_used"] > 0, "what its scheduler says"
    ok(dask_cluster("scale", "bar/foo", "1"))
    (isolated / "snippet.py").write_text(ok(dask_cluster("snippet", "foo")) + USE)
    assert ok(python("snippet.py"))[-2:] == "3\n"

    # As it would be for somebody else, who has no record of it.
    path = records.folder() / "foo.json"
    path.rename(isolated / "kept.yaml")
    refused(dask_cluster("create"), 4, "there is a cluster 'foo' already; choose another --name")
    assert len(kubernetes.clusters()) == 1
    assert records.names() == []
    (isolated / "kept.yaml").rename(path)

    ok(dask_cluster("delete", "bar/foo"))
    assert (kubernetes.left(), records.names()) == ([], [])


def test_what_would_not_be_heeded(
    isolated: Path, dask_cluster: Callable[..., CompletedProcess[str]]
) -> None:
    """Values that Kubernetes refuses, or that the class passes over, are named before."""
    with (isolated / "dask-cluster.yaml").open("a") as spec:
        spec.write("  env: {NUM: 3}\n  create_mode: CREATE_ONLY\n")
    told = dask_cluster("spec", "check")
    assert told.returncode == 4
    assert "kwargs.env.NUM: must be text" in told.stdout + told.stderr
    mode = "${import:dask_kubernetes.operator.kubecluster.kubecluster:CreateMode.CREATE_ONLY}"
    assert mode in told.stdout + told.stderr
    text = (isolated / "dask-cluster.yaml").read_text().replace("CREATE_ONLY", f'"{mode}"')
    (isolated / "dask-cluster.yaml").write_text(text.replace("NUM: 3", "NUM: '3'"))
    ok(dask_cluster("spec", "check"))


def test_workers_that_do_not_come(
    kubernetes: Kubernetes, dask_cluster: Callable[..., CompletedProcess[str]]
) -> None:
    """A create that waits for them in vain deletes what Kubernetes has of the cluster."""
    run = dask_cluster("create", "--wait", "9", "--timeout", "20")
    refused(run, 5, "'foo' ")
    assert "creating dask_kubernetes" in kept_log(run)
    assert (kubernetes.left(), records.names()) == ([], [])


def test_by_its_name_as_users_have_it(
    scripts: Scripts,
    dask_cluster: Callable[..., CompletedProcess[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody need know that outside of Kubernetes no Service has a name, which is asked for long.

    What the port of a process is forwarded to is told as an address only while it is there.
    """
    ok(dask_cluster("create", "--wait", "2"))
    monkeypatch.delenv("DASK_KUBERNETES__PORT_FORWARD_CLUSTER_IP")
    monkeypatch.setenv("DASK_CTL__DISCOVERY__TIMEOUT", "9s")  # the class asks for longer
    rows = json.loads(ok(dask_cluster("list", "--output", "json")))
    (row,) = (each for each in rows if each["name"] == "foo")
    assert (row["discovery"], row["status"], row["workers"]) == ("recorded", "running", 2)
    shown = json.loads(ok(dask_cluster("show", "foo", "--output", "json")))
    assert shown["memory_used"] > 0
    assert (shown["address"], shown["dashboard"]) == (None, None)
    assert "port_forward_cluster_ip=True)" in ok(dask_cluster("snippet", "foo"))

    opened = scripts.start(*DASK_CLUSTER, "dashboard")
    assert opened.stdout is not None
    link = opened.stdout.readline().strip()
    with urlopen(link.replace("/status", "/health"), timeout=30) as answer:
        assert answer.read() == b"ok"
    opened.send_signal(signal.SIGINT)
    assert scripts.finished(opened).returncode == 0

    before = set(threading.enumerate())
    with pytest.raises(BackendError, match="2 workers, not yet as many"):
        wait_for_workers("foo", 3, timeout=5)
    forwards = [each for each in {*threading.enumerate()} - before if "PortForward" in each.name]
    assert len(forwards) <= 2, "of the scheduler and its dashboard, however often it was looked at"
    ok(dask_cluster("delete", "foo"))
