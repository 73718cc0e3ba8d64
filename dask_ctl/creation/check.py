"""Everything about a spec that can be known without starting anything."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dask_ctl.backends import signature
from dask_ctl.backends.runners import is_runner
from dask_ctl.creation.target import load_from
from dask_ctl.exceptions import DaskCtlError, InvalidSpecError, Problem
from dask_ctl.spec.located import KeyPath, Located, dotted
from dask_ctl.spec.resolve import resolve
from dask_ctl.spec.resolved import ResolvedSpec
from dask_ctl.spec.values import expand


def check(
    spec: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    local_fallback: bool = False,
    overrides: Sequence[Located] = (),
    asked_by: str = "create_cluster(...)",
    env: Mapping[str, str] | None = None,
) -> list[Problem]:
    """Check what `create_cluster` would create.

    Parameters
    ----------
    spec, local_fallback
        As of `create_cluster`.
    overrides : sequence of Located
        Partial specs laid over it.
    asked_by : str
        What to call the argument in messages.
    env : mapping, optional
        The environment for ``${env:...}``; by default that of the process.

    Returns
    -------
    problems : list of Problem
        All errors and warnings; none if the spec is good.

    Raises
    ------
    DaskClusterConfigNotFound
        If there is no spec to check.
    """
    try:
        resolved = resolve(
            spec, local_fallback=local_fallback, overrides=overrides, asked_by=asked_by
        )
    except InvalidSpecError as error:
        return [error.problem, *error.others]
    return [*resolved.warnings, *_problems(resolved, os.environ if env is None else env)]


def _problems(resolved: ResolvedSpec, env: Mapping[str, str]) -> Iterator[Problem]:
    tree = resolved.tree
    broken = False
    for path, part in _scalars(tree):
        try:
            expand(part, path, env)
        except DaskCtlError as error:
            broken = True
            yield error.problem
    if broken:
        return  # what is not known cannot be checked
    try:
        target = load_from(tree, env)
    except DaskCtlError as error:
        yield error.problem
        return
    args, kwargs = arguments(tree, env)
    yield from fitting(resolved, target, args, kwargs)


def arguments(tree: Located, env: Mapping[str, str]) -> tuple[list[Any], dict[str, Any]]:
    """The plain positional and keyword arguments of a spec, their variables replaced."""
    args, kwargs = tree.get("args"), tree.get("kwargs")
    return (
        expand(args, ("args",), env) if args else [],
        expand(kwargs, ("kwargs",), env) if kwargs else {},
    )


def fitting(
    resolved: ResolvedSpec, target: Any, args: list[Any], kwargs: dict[str, Any]
) -> Iterator[Problem]:
    """Whether a spec fits its class: its arguments, its scaling, and that it gets workers."""
    for misfit in signature.misfits(target, args, kwargs):
        path = (misfit.key,) if misfit.key in ("args", "kwargs") else ("kwargs", misfit.key)
        yield _problem(resolved, misfit, path)
    for key in ("scale", "adapt"):
        if getattr(resolved.spec, key) is not None and not can(target, key):
            yield Problem(
                severity="error",
                summary=f"{resolved.spec.target} cannot {key}",
                remedy=f"remove '{key}' from the spec",
                origin=resolved.origin_of(key),
                key=key,
            )
    for misfit in signature.adapt_misfits(target, resolved.spec.adapt or {}):
        yield _problem(resolved, misfit, ("adapt", misfit.key))
    if starts_without_workers(target) and not (
        kwargs.get("n_workers")
        or resolved.spec.scale is not None
        or resolved.spec.adapt is not None
    ):
        yield Problem(
            severity="warning",
            summary=f"{resolved.spec.target} starts without workers, so a script waits for ever",
            remedy="add 'scale: 2', or 'adapt: {maximum: 10}'",
            origin=resolved.origin,
        )


def can(target: Any, key: str) -> bool:
    """Whether what `target` makes can ``scale`` or ``adapt``, unless it is found out later."""
    if inspect.isclass(target):
        # The attribute is how distributed's Cluster says that it has a fixed size.
        return hasattr(target, key) and getattr(target, "_supports_scaling", True)
    fixed = (target.__module__, target.__name__) == ("distributed.deploy.ssh", "SSHCluster")
    return not fixed


def starts_without_workers(target: Any) -> bool:
    """Whether a class asks for no workers of its own accord."""
    return not is_runner(target) and (
        signature.inherits(target, "dask_jobqueue.core", "JobQueueCluster")
        or signature.inherits(target, "dask_gateway.client", "GatewayCluster")
    )


def _problem(resolved: ResolvedSpec, misfit: signature.Misfit, path: KeyPath) -> Problem:
    return Problem(
        severity="error" if misfit.certain else "warning",
        summary=misfit.problem,
        remedy=misfit.remedy,
        origin=resolved.origin_of(*path) if resolved.tree.get(*path) else resolved.origin,
        key=dotted(path),
    )


def _scalars(part: Located, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Located]]:
    if isinstance(part.value, (dict, list)):
        items = part.value.items() if isinstance(part.value, dict) else enumerate(part.value)
        for key, value in items:
            yield from _scalars(value, (*path, key))
    else:
        yield path, part
