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
from kube_client import NAME, NAMESPACE, Kubernetes, as_user

from dask_ctl import (
    DaskCtlWarning,
    NoSuchClusterError,
    create_cluster,
    delete_cluster,
    discover_clusters,
    get_cluster,
    get_snippet,
    list_clusters,
    scale_cluster,
    wait_for_workers,
)
from dask_ctl.backends.kube_ending import until_name_is_free
from dask_ctl.hosts import store as records
from dask_ctl.management.info import ClusterInfo
from tests.backends.scripts import DASK_CLUSTER, ok, refused, wait_until
from tests.conftest import ROOT, require_package

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("error:coroutine 'KubeCluster:RuntimeWarning"),
]


@pytest.fixture
def made(kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kubernetes]:
    """A cluster with one worker, in another namespace than the default."""
    monkeypatch.setenv("DASK_CTL__DISCOVERY__TIMEOUT", "30s")
    monkeypatch.setenv("DASK_CTL__DISABLE_DISCOVERY", "[schedulers]")
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
    assert info.type == "dask_kubernetes.operator.KubeCluster"
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


EVERYTHING = object()


@pytest.fixture
def alone(
    api_server: Callable[[], Path], isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Use a Kubernetes without an operator; put objects into it, and be a user with a role."""
    import kr8s
    from kr8s.objects import new_class

    kubeconfig = api_server()
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setenv("DASK_CTL__DISCOVERY__TIMEOUT", "30s")
    monkeypatch.setenv("DASK_CTL__DISABLE_DISCOVERY", "[schedulers]")
    dask.config.refresh()
    kind = new_class("DaskCluster", "kubernetes.dask.org/v1")

    def put(*names: str, role: Any = EVERYTHING) -> None:
        api = kr8s.api(kubeconfig=str(kubeconfig))
        for each in names:
            namespace, _, name = each.partition("/")
            about = {"name": name, "namespace": namespace}
            kind({"metadata": about, "spec": {}}, api=api).create()
            kind.get(name, namespace=namespace, api=api).patch({"status": {"phase": "Running"}})
        if role is not EVERYTHING:
            monkeypatch.setenv("KUBECONFIG", str(as_user(kubeconfig, role)))

    return put


def listing(python: Callable[..., subprocess.CompletedProcess[str]]) -> list[list[Any]]:
    done = python(*DASK_CLUSTER, "list", "kubecluster", "--output", "json")
    return [[row[key] for key in ("name", "status", "workers")] for row in json.loads(ok(done))]


def test_the_same_name_in_two_namespaces(
    alone: Callable[..., None], python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Neither is guessed: each is called by its namespace too."""
    alone("bar/dup", "default/dup", "bar/single")
    assert [name for name, *_ in listing(python)] == ["bar/dup", "default/dup", "single"]
    for verb in ("delete", "snippet"):
        refused(
            python(*DASK_CLUSTER, verb, "dup", *(["--yes"] if verb == "delete" else [])),
            6,
            "say which: bar/dup, default/dup",
        )
    snippet = ok(python(*DASK_CLUSTER, "snippet", "bar/single"))
    assert "from_name('single', namespace='bar', port_forward_cluster_ip=True)" in snippet
    ok(python(*DASK_CLUSTER, "delete", "--yes", "bar/dup"))
    assert [name for name, *_ in listing(python)] == ["dup", "single"]


def test_many_from_one_answer(
    alone: Callable[..., None], python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """No cluster is connected to; where pods may not be listed, workers are not known."""
    alone(*(f"bar/many-{n}" for n in range(20)))
    assert [row[1:] for row in listing(python)] == [["running", 0]] * 20
    alone(role={"*": {"daskclusters": ["list"]}})
    assert [row[1:] for row in listing(python)] == [["running", None]] * 20


def test_rights_in_one_namespace(
    alone: Callable[..., None],
    python: Callable[..., subprocess.CompletedProcess[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The namespaces of the context and of the configuration are asked."""
    alone("bar/one", role={"bar": {"daskclusters": ["list"], "pods": ["list"]}})
    monkeypatch.setenv("DASK_KUBERNETES__NAMESPACE", "bar")
    assert listing(python) == [["one", "running", 0]]


def test_pods_of_one_namespace_and_of_nobody(
    alone: Callable[..., None],
    python: Callable[..., subprocess.CompletedProcess[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Workers are not known where pods may not be listed; a stray pod hides no cluster."""
    import kr8s

    alone("bar/one", "default/two")
    about = {"name": "stray", "namespace": "bar", "labels": {"dask.org/component": "worker"}}
    spec = {"containers": [{"name": "stray", "image": "stray", "command": ["sleep", "infinity"]}]}
    api = kr8s.api(kubeconfig=os.environ["KUBECONFIG"])
    stray = kr8s.objects.Pod({"metadata": about, "spec": spec}, api=api)
    stray.create()
    stray.patch({"status": {"phase": "Running"}})
    alone(role={"*": {"daskclusters": ["list"]}, "bar": {"pods": ["list"]}})
    monkeypatch.setenv("DASK_KUBERNETES__NAMESPACE", "bar")
    assert listing(python) == [["one", "running", 0], ["two", "running", None]]


FORBIDDEN = (
    'User "limited" cannot list resource "daskclusters" in API group "kubernetes.dask.org" at'
)


@pytest.mark.parametrize(("role", "told"), [(None, "Unauthorized"), ({}, FORBIDDEN)])
def test_what_may_not_be_asked(
    alone: Callable[..., None],
    python: Callable[..., subprocess.CompletedProcess[str]],
    role: Any,
    told: str,
) -> None:
    """That there are no clusters is not said; why it is not known is."""
    alone(role=role)
    for command in (("list", "kubecluster"), ("delete", "--yes", "foo"), ("show", "bar/foo")):
        done = python(*DASK_CLUSTER, *command)
        assert (done.stdout, done.returncode) == ("", 7), done.stderr
        assert done.stderr.count(told) == 1
        assert "No clusters found" not in done.stderr
        assert "there is no cluster" not in done.stderr


def test_a_record_of_what_somebody_else_deleted(
    api_server: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said of it, and deleting it forgets it."""
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
    (info,) = list_clusters("recorded")
    assert info.status == f"unknown: there is no cluster '{NAME}' in namespace {NAMESPACE}"
    for verb in (
        lambda: get_cluster("mine"),
        lambda: asyncio.run(get_cluster("mine", asynchronous=True)),
        lambda: wait_for_workers("mine", 1),
    ):
        with pytest.raises(NoSuchClusterError, match="there is no cluster"):
            verb()
    with pytest.warns(DaskCtlWarning, match="there is no cluster"):
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
    env = {"DASK_CTL__DISABLE_DISCOVERY": "[schedulers]"}
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
    assert done.stderr.startswith("warning: discovery method 'kubecluster' of dask-ctl ")
    assert "failed: no answer within 4 s; " in done.stderr
