"""The public verbs: all that a script needs.

Each imports what it uses when it is called, so that importing this is nearly free.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from dask_ctl.spec import defaults as _defaults  # noqa: F401 -- registers them

if TYPE_CHECKING:
    from dask_ctl.exceptions import Problem
    from dask_ctl.management.inventory import ClusterInfo
    from dask_ctl.spec.resolved import ResolvedSpec


def create_cluster(
    spec_path: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    local_fallback: bool = False,
    asynchronous: bool = False,
) -> Any:
    """Create the cluster that dask's configuration describes.

    Parameters
    ----------
    spec_path : str, path or mapping, optional
        The path of a spec file, the name of a spec, or a spec as a mapping, before anything
        that is configured. By default the key ``ctl.cluster-spec`` of dask's configuration and
        the file ``dask-cluster.yaml`` decide.
    local_fallback : bool
        Whether to create a `distributed.LocalCluster` where no spec is found.
    asynchronous : bool
        Whether the cluster is for a running event loop: await it, or use ``async with``.

    Returns
    -------
    cluster : object
        The backend's own object, which closes when the script ends as if its class had been
        called directly.

    Raises
    ------
    DaskClusterConfigNotFound
        If no spec is found.
    InvalidSpecError
        If the spec is wrong.
    BackendError
        If the backend cannot be imported, called or started.

    Examples
    --------
    >>> spec = {
    ...     "module": "dask.distributed",
    ...     "class": "LocalCluster",
    ...     "kwargs": {"n_workers": 1, "processes": False, "dashboard_address": ":0"},
    ... }
    >>> with create_cluster(spec) as cluster:
    ...     len(cluster.workers)
    1
    """
    from dask_ctl.creation import call as factory
    from dask_ctl.spec.resolve import resolve

    resolved = resolve(spec_path, local_fallback=local_fallback)
    _warn(resolved)
    return factory.create(resolved, asynchronous=asynchronous)


def resolve_spec(
    spec_path: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    local_fallback: bool = False,
) -> ResolvedSpec:
    """Find out which cluster `create_cluster` would create, without creating it.

    Parameters
    ----------
    spec_path, local_fallback
        As of `create_cluster`.

    Returns
    -------
    resolved : ResolvedSpec
        The spec, and the origin of every part of it. The backend is not imported.

    Raises
    ------
    DaskClusterConfigNotFound
        If no spec is found.
    InvalidSpecError
        If the spec is wrong.

    Examples
    --------
    >>> resolved = resolve_spec({"module": "dask.distributed", "class": "LocalCluster"})
    >>> resolved.spec.target
    'dask.distributed.LocalCluster'
    >>> resolved.origins["class"].source.label
    'argument'
    """
    from dask_ctl.spec.resolve import resolve

    resolved = resolve(spec_path, local_fallback=local_fallback)
    _warn(resolved)
    return resolved


def check_spec(
    spec_path: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    local_fallback: bool = False,
) -> list[Problem]:
    """Find everything that is wrong with a spec without starting anything.

    Parameters
    ----------
    spec_path, local_fallback
        As of `create_cluster`.

    Returns
    -------
    problems : list of Problem
        Errors, which would keep the cluster from being created, and warnings. The backend is
        imported, and its signature looked at; it is not called.

    Raises
    ------
    DaskClusterConfigNotFound
        If no spec is found.

    Examples
    --------
    >>> spec = {"module": "dask.distributed", "class": "LocalCluster", "kwargs": {"n_worker": 1}}
    >>> print(*check_spec(spec))  # doctest: +ELLIPSIS
    create_cluster(...): kwargs.n_worker: LocalCluster takes no such argument; did you mean ...?
    """
    from dask_ctl.creation.check import check

    return check(spec_path, local_fallback=local_fallback)


def list_clusters(discovery: str | None = None, asynchronous: bool = False) -> Any:
    """List the clusters that run, wherever they were created.

    Parameters
    ----------
    discovery : str, optional
        The name of a discovery method, to ask only this one.
    asynchronous : bool
        Whether to return an awaitable.

    Returns
    -------
    clusters : list of ClusterInfo
        A line of each. Nothing stays connected. A method that fails is a warning.

    Raises
    ------
    InvalidSpecError
        If there is no such method, or it is disabled.

    Examples
    --------
    >>> from distributed import LocalCluster
    >>> with LocalCluster(n_workers=0, dashboard_address=":0") as cluster:
    ...     found = list_clusters("schedulers")
    >>> [info.status for info in found if info.address == cluster.scheduler_address]
    ['running']
    """
    from dask_ctl.management import inventory

    async def listed() -> list[ClusterInfo]:
        infos, problems = await inventory.everything(discovery)
        for problem in problems:
            _warn_of(problem)
        return infos

    return _run(listed(), asynchronous)


def get_cluster(name: str, asynchronous: bool = False) -> Any:
    """Connect to a running cluster.

    Parameters
    ----------
    name : str
        The name that it was created with, that a discovery method knows it by, or the address of
        a scheduler.
    asynchronous : bool
        Whether to return an awaitable, of a cluster for the running loop.

    Returns
    -------
    cluster : object
        A cluster object. The cluster stays as it is when this is closed, or the script ends.

    Raises
    ------
    NoSuchClusterError
        If there is none of that name.
    BackendError
        If it cannot be reached.

    Examples
    --------
    >>> from distributed import LocalCluster
    >>> with LocalCluster(n_workers=0, dashboard_address=":0") as cluster:
    ...     with get_cluster(cluster.scheduler_address) as found:
    ...         found.scheduler_info["type"]
    'Scheduler'
    """
    from dask_ctl import _async as loops
    from dask_ctl.management import inventory, manage

    if asynchronous:
        return manage.connect(name)
    return loops.run(inventory.living(name)).reach.connect()


def scale_cluster(name: str, n_workers: int, asynchronous: bool = False) -> Any:
    """Have a running cluster have `n_workers` workers; it takes a while until they are there.

    Parameters
    ----------
    name : str
        As of `get_cluster`.
    n_workers : int
        How many.
    asynchronous : bool
        Whether to return an awaitable.

    Raises
    ------
    NoSuchClusterError
        If there is none of that name.
    BackendError
        If it cannot be scaled, or not from here.
    """
    from dask_ctl.management import manage

    async def scaled() -> None:
        await manage.scale(name, n_workers)

    return _run(scaled(), asynchronous)


def adapt_cluster(
    name: str, minimum: int = 0, maximum: int | None = None, asynchronous: bool = False
) -> Any:
    """Have a running cluster have as many workers as its work needs.

    Parameters
    ----------
    name : str
        As of `get_cluster`.
    minimum, maximum : int
        How few and how many; without a maximum, as many as its class allows.
    asynchronous : bool
        Whether to return an awaitable.

    Raises
    ------
    NoSuchClusterError
        If there is none of that name.
    BackendError
        If it cannot adapt, or not from here.
    """
    from dask_ctl.management import manage

    limits = {"minimum": minimum} | ({} if maximum is None else {"maximum": maximum})

    async def adapted() -> None:
        await manage.adapt(name, **limits)

    return _run(adapted(), asynchronous)


def delete_cluster(name: str, asynchronous: bool = False) -> Any:
    """End a running cluster, and wait until nothing is left of it.

    Parameters
    ----------
    name : str
        As of `get_cluster`.
    asynchronous : bool
        Whether to return an awaitable.

    Raises
    ------
    NoSuchClusterError
        If there is none of that name.
    BackendError
        If it is not ours to end, or does not end.
    """
    from dask_ctl.management import manage

    return _run(manage.delete(name), asynchronous)


def get_snippet(name: str, asynchronous: bool = False) -> Any:
    """Give Python code that connects to a running cluster.

    Parameters
    ----------
    name : str
        As of `get_cluster`.
    asynchronous : bool
        Whether to return an awaitable.

    Returns
    -------
    code : str
        A few lines that give a `distributed.Client`.

    Raises
    ------
    NoSuchClusterError
        If there is none of that name.
    """
    from dask_ctl.management import inventory

    async def snippet() -> str:
        return (await inventory.living(name)).reach.snippet()

    return _run(snippet(), asynchronous)


def list_discovery_methods() -> dict[str, dict[str, Any]]:
    """Give the ways to find clusters: for each its package, version, path, and if it is enabled.

    None is imported for that.

    Examples
    --------
    >>> sorted(list_discovery_methods()["schedulers"])
    ['enabled', 'name', 'package', 'path', 'version']
    """
    from dask_ctl.management.discovery import methods

    return {name: method.as_dict() for name, method in methods().items()}


async def discover_cluster_names(
    discovery: str | None = None,
) -> AsyncIterator[tuple[str, Any]]:
    """Find clusters without connecting to them.

    Parameters
    ----------
    discovery : str, optional
        The name of a discovery method, to ask only this one.

    Yields
    ------
    name : str
        What `get_cluster` takes.
    cluster_class : class
        The class that gives it, by its ``from_name``.

    Examples
    --------
    >>> import asyncio
    >>> from distributed import LocalCluster
    >>> async def found():
    ...     async with LocalCluster(n_workers=0, dashboard_address=":0", asynchronous=True) as one:
    ...         names = {name: kind async for name, kind in discover_cluster_names("schedulers")}
    ...     return names[one.scheduler_address].__name__
    >>> asyncio.run(found())
    'ProxyCluster'
    """
    from dask_ctl.management.discovery import chosen, survey

    async for event in survey(chosen(discovery)):
        if isinstance(event, Exception):
            _warn_of(event)
        else:
            yield event[0].name, event[0].reach.load()


async def discover_clusters(discovery: str | None = None) -> AsyncIterator[Any]:
    """Find clusters, and connect to them.

    Parameters
    ----------
    discovery : str, optional
        The name of a discovery method, to ask only this one.

    Yields
    ------
    cluster : object
        A cluster object for the running loop; closing it leaves the cluster as it is.

    Examples
    --------
    >>> import asyncio
    >>> from distributed import LocalCluster
    >>> async def found():
    ...     async with LocalCluster(n_workers=0, dashboard_address=":0", asynchronous=True) as one:
    ...         addresses = []
    ...         async for cluster in discover_clusters("schedulers"):
    ...             addresses.append(cluster.scheduler_address)
    ...             await cluster.close()
    ...     return one.scheduler_address in addresses
    >>> asyncio.run(found())
    True
    """
    from dask_ctl.exceptions import DaskCtlError
    from dask_ctl.management import manage
    from dask_ctl.management.discovery import chosen, survey

    async for event in survey(chosen(discovery)):
        if isinstance(event, Exception):
            _warn_of(event)
            continue
        try:
            yield await manage.attached(event[0])
        except DaskCtlError as error:
            _warn_of(error)


def _run(coroutine: Coroutine[Any, Any, Any], asynchronous: bool) -> Any:
    from dask_ctl import _async as loops

    return coroutine if asynchronous else loops.run(coroutine)


def _warn_of(error: Exception) -> None:
    from dask_ctl.exceptions import DaskCtlWarning

    warnings.warn(str(error), DaskCtlWarning, stacklevel=3)


def _warn(resolved: ResolvedSpec) -> None:
    from dask_ctl.exceptions import DaskCtlWarning

    for warning in resolved.warnings:
        warnings.warn(str(warning), DaskCtlWarning, stacklevel=3)
