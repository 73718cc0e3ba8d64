"""What the tests ask of Kubernetes and of the machine."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

NAME, NAMESPACE = "foo", "bar"  # as in the example
GROUPS = ["", "apps", "kubernetes.dask.org"]
PAGE = ROOT / "docs" / "backends" / "kubernetes.md"
SCRIPTS, LIST, SHOW, DELETE, LOGS = range(1, 6)  # columns of its table


class Kubernetes:
    """An API server, and the cluster ``foo`` in its namespace ``bar``."""

    def __init__(self, kubeconfig: Path) -> None:
        import kr8s
        from kr8s.objects import Deployment, Pod, ReplicaSet, Service, new_class

        group = "kubernetes.dask.org/v1"
        self.kubeconfig = kubeconfig
        self._api = kr8s.api(kubeconfig=str(kubeconfig), namespace=NAMESPACE)
        self.cluster_kind = new_class("DaskCluster", group)
        self._named = [self.cluster_kind, new_class("DaskAutoscaler", group)]
        worker_group = new_class("DaskWorkerGroup", group)
        self._labelled = [worker_group, Deployment, ReplicaSet, Service, Pod]

    def create(self) -> None:
        """Make the cluster without its class: if an operator is there, it makes the parts."""
        about = {"name": NAME, "namespace": NAMESPACE}
        self.cluster_kind({"metadata": about, "spec": {}}, api=self._api).create()

    def clusters(self) -> list[Any]:
        return self._get(self.cluster_kind, field_selector=f"metadata.name={NAME}")

    def left(self) -> list[Any]:
        """Every object of the cluster."""
        return [
            found
            for kinds, selection in (
                (self._named, {"field_selector": f"metadata.name={NAME}"}),
                (self._labelled, {"label_selector": f"dask.org/cluster-name={NAME}"}),
            )
            for kind in kinds
            for found in self._get(kind, **selection)
        ]

    def delete(self) -> None:
        for cluster in self.clusters():
            cluster.delete()

    def processes(self) -> list[int]:
        """The processes of the pods, if they run on this machine."""
        return [pid for pid, folder in folders() if folder == str(self.kubeconfig.parent)]

    def _get(self, kind: Any, **selection: str) -> list[Any]:
        return list(self._api.get(kind, namespace=NAMESPACE, **selection))


def rights(*columns: int) -> dict[str, Any]:
    """What its table says, as a role in one namespace."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in PAGE.read_text().partition("## Rights")[2].splitlines()
        if line.startswith("| `")
    ]
    assert len(rows) >= 5
    return {
        NAMESPACE: {
            row[0].strip("`"): {verb for c in columns for verb in re.findall(r"\w+", row[c])}
            for row in rows
        }
    }


def as_user(kubeconfig: Path, role: dict[str, Any] | None) -> Path:
    """A kubeconfig of somebody who may do this and no more: verbs by namespace and resource.

    Without a role, of somebody who is not known. A real API server is to know the token
    ``limited`` of a user who is called so, too.
    """
    if in_memory(kubeconfig):
        roles = {} if role is None else {"limited": role}
        (kubeconfig.parent / "roles.json").write_text(json.dumps(roles))
    elif role is not None:
        _bind(kubeconfig, role)
    config = json.loads(kubeconfig.read_text())
    config["users"][0]["user"] = {"token": "limited"}
    path = kubeconfig.parent / "limited"
    path.write_text(json.dumps(config))
    return path


def in_memory(kubeconfig: Path) -> bool:
    """Whether this is an API server of the tests, which can be told how to answer."""
    return (kubeconfig.parent / "api.log").exists()


def _bind(kubeconfig: Path, role: dict[str, Any]) -> None:
    """Have the user ``limited`` of a real API server have a role, and no other."""
    import kr8s
    from kr8s.objects import new_class

    api = kr8s.api(kubeconfig=str(kubeconfig))
    group = "rbac.authorization.k8s.io"
    binding = new_class("RoleBinding", f"{group}/v1")
    kinds = new_class("Role", f"{group}/v1"), binding
    for kind in kinds:
        for each in api.get(kind, namespace=kr8s.ALL, field_selector="metadata.name=limited"):
            each.delete()
    for namespace, resources in role.items():
        about = {"metadata": {"name": "limited", "namespace": namespace}}
        rules = [
            {
                "apiGroups": GROUPS,
                "resources": [each],
                "verbs": [*verbs],
            }
            for each, verbs in resources.items()
            if verbs
        ]
        subjects = [{"kind": "User", "name": "limited", "apiGroup": group}]
        whose = {"kind": "Role", "name": "limited", "apiGroup": group}
        kinds[0]({**about, "rules": rules}, api=api).create()
        binding({**about, "roleRef": whose, "subjects": subjects}, api=api).create()


def folders() -> Iterator[tuple[int, str]]:
    """All processes of this machine with their current directories."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            yield int(process.name), os.readlink(process / "cwd")
        except OSError:  # it has ended, or belongs to somebody else
            continue
