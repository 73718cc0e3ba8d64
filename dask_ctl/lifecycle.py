"""The public verbs: all that a script needs.

Each imports what it uses when it is called, so that importing this is nearly free.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dask_ctl import defaults as _defaults  # noqa: F401 -- registers them

if TYPE_CHECKING:
    from dask_ctl.resolved import Finding, ResolvedSpec


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
    from dask_ctl import factory
    from dask_ctl.resolve import resolve

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
    from dask_ctl.resolve import resolve

    resolved = resolve(spec_path, local_fallback=local_fallback)
    _warn(resolved)
    return resolved


def check_spec(
    spec_path: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    local_fallback: bool = False,
) -> list[Finding]:
    """Find everything that is wrong with a spec without starting anything.

    Parameters
    ----------
    spec_path, local_fallback
        As of `create_cluster`.

    Returns
    -------
    findings : list of Finding
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
    from dask_ctl.check import check

    return check(spec_path, local_fallback=local_fallback)


def _warn(resolved: ResolvedSpec) -> None:
    from dask_ctl.exceptions import DaskCtlWarning

    for finding in resolved.findings:
        warnings.warn(str(finding), DaskCtlWarning, stacklevel=3)
