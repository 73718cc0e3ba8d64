"""Which clusters there are, and the ways to find them."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from dask_ctl.lifecycle.later import now_or_later

if TYPE_CHECKING:
    from dask_ctl._async import Later
    from dask_ctl.lifecycle.cluster import Cluster
    from dask_ctl.management.info import ClusterInfo


def warn_of(error: Exception) -> None:
    """Warn of a discovery method that has failed, or of a cluster that cannot be reached."""
    from dask_ctl.exceptions import DaskCtlWarning

    warnings.warn(str(error), DaskCtlWarning, stacklevel=3)


@overload
def list_clusters(
    discovery: str | None = None,
    asynchronous: Literal[False] = False,
    *,
    failed: Callable[[Exception], object] = ...,
) -> list[ClusterInfo]: ...
@overload
def list_clusters(
    discovery: str | None = None,
    *,
    asynchronous: Literal[True],
    failed: Callable[[Exception], object] = ...,
) -> Later[list[ClusterInfo]]: ...
def list_clusters(
    discovery: str | None = None,
    asynchronous: bool = False,
    *,
    failed: Callable[[Exception], object] = warn_of,
) -> list[ClusterInfo] | Later[list[ClusterInfo]]:
    """List the clusters that run, wherever they were created.

    Parameters
    ----------
    discovery : str, optional
        The name of a discovery method, to ask only this one.
    asynchronous : bool
        Whether to return an awaitable.
    failed : callable
        Called with what went wrong, such as a method that failed; by default a warning.

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
    from dask_ctl.exceptions import DaskCtlError
    from dask_ctl.management import find
    from dask_ctl.management.info import Clusters
    from dask_ctl.spec import settings
    from dask_ctl.spec.config import Configuration

    try:
        for problem in settings.unread(Configuration.here()):
            warn_of(DaskCtlError.of(problem))
    except DaskCtlError as error:  # no spec is needed here
        warn_of(error)

    async def listed() -> list[ClusterInfo]:
        infos, problems = await find.everything(discovery)
        for problem in problems:
            failed(problem)
        return Clusters(infos)

    return now_or_later(listed(), asynchronous)


def list_recorded(*, ended: bool = False, qualified: bool = False) -> list[str]:
    """Give the names of the clusters that were created from the command line; none is asked.

    Parameters
    ----------
    ended : bool
        Whether to give those that have ended by themselves instead, while their log is kept.
    qualified : bool
        Whether to give names as ``namespace/name`` instead, of those that have such.

    Examples
    --------
    >>> list_recorded()
    []
    """
    from dask_ctl.hosts import store

    return store.qualified() if qualified else store.names(ended=ended)


def only_cluster() -> str:
    """Give the name of the only cluster of the command line, which so need not be named.

    Raises
    ------
    NoSuchClusterError
        If there is none, or if there are several.
    """
    from dask_ctl.management import find

    return find.only()


def list_discovery_methods() -> dict[str, dict[str, Any]]:
    """Give the ways to find clusters: for each its package, version, path, and if it is enabled.

    None is imported for that.

    Examples
    --------
    >>> sorted(list_discovery_methods()["schedulers"])
    ['broken', 'enabled', 'name', 'package', 'path', 'version']
    """
    from dask_ctl.management.discovery import methods

    return {name: method.as_dict() for name, method in methods().items()}


def set_discovery(name: str, *, enabled: bool) -> Path | None:
    """Use a discovery method or do without it, from now on.

    Parameters
    ----------
    name : str
        One of `list_discovery_methods`. To do without it, it need not be installed.
    enabled : bool
        Whether to use it.

    Returns
    -------
    path : Path or None
        The file of the user's configuration that was changed; None if it is so already.

    Raises
    ------
    InvalidSpecError
        If something else decides that, or there is no such method to use.
    BackendError
        If the file cannot be written.
    """
    from dask_ctl.management.discovery import set_enabled

    return set_enabled(name, enabled=enabled)


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
    from dask_ctl.exceptions import DaskCtlError
    from dask_ctl.management.discovery import chosen, survey

    async for found in survey(chosen(discovery)):
        if isinstance(found, DaskCtlError):
            warn_of(found)
        else:
            yield found.name, found.cluster_class


async def discover_clusters(discovery: str | None = None) -> AsyncIterator[Cluster]:
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
    from dask_ctl.management.discovery import chosen, survey

    async for found in survey(chosen(discovery)):
        try:
            if isinstance(found, DaskCtlError):
                raise found
            yield await found.attach()
        except DaskCtlError as error:
            warn_of(error)
