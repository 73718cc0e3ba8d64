"""What ``KubeCluster`` leaves to its caller: other clusters of the same name."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

from dask_ctl.backends.signature import inherits, misfits
from dask_ctl.exceptions import BackendError, NoSuchClusterError

_GONE_TIMEOUT: Final = 120.0


@contextmanager
def loop_for(
    target: Any, kwargs: Mapping[str, Any], *, asynchronous: bool
) -> Iterator[dict[str, Any]]:
    """Give the loop that a ``KubeCluster`` is to use, once its name is free there.

    Without `asynchronous` that is a new one, on which Kubernetes has been asked already, so that
    the cluster shares the connection: making one takes as long as ten requests. With it, it is
    the running one, without which the class starts itself a second time and never awaits that.

    Parameters
    ----------
    target, kwargs
        As of `until_name_is_free`.
    asynchronous : bool
        Whether the cluster is made for the running loop; whoever awaits it waits for its name.

    Yields
    ------
    arguments : dict
        What else to call `target` with: ``loop``, if it takes that.

    Raises
    ------
    BackendError
        As `until_name_is_free`.
    """
    if not _is_kube(target):
        yield {}
        return
    from distributed.utils import LoopRunner

    runner = LoopRunner(asynchronous=asynchronous)
    runner.start()
    try:
        if not asynchronous:
            _connection = runner.run_sync(until_name_is_free, target, kwargs)
        loop = {"loop": runner.loop}
        yield {} if "loop" in kwargs or misfits(target, [], loop) else loop
    finally:
        runner.stop()  # it goes on for as long as the cluster is open


async def until_name_is_free(target: Any, kwargs: Mapping[str, Any]) -> Any:
    """Wait until nothing is left of a deleted cluster of the name that `kwargs` ask for.

    Kubernetes collects the parts of what was deleted later. A cluster of the same name that is
    created before that takes them for its own, loses them, and never has workers.

    Parameters
    ----------
    target : class or function
        What is about to be called. There is nothing to wait for unless it is a ``KubeCluster``.
    kwargs : mapping
        Its arguments.

    Returns
    -------
    connection : kr8s.Api or None
        What was asked. As long as it is held, kr8s gives it to everybody on the same loop.

    Raises
    ------
    BackendError
        If something is still left after two minutes.
    """
    if not _is_kube(target):
        return None
    import kr8s
    from dask import config

    name = config.get("kubernetes.name", override_with=kwargs.get("name"))
    namespace = config.get("kubernetes.namespace", override_with=kwargs.get("namespace"))
    if "{" in name or kwargs.get("custom_cluster_spec"):
        return None  # a name that the call makes up, or that stands elsewhere
    api = await kr8s.asyncio.api()
    await _gone(api, name, namespace, "wait until they are, or choose another name")
    return api


async def delete(name: str, namespace: str | None) -> None:
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

    api = await kr8s.asyncio.api()
    clusters = api.get(
        _dask("DaskCluster"), namespace=namespace, field_selector=f"metadata.name={name}"
    )
    found = [cluster async for cluster in clusters]
    if not found:
        raise NoSuchClusterError(
            f"there is no cluster {name!r} in namespace {namespace or 'default'}",
            remedy="see: kubectl get daskclusters --all-namespaces",
        )
    for each in found:
        await each.delete()
    await _gone(api, name, namespace, "see what keeps them: kubectl describe")


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


async def _gone(api: Any, name: str, namespace: str | None, remedy: str) -> None:
    deadline = time.monotonic() + _GONE_TIMEOUT
    while left := await _remains(api, name, namespace):
        if time.monotonic() > deadline:
            raise BackendError(
                f"of the deleted cluster {name!r} there are still {', '.join(left)}", remedy=remedy
            )
        await asyncio.sleep(0.2)


async def _remains(api: Any, name: str, namespace: str | None) -> list[str]:
    """What there is of a cluster that is being deleted, or was."""
    import kr8s
    from kr8s.asyncio.objects import Deployment, Pod, Service

    of_that_name = {"field_selector": f"metadata.name={name}"}
    of_that_cluster = {"label_selector": f"dask.org/cluster-name={name}"}

    async def listed(kind: Any, selection: dict[str, str]) -> list[Any]:
        # What may not be listed cannot be waited for, and what is wrong the class says best.
        with suppress(kr8s.ServerError):
            return [part async for part in api.get(kind, namespace=namespace, **selection)]
        return []

    for cluster in await listed(_dask("DaskCluster"), of_that_name):
        alive = "deletionTimestamp" not in cluster.metadata
        return [] if alive else [f"DaskCluster {name}"]
    workers = (_dask("DaskWorkerGroup"), Deployment, Service, Pod)
    parts = await asyncio.gather(
        listed(_dask("DaskAutoscaler"), of_that_name),
        *(listed(kind, of_that_cluster) for kind in workers),
    )
    return [f"{part.kind} {part.name}" for found in parts for part in found]


def _dask(kind: str) -> Any:
    from kr8s.asyncio.objects import new_class

    return new_class(kind, "kubernetes.dask.org/v1")


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
