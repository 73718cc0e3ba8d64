"""The logs of pods, which Kubernetes has: no scheduler is asked."""

from __future__ import annotations

import pytest
from kube_client import Kubernetes

from tests.backends.scripts import DASK_CLUSTER, Scripts, ok


def test_logs(kubernetes: Kubernetes, scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Part by part, or as they come, until the cluster ends; also of workers that come later."""
    scripts.use_example("kubernetes")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__QUIET", "true")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__N_WORKERS", "1")
    monkeypatch.setenv("DASK_CTL__DISABLE_DISCOVERY", "[schedulers]")
    ok(scripts.dask_cluster("create", "--wait", "1"))
    following = scripts.start(*DASK_CLUSTER, "logs", "foo", "--follow", "--tail", "1")
    assert following.stdout is not None
    assert following.stdout.readline().startswith("== foo-"), "it follows those that are there"
    ok(scripts.dask_cluster("scale", "foo", "2"))
    assert "Scheduler at" in ok(scripts.dask_cluster("logs", "foo", "--since", "1h"))
    last = ok(scripts.dask_cluster("logs", "foo", "--tail", "1")).splitlines()
    assert [line[:2] == "==" for line in last] == [True, False] * 3
    ok(scripts.dask_cluster("delete", "--yes", "foo"))
    run = scripts.finished(following)
    assert (run.stderr, run.returncode) == ("", 0)
    assert "== foo-default-worker-" in run.stdout
    assert "Start worker at" in run.stdout
    assert "Scheduler at" not in run.stdout, "what was there before"
