"""How to get at a running cluster again: its class, its name, and what else that class needs."""

from __future__ import annotations

import asyncio
import inspect
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from dask_ctl.backends import kubernetes
from dask_ctl.backends.signature import inherits
from dask_ctl.creation.target import load
from dask_ctl.exceptions import BackendError, DaskCtlError, text_of
from dask_ctl.hosts.records import Record
from dask_ctl.spec.located import Located, Origin, Source, locate, merge
from dask_ctl.spec.resolved import masked
from dask_ctl.spec.values import expand

_GONE_TIMEOUT: Final = 120.0  # seconds
_KUBE: Final = ("dask_kubernetes.operator.kubecluster.kubecluster", "KubeCluster")
_GATEWAY: Final = ("dask_gateway.client", "GatewayCluster")
_COILED: Final = ("coiled.v2.cluster", "Cluster")
_LOCAL: Final = ("distributed.deploy.local", "LocalCluster")
_PROXY: Final = ("dask_ctl.proxy", "ProxyCluster")


@dataclass(frozen=True, kw_only=True)
class Reach:
    """What gives a cluster object for a cluster that runs.

    Parameters
    ----------
    module, class_name : str
        The class, whose ``from_name`` gives it.
    name : str
        What that class calls the cluster.
    arguments : mapping
        What ``from_name`` needs besides.
    cluster_class : class, optional
        The class itself, where it is known already.
    """

    module: str
    class_name: str
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    cluster_class: Any = None

    @property
    def target(self) -> str:
        """The class by its full name."""
        return f"{self.module}.{self.class_name}"

    @property
    def by_address(self) -> bool:
        """Whether it attaches to a scheduler by its address, whoever started that."""
        return self.module == _PROXY[0]

    def load(self) -> Any:
        """The class, imported.

        Raises
        ------
        BackendError
            If it cannot be.
        """
        if self.cluster_class is not None:
            return self.cluster_class
        origin = Origin(Source.ARGUMENT, self.name)
        return load(self.module, self.class_name, origin, origin)

    def connect(self, *, asynchronous: bool = False) -> Any:
        """The cluster object, which leaves the cluster running when it is closed.

        Raises
        ------
        BackendError
            If the cluster cannot be reached.
        """
        target = self.load()
        given = self._expanded()
        if asynchronous and inherits(target, *_KUBE):
            from tornado.ioloop import IOLoop

            given["loop"] = IOLoop.current()  # otherwise it starts a second time, never awaited
        try:
            if inherits(target, *_COILED):
                given = {"name": self.name, "shutdown_on_close": False, **given}
                return target(asynchronous=asynchronous, **given)
            if inherits(target, *_KUBE):
                given = {"quiet": True, **given}  # or it draws a panel on standard output
            return target.from_name(self.name, asynchronous=asynchronous, **given)
        except DaskCtlError:
            raise
        except Exception as error:
            raise failed(self, error) from error

    async def completed(self) -> Reach:
        """The same with what a name alone does not say, if its service can be asked for it.

        Raises
        ------
        BackendError
            If there are several clusters of that name.
        """
        if "namespace" in self.arguments or not inherits(self.load(), *_KUBE):
            return self
        namespace = await kubernetes.namespace_of(self.name)
        return replace(self, arguments={**self.arguments, "namespace": namespace})

    async def attach(self) -> Any:
        """The same as `connect` in a running loop, started."""
        try:
            return await (await self.completed()).connect(asynchronous=True)
        except DaskCtlError:
            raise
        except Exception as error:
            raise failed(self, error) from error

    def delete(self) -> None:
        """End the cluster, and wait until it is gone.

        Raises
        ------
        BackendError
            If that fails, or the cluster is not ours to end.
        """
        target = self.load()
        if inherits(target, *_PROXY):
            raise BackendError(
                f"the scheduler at {self.name} was started by somebody else",
                remedy="end the process that started it",
            )
        try:
            if inherits(target, *_KUBE):
                asyncio.run(kubernetes.delete(self.name, self.arguments.get("namespace")))
            elif inherits(target, *_GATEWAY):
                asyncio.run(self._stop_at_gateway())
            elif inherits(target, *_COILED):
                import coiled

                coiled.delete_cluster(name=self.name, **self._expanded())
            else:
                cluster = self.connect()
                cluster.shutdown_on_close = True
                cluster.close()
        except DaskCtlError:
            raise
        except Exception as error:
            raise failed(self, error) from error

    async def _stop_at_gateway(self) -> None:
        from dask_gateway import Gateway

        alive = ("pending", "running", "stopping")
        deadline = time.monotonic() + _GONE_TIMEOUT
        async with Gateway(asynchronous=True, **self._expanded()) as gateway:
            await gateway.stop_cluster(self.name)
            while self.name in [each.name for each in await gateway.list_clusters(status=alive)]:
                if time.monotonic() > deadline:
                    raise BackendError(
                        f"cluster {self.name!r} has not stopped", remedy="ask who runs the gateway"
                    )
                await asyncio.sleep(0.2)

    def _expanded(self) -> dict[str, Any]:
        written = locate(dict(self.arguments), Origin(Source.ARGUMENT, self.name))
        expanded: dict[str, Any] = expand(written, (), os.environ)
        return expanded

    def snippet(self) -> str:
        """Python code that gives a client of the cluster."""
        arguments = "".join(f", {key}={value!r}" for key, value in self.arguments.items())
        if self.module == "dask_ctl.hosts.hosted":
            return _CLIENT.format(
                imports="from dask_ctl import get_cluster", call=f"get_cluster({self.name!r})"
            )
        call = "" if self.module.startswith("coiled") else ".from_name"
        named = f"name={self.name!r}" if self.module.startswith("coiled") else repr(self.name)
        return _CLIENT.format(
            imports=f"from {self.module} import {self.class_name}",
            call=f"{self.class_name}{call}({named}{arguments})",
        )


