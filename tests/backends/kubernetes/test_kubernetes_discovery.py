"""The clusters of Kubernetes are found, reached, scaled and deleted by their name alone."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dask.config
import pytest
from dask.distributed import Client
from kube_client import NAME, NAMESPACE, Kubernetes

from dask_ctl import (
    BackendError,
    NoSuchClusterError,
    create_cluster,
    delete_cluster,
    discover_clusters,
    get_cluster,
    get_snippet,
    list_clusters,
    scale_cluster,
)
from dask_ctl.backends.kubernetes import until_name_is_free
from dask_ctl.hosts import store as records
from dask_ctl.management.info import ClusterInfo
from tests.backends.scripts import wait_until
from tests.conftest import ROOT, require_package

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("error:coroutine 'KubeCluster:RuntimeWarning"),
]


@pytest.fixture
def made(kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kubernetes]:
    """A cluster with one worker, in another namespace than the default."""
    monkeypatch.setenv("DASK_CTL__DISCOVERY__TIMEOUT", "30s")
    monkeypatch.setenv("DASK_CTL__DISABLE_DISCOVERY", "[helmcluster, schedulers]")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__N_WORKERS", "1")
    dask.config.refresh()
    spec = {"module": "dask_kubernetes.operator", "class": "KubeCluster"}
    kwargs = {"name": NAME, "namespace": NAMESPACE, "shutdown_on_close": False, "quiet": True}
    made = create_cluster({**spec, "kwargs": kwargs})
    with Client(made) as client:
        client.wait_for_workers(1, timeout=120)
    made.close()
    yield kubernetes
    kubernetes.delete()


def row() -> ClusterInfo:
    (info,) = (info for info in list_clusters("kubecluster") if info.name == NAME)
    return info


def test_by_its_name(made: Kubernetes) -> None:
    """Found with its workers, reached, scaled, and deleted until nothing is left."""
    info = row()
    assert (info.status, info.workers) == ("running", 1)
    assert info.type == "dask_kubernetes.operator.kubecluster.kubecluster.KubeCluster"
    with get_cluster(NAME) as cluster, Client(cluster) as client:
        assert (cluster.name, cluster.namespace) == (NAME, NAMESPACE)
        assert client.submit(sum, [1, 2]).result() == 3

    async def inside() -> list[str]:
        cluster = await get_cluster(NAME, asynchronous=True)
        assert cluster.namespace == NAMESPACE
        await cluster.close()
        found = []
        async for cluster in discover_clusters("kubecluster"):
            found.append(cluster.name)
            await cluster.close()
        return found

    assert asyncio.run(inside()) == [NAME]
    scale_cluster(NAME, 2)
    wait_until(lambda: row().workers == 2, "two workers", 120)
    done = subprocess.run(
        [sys.executable, "-c", f"{get_snippet(NAME)}print(client.submit(sum, [3, 4]).result())"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("7\n"), done.stderr
    assert made.clusters(), "connecting and disconnecting has left it running"
    delete_cluster(NAME)
    assert made.left() == []
    with pytest.raises(NoSuchClusterError, match=f"there is no cluster '{NAME}'"):
        delete_cluster(NAME)


def test_the_same_name_in_two_namespaces(
    api_server: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is guessed: the error names both, and so does their row."""
    import kr8s
    from kr8s.objects import new_class

    kubeconfig = api_server()
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setenv("DASK_CTL__DISCOVERY__TIMEOUT", "30s")
    monkeypatch.setenv("DASK_CTL__DISABLE_DISCOVERY", "[helmcluster, schedulers]")
    dask.config.refresh()
    api = kr8s.api(kubeconfig=str(kubeconfig))
    kind = new_class("DaskCluster", "kubernetes.dask.org/v1")
    for namespace in ("bar", "default"):
        about = {"name": NAME, "namespace": namespace}
        kind({"metadata": about, "spec": {}}, api=api).create()
    told = f"there is a cluster {NAME!r} in each of the namespaces bar, default"
    for verb in (get_cluster, delete_cluster, get_snippet):
        with pytest.raises(BackendError, match=told):
            verb(NAME)
    assert [info.status for info in list_clusters("kubecluster")] == [
        f"unreachable: BackendError: {told}; say which: KubeCluster.from_name(name, namespace=...)"
    ]


def test_a_record_of_what_somebody_else_deleted(
    api_server: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleting it forgets it."""
    monkeypatch.setenv("KUBECONFIG", str(api_server()))
    records.add(
        records.Record(
            name="mine",
            target="dask_kubernetes.operator.KubeCluster",
            created="2026-01-01T12:00:00+00:00",
            status="running",
            cluster_name=NAME,
            arguments={"namespace": NAMESPACE},
        )
    )
    delete_cluster("mine")
    assert records.names() == []


class Forbidden(BaseHTTPRequestHandler):
    """Tells everybody what the API server tells whoever has no rights."""

    def do_GET(self) -> None:
        body = json.dumps({"kind": "Status", "code": 403, "message": "forbidden"}).encode()
        self.send_response(403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing on standard error."""


@pytest.mark.parametrize("answers", [False, True])
def test_a_courtesy_never_fails(
    isolated: Path, monkeypatch: pytest.MonkeyPatch, *, answers: bool
) -> None:
    """Where there is no server, or no right to ask it, the class is left to say so itself."""
    require_package("kr8s", "dask-kubernetes")
    monkeypatch.setenv("KUBECONFIG", str(isolated / "kubeconfig"))
    with ThreadingHTTPServer(("127.0.0.1", 0), Forbidden) as server:
        (isolated / "kubeconfig").write_text(json.dumps(config_of(server.server_port)))
        if answers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        else:
            server.server_close()
        asyncio.run(until_name_is_free({"name": NAME, "namespace": NAMESPACE}))
        if answers:
            server.shutdown()


def test_a_name_in_a_fresh_process(python: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """No thread of a method sees half of distributed, which another has begun to import."""
    require_package("kr8s", "dask-kubernetes")
    env = {"DASK_CTL__DISABLE_DISCOVERY": "[helmcluster, schedulers]"}
    for _ in range(5):
        done = python("-c", "import dask_ctl; dask_ctl.get_cluster('absent')", env=env)
        assert done.stderr.splitlines()[-1] == (
            "dask_ctl.exceptions.NoSuchClusterError: there is no cluster 'absent'; there are none"
        )


def config_of(port: int) -> dict[str, Any]:
    """A kubeconfig of a server on this machine."""
    named = {"name": "here"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{**named, "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{**named, "user": {}}],
        "contexts": [{**named, "context": {"cluster": "here", "user": "here"}}],
        "current-context": "here",
    }


def test_a_server_that_never_answers(
    python: Callable[..., subprocess.CompletedProcess[str]], isolated: Path
) -> None:
    """It is a warning in time, and the command ends at once."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (isolated / "kubeconfig").write_text(json.dumps(config_of(silent.getsockname()[1])))
        env = {"KUBECONFIG": str(isolated / "kubeconfig"), "DASK_CTL__DISCOVERY__TIMEOUT": "4s"}
        done = python("-m", "dask", "cluster", "list", "kubecluster", env=env)
    assert (done.stdout, done.returncode) == ("", 7)
    assert done.stderr.startswith("warning: discovery method 'kubecluster' of dask-kubernetes ")
    assert "failed: no answer within 4 s; " in done.stderr
