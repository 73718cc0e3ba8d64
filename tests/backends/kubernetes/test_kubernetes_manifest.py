"""What Kubernetes would refuse is said before it is asked."""

from __future__ import annotations

from typing import Any

import pytest

from dask_ctl import check_spec
from dask_ctl.backends.kube_api import reason_of
from dask_ctl.backends.kube_manifest import problems
from tests.conftest import require_package

POD = {"spec": {"containers": [{"name": "one", "image": "an/image"}]}}
MANIFEST = {
    "kind": "DaskCluster",
    "metadata": {"name": "foo"},
    "spec": {"worker": POD, "scheduler": {**POD, "service": {"type": "ClusterIP"}}},
}
FIELD = {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}


@pytest.mark.parametrize(
    ("kwargs", "told"),
    [
        ({}, []),
        ({"env": {"A_1": "x", "b-c.d": "1"}}, []),
        ({"env": {"1A": "x", "B": 3, "C": None}}, ["env.1A: '1A' is no", "env.B: must", "env.C:"]),
        ({"env": [{"name": "A", "value": "1"}, FIELD]}, []),
        ({"env": [{"value": "1"}, "A=1", {"name": "A B"}]}, ["env.0: ", "env.1: ", "env.2: 'A B'"]),
        ({"resources": {"limits": {"cpu": "500m", "memory": "1.5Gi"}}}, []),
        ({"resources": {"requests": {"cpu": "2", "nvidia.com/gpu": "1", "x": "1e3"}}}, []),
        (
            {"resources": {"limits": {"cpu": 2, "memory": "4GB", "x": ""}, "request": {}}},
            ["limits.cpu: must be text", "limits.memory: '4GB' is", "limits.x: '' is", "request: "],
        ),
        ({"custom_cluster_spec": "manifest.yaml"}, []),
        ({"custom_cluster_spec": MANIFEST}, []),
        ({"custom_cluster_spec": {**MANIFEST, "kind": "Pod"}}, ["has the kind 'Pod'"]),
        (
            {"custom_cluster_spec": {**MANIFEST, "spec": {"worker": POD}}},
            ["has no spec.scheduler.spec.containers", "has no spec.scheduler.service"],
        ),
        ({"create_mode": "CREATE_ONLY"}, ["CreateMode.CREATE_ONLY}"]),
        ({"idle_timeout": 300}, []),
        ({"idle_timeout": "5m"}, ["kwargs.idle_timeout: Kubernetes takes a number of seconds"]),
    ],
)
def test_problems(kwargs: dict[str, Any], told: list[str]) -> None:
    """Names and values of variables, quantities, and the parts of a manifest."""
    found = [str(problem) for problem in problems(kwargs)]
    assert len(found) == len(told), found
    assert all(text in problem for text, problem in zip(told, found, strict=True)), found


@pytest.mark.parametrize("name", ["foo", "{user}-x", "Foo", "foo_bar", "foo.bar", "a" * 64])
def test_names(name: str) -> None:
    """What the class itself refuses is said by a check, with what to write."""
    require_package("dask_kubernetes", "dask-kubernetes")
    spec = {"module": "dask_kubernetes.operator", "class": "KubeCluster", "kwargs": {"name": name}}
    found = [problem.key for problem in check_spec(spec) if problem.severity == "error"]
    assert found == ([] if name in ("foo", "{user}-x") else ["kwargs.name"])


def pod(waiting: dict[str, str] | None = None, **condition: str) -> dict[str, Any]:
    state = {"waiting": waiting} if waiting else {"running": {}}
    conditions = [{"type": "PodScheduled", **condition}] if condition else []
    return {"status": {"conditions": conditions, "containerStatuses": [{"state": state}]}}


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({}, None),
        (pod(), None),
        (pod(status="True"), None),
        (pod({"reason": "ContainerCreating"}), None),
        (pod({"reason": "ImagePullBackOff", "message": "no image"}), "ImagePullBackOff: no image"),
        (
            pod(status="False", reason="Unschedulable", message="0/3 nodes are available"),
            "Unschedulable: 0/3 nodes are available",
        ),
    ],
)
def test_why_a_pod_does_not_run(asked: dict[str, Any], why: str | None) -> None:
    """As Kubernetes says it of where it may run, or of its containers."""
    assert reason_of(asked) == why
