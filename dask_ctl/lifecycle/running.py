"""Clusters that run, wherever they were created."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any


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
    from dask_ctl.management import verbs

    return verbs.attach(name) if asynchronous else verbs.connect(name)


def scale_cluster(
    name: str, n_workers: int, asynchronous: bool = False, *, timeout: float | None = None
) -> Any:
    """Have a running cluster have `n_workers` workers; it takes a while until they are there.

    Parameters
    ----------
    name : str
        As of `get_cluster`.
    n_workers : int
        How many; the cluster does not adapt any more.
    asynchronous : bool
        Whether to return an awaitable.
    timeout : float, optional
        How long it may take until the cluster is told, in seconds.

    Raises
    ------
    NoSuchClusterError
        If there is none of that name.
    BackendError
        If it cannot be scaled, or not from here.
    """
    from dask_ctl.management import verbs

    return _run(verbs.scale(name, n_workers, timeout), asynchronous)


def adapt_cluster(
    name: str,
    minimum: int = 0,
    maximum: int | None = None,
    asynchronous: bool = False,
    *,
    timeout: float | None = None,
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
    timeout : float, optional
        How long it may take until the cluster is told, in seconds.

    Raises
    ------
    NoSuchClusterError
        If there is none of that name.
    BackendError
        If it cannot adapt, or not from here.
    """
    from dask_ctl.management import verbs

    options = {"minimum": minimum} | ({} if maximum is None else {"maximum": maximum})
    return _run(verbs.adapt(name, options, timeout), asynchronous)


def stop_adapting(name: str, asynchronous: bool = False, *, timeout: float | None = None) -> Any:
    """Have a running cluster keep the workers that it has.

    Parameters
    ----------
    name, asynchronous, timeout
        As of `scale_cluster`.

    Returns
    -------
    n_workers : int
        How many these are.

    Raises
    ------
    NoSuchClusterError
        If there is none of that name.
    BackendError
        If how many it has is not known, or it cannot be scaled.
    """
    from dask_ctl.management import verbs

    return _run(verbs.stop_adapting(name, timeout), asynchronous)


def delete_cluster(name: str, asynchronous: bool = False, *, timeout: float = 180.0) -> Any:
    """End a running cluster, and wait until nothing is left of it.

    Parameters
    ----------
    name : str
        As of `get_cluster`.
    asynchronous : bool
        Whether to return an awaitable.
    timeout : float
        How long to wait for its end, in seconds.

    Raises
    ------
    NoSuchClusterError
        If there is none of that name.
    BackendError
        If it is not ours to end, or does not end.
    """
    from dask_ctl.management import verbs

    return _run(verbs.delete(name, timeout), asynchronous)


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
    from dask_ctl.management import verbs

    return _run(verbs.snippet(name), asynchronous)


def describe_cluster(name: str, asynchronous: bool = False) -> Any:
    """Give all there is to say of a running cluster.

    Parameters
    ----------
    name : str
        As of `get_cluster`.
    asynchronous : bool
        Whether to return an awaitable.

    Returns
    -------
    description : dict
        What `list_clusters` says, and its dashboard, tasks, jobs, log, spec and
        the origins of that; None for what is not known.

    Raises
    ------
    NoSuchClusterError
        If there is none of that name.
    """
    from dask_ctl.management import verbs

    return _run(verbs.describe(name), asynchronous)


def wait_for_workers(
    name: str,
    n_workers: int,
    asynchronous: bool = False,
    *,
    exactly: bool = False,
    timeout: float | None = None,
    told: Callable[[int], None] | None = None,
    noted: Callable[[str], None] | None = None,
) -> Any:
    """Wait until a running cluster has enough workers.

    Parameters
    ----------
    name : str
        As of `get_cluster`.
    n_workers : int
        How many are enough.
    asynchronous : bool
        Whether to return an awaitable.
    exactly : bool
        Whether more are not right, either.
    timeout : float, optional
        When to give up, in seconds.
    told : callable, optional
        Called with the number of workers, when it changes.
    noted : callable, optional
        Called with what they wait for, where that is known: after a while, then every minute.

    Raises
    ------
    NoSuchClusterError
        If there is none of that name.
    BackendError
        If they have not come in time.
    """
    from dask_ctl.management import verbs

    waiting = verbs.wait(name, n_workers, exactly=exactly, timeout=timeout, told=told, noted=noted)
    return _run(waiting, asynchronous)


def get_logs(name: str, *, follow: bool = False) -> Iterator[str]:
    """Give what a cluster has logged, piece by piece.

    Parameters
    ----------
    name : str
        As of `get_cluster`.
    follow : bool
        Whether to go on until the cluster ends.

    Raises
    ------
    NoSuchClusterError
        If there is none of that name.
    BackendError
        If it cannot be reached, or has no log that can be followed.
    """
    from dask_ctl import _async
    from dask_ctl.management.find import find

    yield from _async.run(find(name)).logs(follow=follow)


def _run(coroutine: Coroutine[Any, Any, Any], asynchronous: bool) -> Any:
    from dask_ctl import _async

    return coroutine if asynchronous else _async.run(coroutine)
