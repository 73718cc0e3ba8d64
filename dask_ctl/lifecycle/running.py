"""Clusters that run, wherever they were created."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, overload

from dask_ctl.lifecycle.later import now_or_later

if TYPE_CHECKING:
    from dask_ctl._async import Later
    from dask_ctl.lifecycle.cluster import Cluster


@overload
def get_cluster(name: str, asynchronous: Literal[False] = False) -> Cluster: ...
@overload
def get_cluster(name: str, asynchronous: Literal[True]) -> Later[Cluster]: ...
def get_cluster(name: str, asynchronous: bool = False) -> Cluster | Later[Cluster]:
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
    from dask_ctl.exceptions import InBrief
    from dask_ctl.management import verbs

    if asynchronous:
        return verbs.attach(name)
    with InBrief():
        cluster: Cluster = verbs.connect(name)
    return cluster


@overload
def describe_cluster(name: str, asynchronous: Literal[False] = False) -> dict[str, Any]: ...
@overload
def describe_cluster(name: str, asynchronous: Literal[True]) -> Later[dict[str, Any]]: ...
def describe_cluster(
    name: str, asynchronous: bool = False
) -> dict[str, Any] | Later[dict[str, Any]]:
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

    return now_or_later(verbs.describe(name), asynchronous)


@contextmanager
def open_dashboard(name: str) -> Iterator[tuple[str, bool]]:
    """Have the dashboard of a running cluster where a browser here can open it.

    Parameters
    ----------
    name : str
        As of `get_cluster`.

    Yields
    ------
    address : str
        Of its page.
    is_forwarded : bool
        Whether it is there only as long as the body runs, by a port that is forwarded.

    Raises
    ------
    NoSuchClusterError
        If there is no cluster of that name.
    BackendError
        If no dashboard of it is known.
    """
    from dask_ctl.management import verbs

    with verbs.dashboard(name) as found:
        yield found


@overload
def get_snippet(name: str, asynchronous: Literal[False] = False) -> str: ...
@overload
def get_snippet(name: str, asynchronous: Literal[True]) -> Later[str]: ...
def get_snippet(name: str, asynchronous: bool = False) -> str | Later[str]:
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

    return now_or_later(verbs.snippet(name), asynchronous)


@overload
def wait_for_workers(
    name: str,
    n_workers: int,
    asynchronous: Literal[False] = False,
    *,
    exactly: bool = False,
    timeout: float | None = None,
    told: Callable[[int], None] | None = None,
    noted: Callable[[str], None] | None = None,
) -> None: ...
@overload
def wait_for_workers(
    name: str,
    n_workers: int,
    asynchronous: Literal[True],
    *,
    exactly: bool = False,
    timeout: float | None = None,
    told: Callable[[int], None] | None = None,
    noted: Callable[[str], None] | None = None,
) -> Later[None]: ...
def wait_for_workers(
    name: str,
    n_workers: int,
    asynchronous: bool = False,
    *,
    exactly: bool = False,
    timeout: float | None = None,
    told: Callable[[int], None] | None = None,
    noted: Callable[[str], None] | None = None,
) -> Later[None] | None:
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
    return now_or_later(waiting, asynchronous)


@overload
def wait_for_command(
    name: str, asynchronous: Literal[False] = False, *, timeout: float | None = None
) -> int | None: ...
@overload
def wait_for_command(
    name: str, asynchronous: Literal[True], *, timeout: float | None = None
) -> Later[int | None]: ...
def wait_for_command(
    name: str, asynchronous: bool = False, *, timeout: float | None = None
) -> int | Later[int | None] | None:
    """Wait until the command for whose time a cluster is there has ended.

    Parameters
    ----------
    name : str
        What `launch_cluster` gave; it is known for a week after the end, too.
    asynchronous : bool
        Whether to return an awaitable.
    timeout : float, optional
        When to give up, in seconds.

    Returns
    -------
    code : int or None
        Its exit code; 128 and the signal's number if a signal ended it. None, at once, if the
        cluster runs no command.

    Raises
    ------
    NoSuchClusterError
        If there is none of that name.
    BackendError
        If it has not ended in time, or was ended with its cluster.
    """
    from dask_ctl.management import verbs

    return now_or_later(verbs.command_ended(name, timeout), asynchronous)


def get_logs(
    name: str, *, follow: bool = False, tail: int | None = None, since: float | None = None
) -> Iterator[str]:
    """Give what a cluster has logged, piece by piece.

    Where its scheduler has ended, by itself or after its ``idle_timeout``, that is kept for a
    week; a `DaskCtlWarning` says so.

    Parameters
    ----------
    name : str
        As of `get_cluster`.
    follow : bool
        Whether to go on until the cluster ends.
    tail : int, optional
        How many lines, the last, to give of each part of the cluster; by default all.
    since : float, optional
        How many seconds to go back, by the times that its lines begin with; by default all.

    Raises
    ------
    NoSuchClusterError
        If there is none of that name.
    BackendError
        If it cannot be reached, or has no log that can be followed.
    """
    from dask_ctl.backends.logs import Wanted
    from dask_ctl.exceptions import DaskCtlWarning
    from dask_ctl.management import verbs

    texts, ended = verbs.logs(name, Wanted(follow=follow, tail=tail, since=since))
    if ended is not None:
        warnings.warn(str(ended), DaskCtlWarning, stacklevel=2)
    yield from texts
