"""What somebody may do in Kubernetes who may do no more than the page of it says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from kube_client import (
    DELETE,
    LIST,
    LOGS,
    NAME,
    NAMESPACE,
    SCRIPTS,
    SHOW,
    Kubernetes,
    as_user,
    rights,
)

from tests.backends.scripts import ANSWER, SCRIPT, Scripts, ok, refused


@pytest.fixture
def limited(
    kubernetes: Kubernetes, scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Be somebody with a role."""
    scripts.use_example("kubernetes")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__QUIET", "true")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__N_WORKERS", "1")
    monkeypatch.setenv("DASK_KUBERNETES__NAMESPACE", NAMESPACE)
    monkeypatch.setenv("DASK_CTL__DISABLE_DISCOVERY", "[schedulers]")
    monkeypatch.setenv("DASK_CTL__DISCOVERY__TIMEOUT", "20s")

    def be(role: dict[str, Any]) -> None:
        ready = {place: {k: sorted(v) for k, v in each.items()} for place, each in role.items()}
        monkeypatch.setenv("KUBECONFIG", str(as_user(kubernetes.kubeconfig, ready)))

    return be


def test_a_script(limited: Callable[..., None], scripts: Scripts) -> None:
    """The script of the announcement runs."""
    limited(rights(SCRIPTS))
    for _ in range(2):
        run = scripts.python(SCRIPT)
        assert (run.stdout, run.stderr, run.returncode) == (ANSWER, "", 0)


def test_commands(limited: Callable[..., None], kubernetes: Kubernetes, scripts: Scripts) -> None:
    """Each with its own rights, what is there belonging to somebody else."""
    limited(rights(SCRIPTS))
    ok(scripts.dask_cluster("create", "--wait", "1"))
    limited(rights(LIST))
    (row,) = json.loads(ok(scripts.dask_cluster("list", "kubecluster", "-o", "json")))
    assert (row["name"], row["status"], row["workers"]) == (NAME, "running", 1)
    limited(rights(SHOW))
    shown = json.loads(scripts.dask_cluster("show", NAME, "-o", "json").stdout)
    assert shown["status"] == "running", shown
    assert ok(scripts.dask_cluster("scale", NAME, "2")) == ""
    limited(rights(LOGS))
    assert "Scheduler at" in ok(scripts.dask_cluster("logs", NAME))
    limited(rights(DELETE))
    ok(scripts.dask_cluster("delete", "--yes", NAME))
    assert kubernetes.clusters() == []


def test_none(limited: Callable[..., None], scripts: Scripts) -> None:
    """Which verb on which resource is forbidden is said."""
    limited({})
    for _ in range(3):
        run = scripts.dask_cluster("create")
        refused(run, 5, 'User "limited" cannot .* resource "daskclusters" in API group')
    run = scripts.python(SCRIPT)
    assert run.returncode == 1
    assert re.search('User "limited" cannot .* in the namespace "bar"', run.stderr)
