"""What Kubernetes says of DaskClusters: an answer for all of them, and no connection to any.

Answers are judged here. At 401 and 403 kr8s (0.20) would log in anew three times, and all who share
the connection have no address to ask meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import dask.config

from dask_ctl.backends._private import kubernetes_connection
from dask_ctl.exceptions import BackendError

T = TypeVar("T")

_DASK: Final = "kubernetes.dask.org/v1"
_KINDS: Final = {
    "DaskCluster": (_DASK, "daskclusters"),
    "DaskAutoscaler": (_DASK, "daskautoscalers"),
    "DaskWorkerGroup": (_DASK, "daskworkergroups"),
    "Deployment": ("apps/v1", "deployments"),
    "Service": ("v1", "services"),
    "Pod": ("v1", "pods"),
}
_SERVICE_ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
_CREDENTIALS: Final = ("~/.kube/config", f"{_SERVICE_ACCOUNT}/token")
_WORKERS: Final = {
    "labelSelector": "dask.org/component=worker",
    "fieldSelector": "status.phase=Running",
}
# By the phases that dask-kubernetes' operator gives (2026.3).
_STATUS: Final = {"Created": "starting", "Pending": "starting", "Running": "running"}
TIMEOUT: Final = 30.0  # seconds for an answer, for which kr8s itself waits for ever
_LOOK: Final = 5.0
_ON_ITS_WAY: Final = ("ContainerCreating", "PodInitializing")  # no reason not to start
_NOT_FOUND: Final = 404
_REFUSED: Final = (401, 403)


def is_configured() -> bool:
    """Whether something says where Kubernetes is, as kr8s looks for it."""
    if os.environ.get("KUBECONFIG"):
        return True
    return any(os.path.exists(os.path.expanduser(path)) for path in _CREDENTIALS)


class Place(NamedTuple):
    """Where a cluster is; by default, in the current context and the namespace of that.

    Parameters
    ----------
    namespace, context : str, optional
        A namespace, and a context of the kubeconfig: the current one may be another later.
    """

    namespace: str | None = None
    context: str | None = None

    @classmethod
    def of(cls, kwargs: Mapping[str, Any]) -> Place:
        """As keyword arguments say it, or dask's configuration."""
        given = kwargs.get("namespace")
        namespace = dask.config.get("kubernetes.namespace", None, override_with=given)
        return cls(namespace, kwargs.get("context"))


def forwarded() -> dict[str, bool]:
    """The argument of the class that has the port of a scheduler forwarded at once, if it is to be.

    Outside of Kubernetes the class asks some twenty times for the name of the scheduler's Service
    before it does so (dask-kubernetes 2026.3), which takes longer than an answer is waited for.
    """
    is_said = dask.config.get("kubernetes.port-forward-cluster-ip", None) is not None
    is_inside = "KUBERNETES_SERVICE_HOST" in os.environ  # where names of Services are known
    return {} if is_said or is_inside else {"port_forward_cluster_ip": True}


async def connected(place: Place, timeout: float = TIMEOUT) -> Any:
    """A connection, which whoever asks kr8s on the same loop is given for as long as it is held.

    Each of its answers may take so long, in seconds.

    Raises
    ------
    BackendError
        If there is no such context.
    """
    api = await asyncio.wait_for(kubernetes_connection(None), timeout)
    if place.context not in (None, api.auth.active_context):
        try:
            api = await asyncio.wait_for(kubernetes_connection(place.context), timeout)
        except ValueError as error:
            raise BackendError(str(error), remedy="see: kubectl config get-contexts") from None
    api.timeout = timeout
    if place.namespace is not None:
        api.namespace = place.namespace
    elif not api.auth.active_context and (own := _namespace_of_pod()):
        api.namespace = own  # where kr8s (0.20) takes "default" for it
    return api


def _namespace_of_pod() -> str | None:
    """The namespace of the pod in which this runs, if it does."""
    with suppress(OSError):
        return Path(_SERVICE_ACCOUNT, "namespace").read_text(encoding="utf-8").strip()
    return None


async def asked(
    api: Any, kind: str, namespace: str | None, name: str = "", method: str = "GET", **params: str
) -> Any:
    """The answer to a request; None where there is no such thing.

    Raises
    ------
    PermissionError
        If that may not be asked.
    """
    version, plural = _KINDS[kind]
    request = api.call_api(
        method, version=version, namespace=namespace, url=f"{plural}/{name}".rstrip("/"),
        params=params, raise_for_status=False,
    )  # fmt: skip
    async with request as response:
        if response.status_code == _NOT_FOUND:
            return None
        if response.status_code in _REFUSED:
            with suppress(ValueError, KeyError, TypeError):
                raise PermissionError(response.json()["message"])
            raise PermissionError(f"Kubernetes answers {response.status_code}")
        response.raise_for_status()
        return response.text if name.endswith("/log") else response.json()


