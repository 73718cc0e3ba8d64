"""Pods on Kubernetes, by the operator of dask-kubernetes."""

from __future__ import annotations

import asyncio
import inspect
import math
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent import futures
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from typing import Any

import dask.config

from dask_ctl import _async, _private
from dask_ctl._async import in_daemon, settled
from dask_ctl.backends import (
    ending,
    kube_api,
    kube_ending,
    kube_logs,
    kube_manifest,
    plans,
    signature,
)
from dask_ctl.backends._private import cancel_start_of_kube_cluster
from dask_ctl.backends.base import Backend
from dask_ctl.backends.logs import Wanted
from dask_ctl.backends.sighting import Sighting
from dask_ctl.exceptions import BackendError, Problem


class Kubernetes(Backend):
    """dask-kubernetes' ``KubeCluster``, which leaves other clusters of its name to its caller."""

    classes = ("dask_kubernetes.operator.kubecluster.kubecluster.KubeCluster",)
    public_name = "dask_kubernetes.operator.KubeCluster"
    packages = {"dask_kubernetes": "dask-kubernetes"}
    gone = {  # seen in dask-kubernetes 2026.3
        "HelmCluster": "dask-kubernetes makes clusters by its operator only; write 'module: "
        "dask_kubernetes.operator' and 'class: KubeCluster', or attach to the scheduler of the "
        "chart: dask cluster spec init proxy"
    }
    templates = ("kubernetes",)
    variables_remedy = "write the variables into the manifest of 'custom_cluster_spec'"
    by_command = True
    ends_by_name = True
    place = "namespace"
    meant = {
        "context": "it connects in the current one: kubectl config use-context NAME, or a "
        "kubeconfig of its own in KUBECONFIG"
    }
    service = "kubecluster"
    broken_methods = {"helmcluster": "its module is not shipped any more"}  # dask-kubernetes 2026.3

    _connection: Any = None  # held, so that the cluster shares it: its time-out, and one login
    _made: Any = None

    def takers(self, kwargs: Mapping[str, Any]) -> tuple[list[Any], bool]:
        """It hands what it does not name to distributed's ``Cluster``, its base."""
        return [self.target], True

    def problems(self, kwargs: Mapping[str, Any]) -> Iterator[Problem]:
        """What Kubernetes would refuse, or the class not heed."""
        yield from kube_manifest.problems(kwargs)

    def refusals(self, kwargs: Mapping[str, Any]) -> Iterator[Problem]:
        """A name that cannot be one, and a manifest that is not there."""
        from dask_kubernetes.constants import MAX_CLUSTER_NAME_LEN, VALID_CLUSTER_NAME

        name = kwargs.get("name")
        if isinstance(name, str) and "{" not in name and not VALID_CLUSTER_NAME.match(name):
            letters = f"use at most {MAX_CLUSTER_NAME_LEN} lower-case letters, digits and '-'"
            yield Problem(f"{name!r} is no name of a DaskCluster", letters, key="kwargs.name")
        manifest = kwargs.get("custom_cluster_spec")
        if isinstance(manifest, str) and not os.path.isfile(manifest):
            told, key = f"there is no file {manifest!r}", "kwargs.custom_cluster_spec"
            yield Problem(told, "write its path, or the manifest itself", key=key)

    def plan(self, args: list[Any], kwargs: Mapping[str, Any]) -> str:
        """The DaskCluster that would be made, as its manifest."""
        from dask_kubernetes.operator.kubecluster.kubecluster import make_cluster_spec

        known = signature.explicit(inspect.signature(make_cluster_spec))
        configured = dask.config.get("kubernetes", {})
        given = {name: configured.get(name.replace("_", "-")) for name in known}
        given |= {name: value for name, value in kwargs.items() if name in known}
        manifest = kwargs.get("custom_cluster_spec") or make_cluster_spec(
            **{name: value for name, value in given.items() if value is not None}
        )
        return plans.listed(manifest)

    def section(
        self, classes: Iterable[str], kwargs: Mapping[str, Any]
    ) -> tuple[str, Mapping[str, str]]:
        """Its namespace."""
        return "kubernetes", {"scheduler-jupyter": "jupyter"}

    def when_idle(self, kwargs: Mapping[str, Any], seconds: float) -> dict[str, Any] | None:
        """By the operator, which deletes the cluster."""
        if kwargs.get("custom_cluster_spec") is not None:
            return None
        return {"idle_timeout": math.ceil(seconds), **kwargs}

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

    @contextmanager
    def calling(self, kwargs: Mapping[str, Any], *, asynchronous: bool) -> Iterator[dict[str, Any]]:
        """Give it a loop, on which its name is free.

        Without `asynchronous` that is a new one, on which Kubernetes has been asked already, so
        that the cluster shares the connection: making one takes as long as ten requests. With it,
        it is the running one, without which the class starts itself a second time and never
        awaits that (dask-kubernetes 2026.3).
        """
        connecting = partial(kube_ending.until_name_is_free, kwargs)
        with self._loop(connecting, asynchronous=asynchronous) as loop:
            takes = signature.takes(self.target, "loop") and "loop" not in kwargs
            yield {"loop": loop} if takes else {}

    @contextmanager
    def _loop(
        self, connecting: Callable[[], Awaitable[Any]], *, asynchronous: bool
    ) -> Iterator[Any]:
        """A loop for a cluster object, with a connection on it if it is a new one."""
        from distributed.utils import LoopRunner

        runner = LoopRunner(asynchronous=asynchronous)
        runner.start()
        try:
            if not asynchronous:
                self._connection = runner.run_sync(connecting)
            yield runner.loop
        finally:
            runner.stop()  # it goes on for as long as the cluster is open

    def call(self, args: list[Any], kwargs: Mapping[str, Any]) -> Any:
        """Connect where somebody else makes a cluster of its name at the same moment."""
        __tracebackhide__ = True
        made = self._called if kwargs.get("asynchronous") else self._watched
        try:
            return made(args, kwargs)
        except Exception as error:
            if not (self._was_refused(error) and _is_taken(error)):
                raise
        return made(args, kwargs)

    def _called(self, args: list[Any], kwargs: Mapping[str, Any]) -> Any:
        """What a call of the class does, its object known from the beginning."""
        self._made = self.target.__new__(self.target)
        self._made.__init__(*args, **kwargs)
        _private.when_closed(self._made, partial(kube_ending.explain_close, self._made.name))
        return self._made

    def _watched(self, args: list[Any], kwargs: Mapping[str, Any]) -> Any:
        """The same in a thread, which can be given up: the class may wait for ever.

        It goes on trying where a port forward leads nowhere any more, and blocks its loop while it
        waits for one (dask-kubernetes 2026.3).
        """
        making = in_daemon(self._called, args, kwargs)
        try:
            waiting = partial(asyncio.wrap_future, making)
            return _async.run(kube_api.unless_silent(waiting))
        finally:
            if not making.done():
                cancel_start_of_kube_cluster(self._made)
                futures.wait([making], kube_ending.PATIENCE)

    def half_built(self, error: BaseException) -> Any | None:
        """It has begun once it has looked whether there is one of its name."""
        begun = not self._was_refused(error) and "Creating cluster" in self._log
        if self._made is not None and not begun:
            # At exit the class deletes what has the name, whoever made it (dask-kubernetes 2026.3).
            self._made.shutdown_on_close = False
        return self._made if begun and ending.status_of(self._made) != "closed" else None

    @property
    def _log(self) -> list[str]:
        return _private.messages_of(self._made)

    def start(self, cluster: Any, kwargs: Mapping[str, Any]) -> Any:
        """Wait for its name first."""

        async def started() -> Any:
            self._connection = await kube_ending.until_name_is_free(kwargs)
            try:
                return await kube_api.unless_silent(lambda: settled(cluster))
            except Exception as error:
                if not (self._was_refused(error) and _is_taken(error)):
                    raise
            return await cluster

        return started()

    def _was_refused(self, error: BaseException) -> bool:
        """Whether Kubernetes refused to make the cluster, which so has nothing to be deleted.

        One of its name is somebody else's; dask-kubernetes (2026.3) would delete that.
        """
        code = _code_of(error)
        asked = self._log[-1:] == ["Creating DaskCluster object"]
        refused = asked and code is not None and 400 <= code < 500  # noqa: PLR2004 -- of HTTP
        if refused:
            self._made.shutdown_on_close = False
        return refused

    def close(self, cluster: Any) -> Any:
        """Disconnect, and delete it by a connection of its own: what it has may lead nowhere."""
        deleting, cluster.shutdown_on_close = cluster.shutdown_on_close, False
        closing = kube_ending.closed(cluster, self._context, deleting=deleting)
        return closing if cluster.asynchronous else _async.run(closing)

    def existed(self, cluster: Any) -> bool:
        """So it is taken to be while it has not yet looked whether there is one."""
        messages = _private.messages_of(cluster)
        if any("existing cluster" in text for text in messages):
            return True
        starting = getattr(getattr(cluster, "status", None), "name", "") == "created"
        return starting and "Creating cluster" not in messages

    def remembered(self, cluster: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Where it is, whatever context is the current one then."""
        return _located(cluster.namespace, self._context)

    @property
    def _context(self) -> str | None:
        """The one in which the cluster was made."""
        return None if self._connection is None else self._connection.auth.active_context

    def connect(self, name: str, arguments: Mapping[str, Any], *, asynchronous: bool) -> Any:
        """Quietly, as it draws a panel on standard output otherwise."""
        connecting = partial(kube_api.connected, kube_api.Place.of(arguments))
        with self._loop(connecting, asynchronous=asynchronous) as loop:
            # In a running loop it would otherwise start a second time, never awaited.
            own = {"quiet": True, "loop": loop, **kube_api.forwarded()}
            given = own | self._in_current_context(name, arguments)
            return super().connect(name, given, asynchronous=asynchronous)

    def addresses(self, cluster: Any) -> tuple[str | None, str | None]:
        """None that a port of this process is forwarded to."""
        address, dashboard = super().addresses(cluster)
        here = "://localhost:"
        return (
            None if address is None or here in address else address,
            None if dashboard is None or here in dashboard else dashboard,
        )

    async def confirm(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Ask Kubernetes, which knows; who connects then shares the connection."""
        self._connection = api = await kube_api.connected(kube_api.Place.of(arguments))
        if not await kube_api.listed(
            api, "DaskCluster", api.namespace, fieldSelector=f"metadata.name={name}"
        ):
            raise kube_ending.no_such_cluster(name, api.namespace)

    def delete(self, name: str, arguments: Mapping[str, Any], deadline: float) -> None:
        """Delete it, and wait until nothing is left of it."""
        asyncio.run(kube_ending.delete(name, kube_api.Place.of(arguments), deadline))

    def waits_for(self, kwargs: Mapping[str, Any], timeout: float) -> str | None:
        """Pods that do not run, and why."""
        asked = kube_api.waits_for(kube_api.name_of(kwargs), kube_api.Place.of(kwargs))
        return asyncio.run(asyncio.wait_for(asked, timeout))

    def logs(
        self, name: str, arguments: Mapping[str, Any], wanted: Wanted
    ) -> Iterator[tuple[str, str]]:
        """Of its pods, which needs no scheduler that answers."""
        place = kube_api.Place.of(arguments)
        yield from _async.iterate(kube_logs.of_pods(name, place, wanted))

    def snippet(self, name: str, arguments: Mapping[str, Any]) -> tuple[str, str]:
        """As the class takes it."""
        place = kube_api.Place.of(arguments)
        if place.context is not None:
            self._connection = _async.run(kube_api.connected(place))
        given = {**self._in_current_context(name, arguments), **kube_api.forwarded()}
        return super().snippet(name, given)

    def _in_current_context(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments without a context, as the class takes none.

        It also connects in threads of its own, of which none can be told (dask-kubernetes 2026.3).
        """
        if self._connection is not None and (context := self._connection.chosen) is not None:
            raise BackendError(
                f"{name!r} is in the context {context!r}, its class connects in the current one",
                remedy=f"kubectl config use-context {context}",
            )
        return {key: value for key, value in arguments.items() if key != "context"}

    @classmethod
    def is_configured(cls) -> bool:
        """Whether something says where Kubernetes is."""
        return kube_api.is_configured() and find_spec("dask_kubernetes") is not None

    @classmethod
    async def sightings(cls) -> AsyncIterator[Sighting]:
        """The clusters of all namespaces, or of those that may be asked."""
        api = await kube_api.connected(kube_api.Place())
        configured = dask.config.get("kubernetes.namespace", None)
        namespaces = dict.fromkeys(filter(None, (api.namespace, configured)))
        answers = await kube_api.visible(api, "DaskCluster", namespaces)
        clusters = [cluster for answer in answers.values() for cluster in answer]
        if not clusters:
            return
        workers = await kube_api.running_workers(api, namespaces)
        context = api.auth.active_context
        for cluster in clusters:
            about = cluster["metadata"]
            namespace, name = about["namespace"], about["name"]
            known = {
                "status": kube_api.status_of(cluster),
                "workers": workers(namespace, name),
                "created": about.get("creationTimestamp"),
            }
            yield Sighting(
                name=name, place=namespace, arguments=_located(namespace, context), known=known
            )


def _located(namespace: str, context: str | None) -> dict[str, Any]:
    """The arguments that say where a cluster is; inside of Kubernetes there is no context."""
    return {"namespace": namespace, **({"context": context} if context else {})}


def _is_taken(error: BaseException) -> bool:
    return _code_of(error) == 409  # noqa: PLR2004 -- "Conflict"


def _code_of(error: BaseException) -> int | None:
    code: int | None = getattr(getattr(error, "response", None), "status_code", None)
    return code


ROOMS = (Kubernetes,)
