"""Pods on Kubernetes, by the operator of dask-kubernetes."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, Final

import dask.config

from dask_ctl import _private
from dask_ctl.backends import signature
from dask_ctl.backends.base import Backend
from dask_ctl.exceptions import BackendError, NoSuchClusterError

_GONE_TIMEOUT: Final = 120.0  # seconds
_POLL: Final = 0.2  # seconds


class Kubernetes(Backend):
    """dask-kubernetes' ``KubeCluster``, which leaves other clusters of its name to its caller."""

    classes = ("dask_kubernetes.operator.kubecluster.kubecluster.KubeCluster",)
    public_name = "dask_kubernetes.operator.KubeCluster"
    packages = {"dask_kubernetes": "dask-kubernetes"}
    templates = ("kubernetes",)
    variables_remedy = "write the variables into the manifest of 'custom_cluster_spec'"
    by_command = True

    def plan(self, args: list[Any], kwargs: Mapping[str, Any]) -> str:
        """The DaskCluster that would be made, as its manifest."""
        import yaml
        from dask_kubernetes.operator.kubecluster.kubecluster import make_cluster_spec

        known = signature.explicit(inspect.signature(make_cluster_spec))
        configured = dask.config.get("kubernetes", {})
        given = {name: configured.get(name.replace("_", "-")) for name in known}
        given |= {name: value for name, value in kwargs.items() if name in known}
        manifest = kwargs.get("custom_cluster_spec") or make_cluster_spec(
            **{name: value for name, value in given.items() if value is not None}
        )
        return str(yaml.safe_dump(manifest, sort_keys=False))

    def with_variables(
        self, kwargs: Mapping[str, Any], variables: Mapping[str, str]
    ) -> dict[str, Any] | None:
        """In the manifest, as mapping or list, whichever is given."""
        if kwargs.get("custom_cluster_spec") is not None:
            return None
        given = kwargs.get("env") or dask.config.get("kubernetes.env", None) or {}
        if isinstance(given, Mapping):
            return {**kwargs, "env": {**variables, **given}}
        return {**kwargs, "env": [*({"name": n, "value": v} for n, v in variables.items()), *given]}

    def calling(
        self, kwargs: Mapping[str, Any], *, asynchronous: bool
    ) -> AbstractContextManager[dict[str, Any]]:
        """Give it a loop, on which its name is free.

        Without `asynchronous` that is a new one, on which Kubernetes has been asked already, so
        that the cluster shares the connection: making one takes as long as ten requests. With it,
        it is the running one, without which the class starts itself a second time and never
        awaits that (dask-kubernetes 2026.3).
        """
        return self._loop(kwargs, asynchronous=asynchronous)

    @contextmanager
    def _loop(self, kwargs: Mapping[str, Any], *, asynchronous: bool) -> Iterator[dict[str, Any]]:
        from distributed.utils import LoopRunner

        runner = LoopRunner(asynchronous=asynchronous)
        runner.start()
        try:
            if not asynchronous:
                _connection = runner.run_sync(until_name_is_free, kwargs)
            takes = signature.takes(self.target, "loop") and "loop" not in kwargs
            yield {"loop": runner.loop} if takes else {}
        finally:
            runner.stop()  # it goes on for as long as the cluster is open

    def start(self, cluster: Any, kwargs: Mapping[str, Any]) -> Any:
        """Wait for its name first."""

        async def started() -> Any:
            _connection = await until_name_is_free(kwargs)  # held, so that the cluster shares it
            return await cluster

        return started()

    def existed(self, cluster: Any) -> bool:
        """So it is taken to be while it has not yet looked whether there is one."""
        messages = _private.messages_of(cluster)
        if any("existing cluster" in text for text in messages):
            return True
        starting = getattr(getattr(cluster, "status", None), "name", "") == "created"
        return starting and "Creating cluster" not in messages

    def remembered(self, cluster: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Where it is."""
        return {"namespace": cluster.namespace}

    async def completed(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The namespace: the list of names that dask-kubernetes gives has none."""
        namespace = arguments.get("namespace") or await _namespace_of(name)
        return {**arguments, "namespace": namespace}

    def connect(self, name: str, arguments: Mapping[str, Any], *, asynchronous: bool) -> Any:
        """Quietly, as it draws a panel on standard output otherwise."""
        given = {"quiet": True, **arguments}
        if asynchronous:
            from tornado.ioloop import IOLoop

            given["loop"] = IOLoop.current()  # otherwise it starts a second time, never awaited
        return super().connect(name, given, asynchronous=asynchronous)

    def delete(self, name: str, arguments: Mapping[str, Any], deadline: float) -> None:
        """Delete it, and wait until nothing is left of it."""
        asyncio.run(_deleted(name, arguments.get("namespace"), deadline))


async def until_name_is_free(kwargs: Mapping[str, Any]) -> Any:
    """Wait until nothing is left of a deleted cluster of the name that `kwargs` ask for.

    Kubernetes collects the parts of what was deleted later. A cluster of the same name that is
    created before that takes them for its own, loses them, and never has workers. This is a
    courtesy: where Kubernetes cannot be asked, the class itself says best what is wrong.

    Returns
    -------
    connection : kr8s.Api or None
        What was asked. As long as it is held, kr8s gives it to everybody on the same loop.
    """
    import kr8s

    name = dask.config.get("kubernetes.name", override_with=kwargs.get("name"))
    namespace = dask.config.get("kubernetes.namespace", override_with=kwargs.get("namespace"))
    if "{" in name or kwargs.get("custom_cluster_spec"):
        return None  # a name that the call makes up, or that stands elsewhere
    remedy = "wait until they are, or choose another name"
    try:
        api = await kr8s.asyncio.api()
        await _gone(api, name, namespace, time.monotonic() + _GONE_TIMEOUT, remedy)
    except BackendError:
        raise
    except Exception:  # noqa: BLE001 -- of httpx, ssl, the kubeconfig or its credential plugin
        return None
    return api


async def _deleted(name: str, namespace: str | None, deadline: float) -> None:
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
    await _gone(api, name, namespace, deadline, "see what keeps them: kubectl describe")


async def _namespace_of(name: str) -> str | None:
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


async def _gone(api: Any, name: str, namespace: str | None, deadline: float, remedy: str) -> None:
    while left := await _remains(api, name, namespace):
        if time.monotonic() > deadline:
            raise BackendError(
                f"of the deleted cluster {name!r} there are still {', '.join(left)}", remedy=remedy
            )
        await asyncio.sleep(_POLL)


async def _remains(api: Any, name: str, namespace: str | None) -> list[str]:
    """What there is of a cluster that is being deleted, or was."""
    import kr8s
    from kr8s.asyncio.objects import Deployment, Pod, Service

    of_that_name = {"field_selector": f"metadata.name={name}"}
    of_that_cluster = {"label_selector": f"dask.org/cluster-name={name}"}

    async def listed(kind: Any, selection: dict[str, str]) -> list[Any]:
        # What may not be listed cannot be waited for.
        with suppress(kr8s.ServerError):
            return [part async for part in api.get(kind, namespace=namespace, **selection)]
        return []

    for cluster in await listed(_dask("DaskCluster"), of_that_name):
        alive = "deletionTimestamp" not in cluster.metadata
        return [] if alive else [f"DaskCluster {name}"]
    # One after the other: when the server refuses one, kr8s (0.20) logs in anew, and meanwhile the
    # others have no address to ask.
    parts = await listed(_dask("DaskAutoscaler"), of_that_name)
    for kind in (_dask("DaskWorkerGroup"), Deployment, Service, Pod):
        parts += await listed(kind, of_that_cluster)
    return [f"{part.kind} {part.name}" for part in parts]


def _dask(kind: str) -> Any:
    from kr8s.asyncio.objects import new_class

    return new_class(kind, "kubernetes.dask.org/v1")


ROOMS = (Kubernetes,)
