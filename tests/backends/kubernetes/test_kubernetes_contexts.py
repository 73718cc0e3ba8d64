"""A kubeconfig with several contexts: a cluster is looked for where it was made."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kube_client import NAME, NAMESPACE, Kubernetes

from dask_ctl.hosts import store as records
from tests.backends.scripts import SCRIPT, Scripts, ok, refused, wait_until

WAITS = """
import pathlib, time

pathlib.Path("made").touch()
while not pathlib.Path("go-on").exists():
    time.sleep(0.05)
"""


@pytest.fixture
def elsewhere(api_server: Callable[[], Path]) -> Iterator[Kubernetes]:
    """Another Kubernetes, with a cluster of the same name that is somebody else's."""
    other = Kubernetes(api_server())
    other.create()
    (before,) = other.clusters()
    yield other
    (after,) = other.clusters()
    assert after.raw == before.raw, "it is not touched"


@pytest.fixture
def use_context(
    kubernetes: Kubernetes,
    elsewhere: Kubernetes,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str], Any]:
    """A kubeconfig of both, ``mine`` and ``other``, of which one is the current."""
    parts: dict[str, list[Any]] = {"clusters": [], "users": [], "contexts": []}
    for name, each in (("mine", kubernetes), ("other", elsewhere)):
        config = json.loads(each.kubeconfig.read_text())
        for kind, entries in parts.items():
            entries.append({**config[kind][0], "name": name})
        parts["contexts"][-1]["context"] = {"cluster": name, "user": name}
    path = tmp_path_factory.mktemp("kube") / "both"
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__QUIET", "true")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__N_WORKERS", "1")
    monkeypatch.setenv("DASK_CTL__DISCOVERY__TIMEOUT", "30s")

    def use(name: str) -> None:
        config = {"apiVersion": "v1", "kind": "Config", "current-context": name, **parts}
        path.write_text(json.dumps(config))

    use("mine")
    return use


def test_another_than_the_current(
    use_context: Callable[[str], Any], scripts: Scripts, kubernetes: Kubernetes
) -> None:
    """What needs no more than Kubernetes works, and all else names the context to use."""
    scripts.use_example("kubernetes")
    ok(scripts.dask_cluster("create", "--wait", "1"))
    assert records.read(NAME).arguments == {"namespace": NAMESPACE, "context": "mine"}
    use_context("other")
    rows = json.loads(ok(scripts.dask_cluster("list", "kubecluster", "--output", "json")))
    assert [(row["name"], row["status"]) for row in rows] == [
        (NAME, "unknown: no operator has taken it up")
    ]
    assert "Scheduler at" in ok(scripts.dask_cluster("logs", NAME))
    remedy = "kubectl config use-context mine"
    refused(scripts.dask_cluster("snippet", NAME), 5, remedy)
    refused(scripts.dask_cluster("scale", NAME, "2"), 5, remedy)
    shown = scripts.dask_cluster("show", NAME)
    assert shown.returncode == 5
    assert f"unreachable: '{NAME}' is in the context 'mine'" in shown.stdout
    ok(scripts.dask_cluster("delete", NAME))
    assert (kubernetes.left(), records.names()) == ([], [])


def test_a_context_that_is_no_more(
    use_context: Callable[[str], Any], scripts: Scripts, kubernetes: Kubernetes
) -> None:
    """Its cluster is not taken for gone."""
    path = Path(os.environ["KUBECONFIG"])
    scripts.use_example("kubernetes")
    ok(scripts.dask_cluster("create"))
    both = path.read_text()
    path.write_text(both.replace('"mine"', '"renamed"'))
    refused(scripts.dask_cluster("delete", NAME), 5, "No such context mine")
    assert records.names() == [NAME]
    path.write_text(both)
    ok(scripts.dask_cluster("delete", NAME))


def test_switching_under_a_script(
    use_context: Callable[[str], Any], scripts: Scripts, kubernetes: Kubernetes
) -> None:
    """It ends its cluster where it made it."""
    scripts.use_example("kubernetes")
    (scripts.cwd / "script.py").write_text(SCRIPT.read_text() + WAITS)
    running = scripts.start(sys.executable, "script.py")
    wait_until((scripts.cwd / "made").exists, "it has its cluster", 90)
    use_context("other")
    (scripts.cwd / "go-on").touch()
    run = scripts.finished(running)
    assert (run.returncode, run.stderr) == (0, "")
    assert kubernetes.clusters() == []
    for name in ("made", "go-on"):
        (scripts.cwd / name).unlink()


def test_an_argument(use_context: Callable[[str], Any], scripts: Scripts) -> None:
    """The class takes none, so it is refused before."""
    scripts.use_example("kubernetes")
    run = scripts.dask_cluster("create", "--set", "kwargs.context=mine")
    refused(run, 4, "kwargs.context: KubeCluster takes no such argument; .* config use-context")