@dataclass(frozen=True, kw_only=True)
class Found:
    """A cluster that a discovery method has found.

    Parameters
    ----------
    name : str
        What to call it.
    discovery : str
        The method.
    reach : Reach
        How to get at it.
    record : Record, optional
        Its record, if it was created from the command line.
    identity : mapping, optional
        What its scheduler has said of itself already.
    """

    name: str
    discovery: str
    reach: Reach
    record: Record | None = None
    identity: Mapping[str, Any] | None = field(default=None, compare=False)


_CLIENT = """\
from dask.distributed import Client
{imports}

cluster = {call}
client = Client(cluster)
"""


def failed(reach: Reach, error: BaseException) -> BackendError:
    """The error of a cluster that cannot be reached."""
    return BackendError(
        f"{reach.target} cannot reach {reach.name!r}: {text_of(error)}",
        remedy="see whether it still runs, and that its service can be reached from here",
    )


def reachable(tree: Located, target: Any) -> Located:
    """The spec of a cluster that other processes shall use.

    A LocalCluster of threads listens only within its own process, unless it is told how.

    Parameters
    ----------
    tree : Located
        The resolved spec.
    target : object
        What it names.
    """
    given = tree.get("kwargs")
    kwargs = given.plain() if given else {}
    told = {"protocol", "host", "security", "scheduler_port"} & kwargs.keys()
    if kwargs.get("processes", True) or told or not inherits(target, *_LOCAL):
        return tree
    return merge(tree, locate({"kwargs": {"protocol": "tcp://"}}, tree.origin))


def has_from_name(target: Any) -> bool:
    """Whether a class can give a running cluster by its name.

    distributed's own classes have a ``from_name`` that only raises.
    """
    return inspect.isclass(target) and any(
        "from_name" in vars(base) and not base.__module__.startswith("distributed.")
        for base in target.__mro__
    )


def rebuildable(target: Any) -> bool:
    """Whether a cluster of a class can be left running, and reached again by its name."""
    return has_from_name(target) or inherits(target, *_COILED)


def arguments_of(cluster: Any, kwargs: Located | None) -> dict[str, Any]:
    """What ``from_name`` needs besides the name to give `cluster` again.

    Parameters
    ----------
    cluster : object
        A live cluster of a rebuildable class.
    kwargs : Located, optional
        The keyword arguments that it was made with, as written: a variable is kept as such, and
        what looks secret is left out.
    """
    given: dict[str, Any] = kwargs.plain() if kwargs else {}
    if inherits(type(cluster), *_KUBE):
        return {"namespace": cluster.namespace}
    if inherits(type(cluster), *_GATEWAY):
        needed = _written(given, ("proxy_address", "public_address", "auth"))
        return {"address": cluster.gateway.address, **needed}
    if inherits(type(cluster), *_COILED):
        return _written(given, ("workspace", "account"))
    if inherits(type(cluster), *_PROXY):
        return {"security": _paths(given["security"])} if given.get("security") else {}
    known = inspect.signature(type(cluster).from_name).parameters
    return _written(given, tuple(known)[1:])


def _written(given: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    found = {name: given[name] for name in names if given.get(name) is not None}
    return {name: value for name, value in found.items() if masked(value, name) == value}


def _paths(security: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a Security that name files, from the root; a key itself is left out."""
    return {
        name: os.path.abspath(value) if isinstance(value, str) and "${" not in value else value
        for name, value in security.items()
        if not (isinstance(value, str) and "\n" in value)
    }
