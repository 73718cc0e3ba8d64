"""The clusters of a dask-gateway server are found, reached, scaled and deleted by their name."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import dask.config
import pytest
from dask.distributed import Client
from gateway_server import Server

from dask_ctl import (
    adapt_cluster,
    create_cluster,
    delete_cluster,
    discover_cluster_names,
    get_cluster,
    get_snippet,
    list_clusters,
    list_discovery_methods,
    scale_cluster,
)
from tests.backends.scripts import Scripts, wait_until
from tests.conftest import ROOT

# Its objects close a second time when they are collected, and complain.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <function Gateway.__del__")


@pytest.fixture
def configured(gateway: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The server's address in the configuration, here and in other processes."""
    monkeypatch.setenv("DASK_GATEWAY__ADDRESS", gateway.address)
    monkeypatch.setenv("DASK_CTL__DISCOVERY__TIMEOUT", "30s")
    monkeypatch.setenv("DASK_CTL__DISABLE_DISCOVERY", "[kubecluster, helmcluster, schedulers]")
    dask.config.refresh()
    yield gateway
    for info in list_clusters("gateway"):
        delete_cluster(info.name)
    gc.collect()


def cluster(scripts: Scripts, *args: str) -> subprocess.CompletedProcess[str]:
    return scripts.run(sys.executable, "-m", "dask", "cluster", *args)


def workers(name: str) -> int | None:
    return next(info.workers for info in list_clusters("gateway") if info.name == name)


def test_only_where_it_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an address there is no such method."""
    assert "gateway" not in list_discovery_methods()
    monkeypatch.setenv("DASK_GATEWAY__ADDRESS", "http://127.0.0.1:1")
    dask.config.refresh()
    assert list_discovery_methods()["gateway"]["enabled"]


def test_made_in_python(configured: Server) -> None:
    """A cluster that a script has made is found by the name that the server gave it."""
    spec = {"module": "dask_gateway", "class": "GatewayCluster", "scale": 1}
    made = create_cluster({**spec, "kwargs": {"address": configured.address}})
    made.get_client().wait_for_workers(1)
    (info,) = list_clusters("gateway")
    assert (info.name, info.type) == (made.name, "dask_gateway.GatewayCluster")
    assert (info.status, info.workers) == ("running", 1)

    async def named() -> list[str]:
        found = [name async for name, _ in discover_cluster_names("gateway")]
        async with await get_cluster(info.name, asynchronous=True) as cluster:
            assert cluster.name == info.name
        return found

    assert asyncio.run(named()) == [info.name]
    with get_cluster(info.name) as found, Client(found) as client:
        assert client.submit(sum, [1, 2]).result() == 3
    scale_cluster(info.name, 2)
    wait_until(lambda: workers(info.name) == 2, "two workers", 60)
    adapt_cluster(info.name, minimum=1, maximum=1)
    wait_until(lambda: workers(info.name) == 1, "one worker", 60)
    code = get_snippet(info.name)
    assert configured.address in code
    done = subprocess.run(
        [sys.executable, "-c", f"{code}print(client.submit(sum, [3, 4]).result())"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("7\n", 0), done.stderr
    delete_cluster(info.name)
    assert configured.clusters() == {}
    assert list_clusters("gateway") == []


def test_made_by_the_command_line(configured: Server, scripts: Scripts) -> None:
    """It is there once, under the name that it was given, and nothing is left once deleted."""
    made = cluster(scripts, "create", "--name", "mine", "--wait", "1")
    assert (made.stdout, made.returncode) == ("mine\n", 0), made.stderr
    rows = json.loads(cluster(scripts, "list", "--output", "json").stdout)
    assert [(row["name"], row["discovery"], row["status"]) for row in rows] == [
        ("mine", "recorded", "running")
    ]
    code = cluster(scripts, "snippet", "mine").stdout
    assert re.search(r"GatewayCluster.from_name\(.*address=", code)
    (scripts.cwd / "snippet.py").write_text(f"{code}print(client.submit(sum, [3, 4]).result())")
    assert scripts.python("snippet.py").stdout == "7\n"
    deleted = cluster(scripts, "delete", "mine", "--yes")
    assert (deleted.stderr.splitlines()[-1:], deleted.returncode) == (["Deleted mine."], 0)
    assert configured.clusters() == {}


def test_several(configured: Server, scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clusters of one are listed, and that another cannot be asked is said."""
    monkeypatch.delenv("DASK_GATEWAY__ADDRESS")
    gateways = f"[{configured.address}, http://127.0.0.1:1]"
    monkeypatch.setenv("DASK_CTL__DISCOVERY__GATEWAYS", gateways)
    dask.config.refresh()
    spec = {"module": "dask_gateway", "class": "GatewayCluster"}
    with create_cluster({**spec, "kwargs": {"address": configured.address}}) as made:
        done = cluster(scripts, "list", "gateway", "-o", "name")
        assert (done.stdout, done.returncode) == (f"{made.name}\n", 7)
        assert "gateway http://127.0.0.1:1 cannot be asked" in done.stderr
    monkeypatch.setenv("DASK_CTL__DISCOVERY__GATEWAYS", f"[{configured.address}]")
    dask.config.refresh()


def test_a_server_that_is_gone(scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a warning that names the method, and exit code 7 if only that was asked for."""
    monkeypatch.setenv("DASK_GATEWAY__ADDRESS", "http://127.0.0.1:1")
    done = cluster(scripts, "list", "gateway")
    assert (done.stdout, done.returncode) == ("", 7)
    assert done.stderr.startswith("warning: gateway http://127.0.0.1:1 cannot be asked: ")
