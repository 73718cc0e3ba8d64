"""`dask cluster` on dask-gateway: the server keeps the cluster, and the record says which."""

from __future__ import annotations

import json
import os
import sys

import pytest
from gateway_server import Server

from dask_ctl.hosts import store as records
from tests.backends.scripts import USE, Scripts, listed, ok, refused, wait_until


def test_from_creation_to_deletion(
    gateway: Server, scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs without a host, and any process finds it by what was recorded of it."""
    path = scripts.cwd / "dask-cluster.yaml"
    path.write_text(path.read_text().partition("adapt:")[0] + "scale: 1\n")
    assert ok(scripts.dask_cluster("create", "--name", "a", "--wait", "1")) == "a\n"
    assert scripts.processes() == {}
    record = records.read("a")
    assert (record.host, record.arguments) == (None, {"address": gateway.address})
    assert list(gateway.clusters()) == [record.cluster_name]
    # From here on nothing but the record knows the server.
    monkeypatch.delenv("DASK_CTL__CLUSTER_KWARGS__ADDRESS")
    (row,) = listed(scripts)
    assert (row["name"], row["status"], row["workers"]) == ("a", "running", 1)
    ok(scripts.dask_cluster("scale", "a", "2"))
    ok(scripts.dask_cluster("adapt", "a", "--minimum", "1", "--maximum", "2"))
    (scripts.cwd / "snippet.py").write_text(ok(scripts.dask_cluster("snippet", "a")) + USE)
    assert ok(scripts.python("snippet.py")) == "3\n"
    assert "workers:" in ok(scripts.dask_cluster("show", "a"))
    refused(scripts.dask_cluster("logs", "a"), 5, "dask-gateway gives no logs, .*; see its")
    ok(scripts.dask_cluster("delete", "a"))
    assert (gateway.clusters(), records.names()) == ({}, [])


def test_unmodified_script(gateway: Server, scripts: Scripts) -> None:
    """`dask cluster run` gives ``Client()`` the protocol and the credentials; nothing is left."""
    script = "from dask.distributed import Client; client = Client()"
    (scripts.cwd / "unmodified.py").write_text(f"{script}; {USE}")
    run = scripts.dask_cluster("run", "--", sys.executable, "unmodified.py")
    assert (run.stdout, run.returncode) == ("3\n", 0), run.stderr
    wait_until(lambda: not gateway.clusters(), "the server has stopped it")
    assert list(scripts.tmp.glob("dask-ctl-*")) == []


def test_detached(gateway: Server, scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that is left to run has an owner here, which has the server stop the cluster."""
    script = "from dask.distributed import Client; client = Client()"
    (scripts.cwd / "unmodified.py").write_text(f"{script}\n{USE}input()")
    held = f"{sys.executable} unmodified.py < held.yaml"
    os.mkfifo(scripts.cwd / "held.yaml")
    ok(scripts.dask_cluster("run", "--detach", "--name", "a", "--", "sh", "-c", held))
    (row,) = listed(scripts)
    assert (row["status"], row["type"]) == ("running", "dask_gateway.GatewayCluster")
    monkeypatch.setenv("DASK_GATEWAY__ADDRESS", gateway.address)  # its server lists it, too
    found = json.loads(ok(scripts.dask_cluster("list", "--output", "json")))
    assert [each["name"] for each in found if "Gateway" in str(each["type"])] == ["a"]
    (scripts.cwd / "held.yaml").write_text("\n")
    waited = scripts.dask_cluster("wait", "a")
    assert waited.returncode == 0, scripts.dask_cluster("logs", "a").stdout
    assert "\n3\n" in ok(scripts.dask_cluster("logs", "a"))
    wait_until(lambda: not gateway.clusters(), "the server has stopped it")
    assert list(scripts.tmp.glob("dask-ctl-*")) == []


def test_an_end_when_idle(gateway: Server, scripts: Scripts) -> None:
    """By the server's option for variables, where it has one."""
    more = ("--set", "kwargs.environment={}", "--idle-timeout", "3s")
    ok(scripts.dask_cluster("create", "--name", "a", *more))
    assert len(gateway.clusters()) == 1
    wait_until(lambda: not gateway.clusters(), "the server has stopped it", 90)
    ok(scripts.dask_cluster("delete", "a"))


def test_what_a_gateway_forgets_in_a_restart(restarted: Server, scripts: Scripts) -> None:
    """It stays listed, as unknown; only `delete` drops the record, and says what may be left."""
    (row,) = listed(scripts)
    said = f"the gateway at {restarted.address} knows no cluster '{records.read('a').cluster_name}'"
    assert (row["name"], row["workers"]) == ("a", None)
    assert row["status"].startswith(f"unknown: {said}, which has ended or was forgotten")
    for verb in (
        ["scale", "a", "2"],
        ["wait", "a", "--workers", "1"],
        ["run", "--name", "a", "--", "true"],
    ):
        refused(scripts.dask_cluster(*verb), 6, f"{said}, .*; if it may run on, ask who")
    assert records.names() == ["a"]
    run = scripts.dask_cluster("delete", "a")
    assert ok(run) == ""
    assert f"warning: {said}" in run.stderr
    assert records.names() == []


def test_refused(gateway: Server, scripts: Scripts) -> None:
    """What the server refuses is one line, and nothing is recorded."""
    checked = scripts.dask_cluster("spec", "check", "--set", "kwargs.worker_core=2")
    assert "has no such option; did you mean 'worker_cores'?" in checked.stdout + checked.stderr
    run = scripts.dask_cluster("create", "--set", "kwargs.worker_cores=5")
    refused(run, 5, "worker_cores must be <= 2")
    assert (gateway.clusters(), records.names()) == ({}, [])
