"""Which cluster is meant, whether it can be, and what it would start; nothing is started."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from dask_ctl.exceptions import Problem
    from dask_ctl.spec.located import Located
    from dask_ctl.spec.resolved import ResolvedSpec

SpecLike: TypeAlias = "str | os.PathLike[str] | Mapping[str, Any] | ResolvedSpec | None"


def resolve_spec(
    spec_path: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    local_fallback: bool = False,
    *,
    settings: Iterable[str] = (),
    asked_by: str = "create_cluster(...)",
) -> ResolvedSpec:
    """Find out which cluster `create_cluster` would create, without creating it.

    Parameters
    ----------
    spec_path, local_fallback
        As of `create_cluster`.
    settings : iterable of str
        ``KEY=VALUE`` each, laid over the spec: ``kwargs.n_workers=4``.
    asked_by : str
        What to call `spec_path` in messages.

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
    from dask_ctl.exceptions import InBrief

    with InBrief():
        return resolved_from(spec_path, local_fallback, settings, asked_by)


def check_spec(
    spec_path: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    local_fallback: bool = False,
    *,
    settings: Iterable[str] = (),
    asked_by: str = "create_cluster(...)",
) -> list[Problem]:
    """Find everything that is wrong with a spec without starting anything.

    Parameters
    ----------
    spec_path, local_fallback, settings, asked_by
        As of `resolve_spec`.

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
    from dask_ctl.exceptions import InBrief, Problems

    with InBrief():
        return Problems(
            check(
                spec_path,
                local_fallback=local_fallback,
                overrides=_overrides(settings),
                asked_by=asked_by,
            )
        )


def plan_spec(
    spec_path: SpecLike = None, local_fallback: bool = False, *, diff: SpecLike = None
) -> str:
    """Give what `create_cluster` would start, with nothing started.

    Parameters
    ----------
    spec_path, local_fallback
        As of `create_cluster`; or what `resolve_spec` gave.
    diff : str, path, mapping or ResolvedSpec, optional
        Another spec: to give how its plan differs, as a unified diff.

    Returns
    -------
    plan : str
        What the backend has to say, such as a job script, and how many workers and jobs.

    Raises
    ------
    DaskClusterConfigNotFound
        If no spec is found.
    InvalidSpecError
        If the spec is wrong.
    BackendError
        If the backend is not installed.

    Examples
    --------
    >>> spec = {"module": "dask.distributed", "class": "LocalCluster", "kwargs": {"n_workers": 2}}
    >>> plan_spec(spec).splitlines()[0]
    'workers: 2 (processes)'
    """
    from dask_ctl._html import Text
    from dask_ctl.creation.check import differences, plan
    from dask_ctl.exceptions import InBrief

    with InBrief():
        resolved = resolved_from(spec_path, local_fallback)
        if diff is None:
            return Text(plan(resolved, os.environ))
        return Text(differences(resolved, resolved_from(diff, local_fallback), os.environ))


def list_arguments(spec_path: SpecLike = None, local_fallback: bool = False) -> list[str]:
    """Give the names that ``kwargs`` of a spec may have.

    Parameters
    ----------
    spec_path, local_fallback
        As of `create_cluster`; or what `resolve_spec` gave. The backend is imported.

    Returns
    -------
    names : list of str
        As far as they are known: a class may take others by its ``**kwargs``.

    Raises
    ------
    DaskClusterConfigNotFound
        If no spec is found.
    InvalidSpecError
        If the spec is wrong.
    BackendError
        If the backend is not installed.

    Examples
    --------
    >>> spec = {"module": "dask.distributed", "class": "LocalCluster"}
    >>> [name for name in list_arguments(spec) if name.startswith("n_")]
    ['n_workers']
    """
    from dask_ctl.backends import room_of
    from dask_ctl.creation.arguments import known_names
    from dask_ctl.creation.target import load

    return sorted(known_names(room_of(load(resolved_from(spec_path, local_fallback).tree))))


def resolved_from(
    spec_path: SpecLike,
    local_fallback: bool,
    settings: Iterable[str] = (),
    asked_by: str = "create_cluster(...)",
) -> ResolvedSpec:
    """The resolved spec of what a verb was given; what is odd about it is a warning."""
    from dask_ctl.exceptions import DaskCtlWarning, InBrief
    from dask_ctl.spec.resolve import resolve
    from dask_ctl.spec.resolved import ResolvedSpec

    if isinstance(spec_path, ResolvedSpec):
        return spec_path
    with InBrief():
        resolved = resolve(
            spec_path,
            local_fallback=local_fallback,
            overrides=_overrides(settings),
            asked_by=asked_by,
        )
    for warning in resolved.warnings:
        warnings.warn(str(warning), DaskCtlWarning, stacklevel=3)
    return resolved


def _overrides(settings: Iterable[str]) -> list[Located]:
    from dask_ctl.exceptions import InvalidSpecError
    from dask_ctl.spec.values import override

    found = []
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not (key and equals):
            raise InvalidSpecError(f"{setting!r} is not KEY=VALUE", remedy="write key=value")
        found.append(override(key, value))
    return found