async def listed(api: Any, kind: str, namespace: str | None, **params: str) -> list[Any]:
    """The objects of a kind, those of all namespaces if that is None; none if it is not installed.

    Raises
    ------
    PermissionError
        If these may not be listed.
    """
    answer = await asked(api, kind, namespace, **params)
    return [] if answer is None else list(answer["items"])


async def visible(
    api: Any, kind: str, namespaces: Iterable[str], **params: str
) -> dict[str | None, list[Any]]:
    """The objects of a kind by the namespace that was asked: None for all, or those that may be.

    Raises
    ------
    PermissionError
        If none of these may be asked either.
    """
    try:
        return {None: await listed(api, kind, None, **params)}
    except PermissionError as error:
        refused = error
    answers: dict[str | None, list[Any]] = {}
    for namespace in namespaces:
        with suppress(PermissionError):
            answers[namespace] = await listed(api, kind, namespace, **params)
    if not answers:
        raise refused
    return answers


async def running_workers(api: Any, namespaces: Iterable[str]) -> Callable[[str, str], int | None]:
    """How many pods of workers run, by namespace and cluster; None where pods may not be listed."""
    try:
        answers = await visible(api, "Pod", namespaces, **_WORKERS)
    except PermissionError:
        answers = {}
    about = [pod["metadata"] for pods in answers.values() for pod in pods]
    counted = Counter(
        (each["namespace"], each["labels"].get("dask.org/cluster-name")) for each in about
    )

    def count(namespace: str, name: str) -> int | None:
        return counted[namespace, name] if answers.keys() & {None, namespace} else None

    return count


async def pods_of(api: Any, name: str, namespace: str) -> list[Any]:
    """The pods of a cluster: its scheduler's and its workers'."""
    return await listed(api, "Pod", namespace, labelSelector=f"dask.org/cluster-name={name}")


def reason_of(pod: Mapping[str, Any]) -> str | None:
    """Why a pod does not run, in Kubernetes' words; None if it does, or nothing is said."""
    status = pod.get("status") or {}
    waiting = [
        each["state"]["waiting"]
        for each in status.get("containerStatuses") or ()
        if (each.get("state") or {}).get("waiting", {}).get("reason") not in (None, *_ON_ITS_WAY)
    ]
    unmet = [each for each in status.get("conditions") or () if each["type"] == "PodScheduled"]
    for said in [*(each for each in unmet if each["status"] == "False"), *waiting]:
        told = [text for text in (said.get("reason"), said.get("message")) if text]
        return ": ".join(told) or None
    return None


def name_of(kwargs: Mapping[str, Any]) -> str:
    """The name of a cluster, as keyword arguments say it, or dask's configuration."""
    name: str = dask.config.get("kubernetes.name", override_with=kwargs.get("name"))
    return name


async def waits_for(name: str, place: Place) -> str | None:
    """Why pods of a cluster do not run: how many for each reason."""
    api = await connected(place)
    pods = await pods_of(api, name, api.namespace)
    reasons = Counter(filter(None, map(reason_of, pods)))
    return "; ".join(f"{n} of {len(pods)} pods: {why}" for why, n in reasons.items()) or None


def status_of(cluster: Mapping[str, Any]) -> str:
    """The status of a DaskCluster, in the words of a `ClusterInfo`."""
    if "deletionTimestamp" in cluster["metadata"]:
        return "closing"
    phase = (cluster.get("status") or {}).get("phase")
    if phase is None:
        return "unknown: no operator has taken it up"
    return _STATUS.get(phase, f"unknown: Kubernetes calls it {phase}")


async def unless_silent(begun: Callable[[], Awaitable[T]]) -> T:
    """What is awaited, while Kubernetes answers.

    Raises
    ------
    TimeoutError
        If it does not any more.
    """
    awaited = asyncio.ensure_future(begun())
    silence = asyncio.ensure_future(_silence())
    try:
        await asyncio.wait([awaited, silence], return_when=asyncio.FIRST_COMPLETED)
        if not awaited.done():
            raise TimeoutError("Kubernetes does not answer any more")
        return await awaited
    finally:
        awaited.cancel()
        silence.cancel()


async def _silence() -> None:
    """Wait until there has been no answer for a while."""
    heard, api = time.monotonic(), None
    while True:
        await asyncio.sleep(_LOOK)
        try:
            api = api or await connected(Place())
            async with asyncio.timeout(TIMEOUT):
                async with api.call_api("GET", "", base="/version", raise_for_status=False):
                    heard = time.monotonic()
        except Exception:  # noqa: BLE001 -- of httpx, ssl, the kubeconfig or its credential plugin
            if time.monotonic() > heard + TIMEOUT:
                return
