"""The clusters of Kubernetes are found, reached, scaled and deleted by their name alone."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

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
from dask_ctl.hosts import record as records
from dask_ctl.management.info import ClusterInfo
from tests.backends.scripts import wait_until
from tests.conftest import ROOT

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


def test_a_server_that_never_answers(
    python: Callable[..., subprocess.CompletedProcess[str]], isolated: Path
) -> None:
    """It is a warning in time, and the command ends at once."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = f"http://127.0.0.1:{silent.getsockname()[1]}"
        named = {"name": "silent"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{**named, "cluster": {"server": server}}],
            "users": [{**named, "user": {}}],
            "contexts": [{**named, "context": {"cluster": "silent", "user": "silent"}}],
            "current-context": "silent",
        }
        (isolated / "kubeconfig").write_text(json.dumps(config))
        env = {"KUBECONFIG": str(isolated / "kubeconfig"), "DASK_CTL__DISCOVERY__TIMEOUT": "4s"}
        done = python("-m", "dask", "cluster", "list", "kubecluster", env=env)
    assert (done.stdout, done.returncode) == ("", 7)
    assert done.stderr.startswith("warning: discovery method 'kubecluster' of dask-kubernetes ")
    assert "failed: no answer within 4 s; " in done.stderr
