"""What ``KubeCluster`` leaves to its caller: other clusters of the same name."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from dask_ctl.exceptions import BackendError, NoSuchClusterError
from dask_ctl.signature import inherits

_GONE_TIMEOUT: Final = 120.0


def until_name_is_free(target: Any, kwargs: Mapping[str, Any]) -> Iterator[float]:
    """Wait until nothing is left of a deleted cluster of the name that `kwargs` ask for.

    Kubernetes collects the parts of what was deleted later. A cluster of the same name that is
    created before that takes them for its own, loses them, and never has workers.

    Parameters
    ----------
    target : class or function
        What is about to be called. There is nothing to wait for unless it is a ``KubeCluster``.
    kwargs : mapping
        Its arguments.

    Yields
    ------
    delay : float
        Seconds to sleep before going on.

    Raises
    ------
    BackendError
        If something is still left after two minutes.
    """
    if not _is_kube(target):
        return
    from dask import config

    name = config.get("kubernetes.name", override_with=kwargs.get("name"))
    namespace = config.get("kubernetes.namespace", override_with=kwargs.get("namespace"))
    if "{" in name or kwargs.get("custom_cluster_spec"):
        return  # a name that the call makes up, or that stands elsewhere
    deadline = time.monotonic() + _GONE_TIMEOUT
    while left := _remains(name, namespace):
        if time.monotonic() > deadline:
            raise BackendError(
                f"of a deleted cluster {name!r} there are still {', '.join(left)}",
                remedy="wait until Kubernetes has removed them, or choose another name",
            )
        yield 0.2


def delete(name: str, namespace: str | None) -> None:
    """Delete a cluster, and wait until nothing is left of it.

    Parameters
    ----------
    name, namespace : str
        Which one; without a namespace that of the configuration.

    Raises
    ------
    NoSuchClusterError
        If there is none.
    BackendError
        If something is still left after two minutes.
    """
    import kr8s
    from kr8s.objects import new_class

    api = kr8s.api()
    cluster = new_class("DaskCluster", "kubernetes.dask.org/v1")
    found = list(api.get(cluster, namespace=namespace, field_selector=f"metadata.name={name}"))
    if not found:
        raise NoSuchClusterError(
            f"there is no cluster {name!r} in namespace {namespace or 'default'}",
            remedy="see: kubectl get daskclusters --all-namespaces",
        )
    for each in found:
        each.delete()
    deadline = time.monotonic() + _GONE_TIMEOUT
    while left := _remains(name, namespace):
        if time.monotonic() > deadline:
            raise BackendError(
                f"of cluster {name!r} there are still {', '.join(left)}",
                remedy="see what keeps them: kubectl describe",
            )
        time.sleep(0.2)


async def namespace_of(name: str) -> str | None:
    """The namespace in which there is a cluster of a name; None if there is none.

    Raises
    ------
    BackendError
        If there is one in several namespaces.
    """
    import kr8s

    selector = f"metadata.name={name}"
    kind = "daskclusters.kubernetes.dask.org"
    clusters = kr8s.asyncio.get(kind, namespace=kr8s.ALL, field_selector=selector)
    found = sorted([cluster.namespace async for cluster in clusters])
    if len(found) > 1:
        raise BackendError(
            f"there is a cluster {name!r} in each of the namespaces {', '.join(found)}",
            remedy="say which: KubeCluster.from_name(name, namespace=...)",
        )
    return found[0] if found else None


def _remains(name: str, namespace: str | None) -> list[str]:
    """What there is of a cluster that is being deleted, or was."""
    import kr8s
    from kr8s.objects import Deployment, Pod, Service, new_class

    group = "kubernetes.dask.org/v1"
    of_that_name = f"metadata.name={name}"
    of_that_cluster = f"dask.org/cluster-name={name}"
    cluster, worker_group, autoscaler = (
        new_class(kind, group) for kind in ("DaskCluster", "DaskWorkerGroup", "DaskAutoscaler")
    )
    api = kr8s.api()
    for found in _listed(api, cluster, namespace, field_selector=of_that_name):
        alive = "deletionTimestamp" not in found.metadata
        return [] if alive else [f"DaskCluster {name}"]
    parts = _listed(api, autoscaler, namespace, field_selector=of_that_name)
    for kind in (worker_group, Deployment, Service, Pod):
        parts += _listed(api, kind, namespace, label_selector=of_that_cluster)
    return [f"{part.kind} {part.name}" for part in parts]


def _listed(api: Any, kind: Any, namespace: str | None, **selection: str) -> list[Any]:
    import kr8s

    # What may not be listed cannot be waited for, and what is wrong the class itself says best.
    with suppress(kr8s.ServerError):
        return list(api.get(kind, namespace=namespace, **selection))
    return []


def connected(cluster: Any) -> bool:
    """Whether making `cluster` connected to one that was there before.

    So it is taken to be while a ``KubeCluster`` has not yet looked whether there is one.
    """
    # Its messages are the only place where it says so.
    messages = [text for _, text in getattr(cluster, "_cluster_manager_logs", ())]
    if any("existing cluster" in text for text in messages):
        return True
    starting = getattr(getattr(cluster, "status", None), "name", "") == "created"
    return starting and _is_kube(type(cluster)) and "Creating cluster" not in messages


def _is_kube(target: Any) -> bool:
    return inherits(target, "dask_kubernetes.operator.kubecluster.kubecluster", "KubeCluster")
