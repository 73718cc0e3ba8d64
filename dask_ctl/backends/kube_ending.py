"""The end of a KubeCluster: nothing of it is left, its name is free, or it is said what may be."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from dask_ctl._async import in_daemon
from dask_ctl.backends import kube_api
from dask_ctl.exceptions import (
    BackendError,
    NoSuchClusterError,
    Problem,
    explain,
    reason,
    text_of,
)

PATIENCE: Final = 2.0  # seconds
_UNDO_TIMEOUT: Final = 60.0
_ANSWER_TIMEOUT: Final = 10.0  # of one that may not answer any more, while somebody waits
_GONE_TIMEOUT: Final = 120.0
_POLL: Final = 0.2


async def until_name_is_free(kwargs: Mapping[str, Any]) -> Any:
    """Wait until nothing is left of a deleted cluster of the name that `kwargs` ask for.

    Kubernetes collects the parts of what was deleted later. A cluster of the same name that is
    created before that takes them for its own, loses them, and never has workers. This is a
    courtesy: where Kubernetes cannot be asked, the class itself says best what is wrong.

    Returns
    -------
    connection : kr8s.Api or None
        What was asked.

    Raises
    ------
    BackendError
        If parts of it stay, or there is no answer: for that the class would wait for ever.
    """
    name = kube_api.name_of(kwargs)
    deadline = time.monotonic() + _GONE_TIMEOUT
    api = None
    try:
        api = await kube_api.connected(kube_api.Place.of(kwargs))
        if not ("{" in name or kwargs.get("custom_cluster_spec")):
            remedy = "wait until they are, or choose another name"
            await _gone(api, name, api.namespace, deadline, remedy)
    except BackendError:
        raise
    except TimeoutError:
        raise BackendError(
            "Kubernetes does not answer", remedy="see whether it runs: kubectl get daskclusters"
        ) from None
    except Exception:  # noqa: BLE001 -- of httpx, ssl, the kubeconfig or its credential plugin
        return api
    return api


async def closed(cluster: Any, context: str | None, *, deleting: bool | None) -> None:
    """Disconnect a cluster object; delete its cluster by another connection: its own may be lost.

    Raises
    ------
    BackendError
        If that may be left.
    """
    with suppress(Exception):  # its connection may be lost
        blocking = not cluster.asynchronous
        ending = asyncio.wrap_future(in_daemon(cluster.close)) if blocking else cluster.close()
        await asyncio.wait_for(ending, PATIENCE)
    if not deleting:
        return
    name, namespace = cluster.name, cluster.namespace
    try:
        async with asyncio.timeout(_UNDO_TIMEOUT):
            place = kube_api.Place(namespace, context)
            api = await kube_api.connected(place, _ANSWER_TIMEOUT)
            await _until_taken_up(api, name, namespace)
            await _deleted(api, name, namespace, math.inf, parts=False)
    except NoSuchClusterError:
        return
    except Exception as error:
        raise BackendError(
            f"DaskCluster {name} of namespace {namespace} may be left: {reason(error)}",
            remedy=f"to delete it: kubectl delete daskcluster {name} --namespace {namespace}",
        ) from error


def explain_close(name: str, error: Exception | None) -> None:
    """Say what an error in closing a cluster leaves, if there was one."""
    if error is not None:
        explain(
            error,
            Problem(
                f"DaskCluster {name} may be left: {text_of(error)}",
                "see: kubectl get daskclusters --all-namespaces",
            ),
        )


async def delete(name: str, place: kube_api.Place, deadline: float) -> None:
    """Delete a cluster, and wait until nothing is left of it.

    Raises
    ------
    NoSuchClusterError
        If there is none of that name.
    BackendError
        If something is left at the deadline.
    """
    api = await kube_api.connected(place)
    await _deleted(api, name, api.namespace, deadline, parts=True)


def no_such_cluster(name: str, namespace: str) -> NoSuchClusterError:
    """The error that Kubernetes has no such cluster."""
    return NoSuchClusterError(
        f"there is no cluster {name!r} in namespace {namespace}",
        remedy="see: kubectl get daskclusters --all-namespaces",
    )


async def _deleted(api: Any, name: str, namespace: str, deadline: float, *, parts: bool) -> None:
    if await kube_api.asked(api, "DaskCluster", namespace, name, "DELETE") is None:
        raise no_such_cluster(name, namespace)
    remedy = "see what keeps them: kubectl describe"
    await _gone(api, name, namespace, deadline, remedy, parts=False)
    with suppress(PermissionError):
        for group in await _worker_groups(api, name, namespace):
            if not group["metadata"].get("ownerReferences"):
                called = group["metadata"]["name"]
                await kube_api.asked(api, "DaskWorkerGroup", namespace, called, "DELETE")
    if parts:
        await _gone(api, name, namespace, deadline, remedy)


async def _worker_groups(api: Any, name: str, namespace: str) -> list[Any]:
    labelled = {"labelSelector": f"dask.org/cluster-name={name}"}
    return await kube_api.listed(api, "DaskWorkerGroup", namespace, **labelled)


async def _until_taken_up(api: Any, name: str, namespace: str) -> None:
    """Wait a little until the operator has made all parts of a cluster that has just begun.

    What it makes of one that is deleted meanwhile, its workers, nobody owns, so that nobody ever
    deletes it (dask-kubernetes 2026.3).
    """
    late = time.monotonic() + PATIENCE
    with suppress(PermissionError):
        while time.monotonic() < late:
            groups = await _worker_groups(api, name, namespace)
            if any(group["metadata"].get("ownerReferences") for group in groups):
                return
            await asyncio.sleep(_POLL)


async def _gone(
    api: Any, name: str, namespace: str, deadline: float, remedy: str, *, parts: bool = True
) -> None:
    """Wait until nothing is left of a cluster that is being deleted, or was; or not of its parts.

    Raises
    ------
    BackendError
        If something is at the deadline.
    """
    while left := await _remains(api, name, namespace, parts=parts):
        if time.monotonic() > deadline:
            raise BackendError(
                f"of the deleted cluster {name!r} there are still {', '.join(left)}", remedy=remedy
            )
        await asyncio.sleep(_POLL)


async def _remains(api: Any, name: str, namespace: str, *, parts: bool) -> list[str]:
    of_that_name = {"fieldSelector": f"metadata.name={name}"}
    of_that_cluster = {"labelSelector": f"dask.org/cluster-name={name}"}

    async def there(kind: str, selection: dict[str, str]) -> list[Any]:
        with suppress(PermissionError):  # what may not be listed cannot be waited for
            return await kube_api.listed(api, kind, namespace, **selection)
        return []

    for cluster in await there("DaskCluster", of_that_name):
        alive = "deletionTimestamp" not in cluster["metadata"]
        return [] if alive else [f"DaskCluster {name}"]
    if not parts:
        return []
    left = [f"DaskAutoscaler {name}" for _ in await there("DaskAutoscaler", of_that_name)]
    for kind in ("DaskWorkerGroup", "Deployment", "Service", "Pod"):
        found = await there(kind, of_that_cluster)
        left += [f"{kind} {part['metadata']['name']}" for part in found]
    return left
