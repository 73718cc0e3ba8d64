"""A user inside of Kubernetes: a service account, and no kubeconfig."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

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

from dask_ctl.hosts import store as records
from tests.backends.scripts import ANSWER, DASK_CLUSTER, SCRIPT, USE, Scripts, ok

# Where kr8s (0.20) looks, and nowhere else: so a command has a /run of its own.
IN_A_POD = """
mount -t tmpfs none "$(realpath /var/run)"
mkdir -p /var/run/secrets/kubernetes.io/serviceaccount
cp "$ACCOUNT"/* /var/run/secrets/kubernetes.io/serviceaccount
exec "$@"
"""


@pytest.fixture
def inside(
    kubernetes: Kubernetes,
    scripts: Scripts,
    tmp_path: Path,
    require_programs: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., CompletedProcess[str]]:
    """Run a command as in a pod whose service account has the rights that the page names.

    Nothing but the service account says in which namespace.
    """
    require_programs("unshare", install="apt install util-linux")
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("this machine allows no mounts: run as root")
    role = rights(SCRIPTS, LIST, SHOW, DELETE, LOGS)[NAMESPACE]
    as_user(kubernetes.kubeconfig, {NAMESPACE: {kind: sorted(may) for kind, may in role.items()}})
    account, server = tmp_path / "account", kubernetes.kubeconfig.parent
    account.mkdir()
    (account / "token").write_text("limited")
    (account / "namespace").write_text(NAMESPACE)
    (account / "ca.crt").write_bytes((server / "ca.crt").read_bytes())
    monkeypatch.setenv("ACCOUNT", str(account))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", (server / "tls-port").read_text())
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__QUIET", "true")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__N_WORKERS", "1")
    monkeypatch.setenv("DASK_CTL__DISCOVERY__TIMEOUT", "20s")
    scripts.use_example("kubernetes")
    spec = scripts.cwd / "dask-cluster.yaml"
    spec.write_text(spec.read_text().replace(f"  namespace: {NAMESPACE}\n", ""))
    return lambda *command: scripts.run("unshare", "--mount", "sh", "-ec", IN_A_POD, "sh", *command)


def test_commands(inside: Callable[..., CompletedProcess[str]], kubernetes: Kubernetes) -> None:
    """All of them, from creation to deletion."""
    ok(inside(*DASK_CLUSTER, "create", "--wait", "1"))
    assert records.read(NAME).arguments == {"namespace": NAMESPACE}
    (row,) = json.loads(ok(inside(*DASK_CLUSTER, "list", "kubecluster", "-o", "json")))
    assert (row["name"], row["status"], row["workers"]) == (NAME, "running", 1)
    ok(inside(*DASK_CLUSTER, "scale", NAME, "2"))
    assert "Scheduler at" in ok(inside(*DASK_CLUSTER, "logs", NAME))
    shown = json.loads(ok(inside(*DASK_CLUSTER, "show", NAME, "-o", "json")))
    assert shown["status"] == "running"
    snippet = ok(inside(*DASK_CLUSTER, "snippet", NAME))
    assert ok(inside(sys.executable, "-c", snippet + USE)).endswith("3\n")
    ok(inside(*DASK_CLUSTER, "delete", NAME))
    assert (kubernetes.left(), records.names()) == ([], [])


def test_a_script(inside: Callable[..., CompletedProcess[str]]) -> None:
    """The script of the announcement, as it is."""
    run = inside(sys.executable, SCRIPT)
    assert (run.stdout, run.stderr, run.returncode) == (ANSWER, "", 0)
