"""What is done to clusters that run: they are scaled, have as many workers as they need, end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from dask_ctl.lifecycle.later import now_or_later

if TYPE_CHECKING:
    from dask_ctl._async import Later


@overload
def scale_cluster(
    name: str, n_workers: int, asynchronous: Literal[False] = False, *, timeout: float | None = None
) -> None: ...
@overload
def scale_cluster(
    name: str, n_workers: int, asynchronous: Literal[True], *, timeout: float | None = None
) -> Later[None]: ...
def scale_cluster(
    name: str, n_workers: int, asynchronous: bool = False, *, timeout: float | None = None
) -> Later[None] | None:
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

    return now_or_later(verbs.scale(name, n_workers, timeout), asynchronous)


@overload
def adapt_cluster(
    name: str,
    minimum: int = 0,
    maximum: int | None = None,
    asynchronous: Literal[False] = False,
    *,
    timeout: float | None = None,
) -> None: ...
@overload
def adapt_cluster(
    name: str,
    minimum: int = 0,
    maximum: int | None = None,
    *,
    asynchronous: Literal[True],
    timeout: float | None = None,
) -> Later[None]: ...
def adapt_cluster(
    name: str,
    minimum: int = 0,
    maximum: int | None = None,
    asynchronous: bool = False,
    *,
    timeout: float | None = None,
) -> Later[None] | None:
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
    return now_or_later(verbs.adapt(name, options, timeout), asynchronous)


@overload
def stop_adapting(
    name: str, asynchronous: Literal[False] = False, *, timeout: float | None = None
) -> int: ...
@overload
def stop_adapting(
    name: str, asynchronous: Literal[True], *, timeout: float | None = None
) -> Later[int]: ...
def stop_adapting(
    name: str, asynchronous: bool = False, *, timeout: float | None = None
) -> int | Later[int]:
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

    return now_or_later(verbs.stop_adapting(name, timeout), asynchronous)


@overload
def delete_cluster(
    name: str, asynchronous: Literal[False] = False, *, timeout: float = 180.0
) -> None: ...
@overload
def delete_cluster(
    name: str, asynchronous: Literal[True], *, timeout: float = 180.0
) -> Later[None]: ...
def delete_cluster(
    name: str, asynchronous: bool = False, *, timeout: float = 180.0
) -> Later[None] | None:
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

    return now_or_later(verbs.delete(name, timeout), asynchronous)
