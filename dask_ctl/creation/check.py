"""Everything about a spec that can be known without starting anything."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dask_ctl import _private
from dask_ctl.backends import Backend, plans, room_of, servers
from dask_ctl.creation import carried
from dask_ctl.creation.arguments import (
    answers,
    courtesy,
    misfits,
    mistakes,
    option_misfits,
    plain_arguments,
    plain_sizes,
    unchecked,
)
from dask_ctl.creation.refusals import doubts, refusals
from dask_ctl.creation.target import load
from dask_ctl.exceptions import (
    DaskCtlError,
    InvalidSpecError,
    Problem,
    explain,
    text_of,
)
from dask_ctl.spec import settings
from dask_ctl.spec.located import Located
from dask_ctl.spec.resolve import resolve
from dask_ctl.spec.resolved import ResolvedSpec
from dask_ctl.spec.secrets import of_variables, scrubbed, secrets
from dask_ctl.spec.traps import scalars, unexpanded
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
    unreadable = list(settings.unreadable())
    if unreadable:
        return [*resolved.warnings, *unreadable]
    return [*resolved.warnings, *_problems(resolved, os.environ if env is None else env)]


def plan(resolved: ResolvedSpec, env: Mapping[str, str]) -> str:
    """What a spec would start, as text; nothing is started.

    Raises
    ------
    InvalidSpecError
        If the spec is wrong.
    BackendError
        If the backend is not installed, or what it would start cannot be told.
    """
    expanded = resolved.expanded(env)
    room = room_of(load(expanded.tree))
    args, kwargs = plain_arguments(expanded.tree)
    given = (expanded, room, args, kwargs)
    for problem in (*fitting(*given), *refusals(*given)):
        if problem.severity == "error":
            raise InvalidSpecError.of(problem)
    hidden = [
        *secrets({"args": args, "kwargs": kwargs, "env": expanded.spec.env}),
        *of_variables(resolved.tree.plain(), env),
    ]
    config = carried.InForce(expanded.spec.config)
    try:
        config.begin()
        called = carried.handed_on(expanded.spec, room, kwargs)
        told = room.plan(args, called)
        scale, adapt = plain_sizes(expanded.tree)
        sizes = plans.sizes(called.get("n_workers"), scale, adapt, room.group(called))
    except Exception as error:
        summary = f"{resolved.spec.target} failed: {scrubbed(text_of(error), hidden)}"
        explain(error, Problem(summary, "check its args and kwargs", resolved.origin))
        raise
    finally:
        config.put_back()
    return scrubbed("".join([told, *(f"{line}\n" for line in sizes)]), hidden)


def differences(resolved: ResolvedSpec, other: ResolvedSpec, env: Mapping[str, str]) -> str:
    """How the plan of another spec differs from that of the first, as a unified diff."""
    import difflib

    before, after = (plan(each, env).splitlines(keepends=True) for each in (resolved, other))
    # What is laid over the same spec differs by what it is.
    names = [", ".join(map(str, each.used)) or str(each.origin) for each in (resolved, other)]
    return "".join(difflib.unified_diff(before, after, names[0], names[1]))


def _problems(resolved: ResolvedSpec, env: Mapping[str, str]) -> Iterator[Problem]:
    broken = list(_unknown_values(resolved.tree, env))
    if broken:
        yield from broken
        return  # what is not known cannot be checked
    try:
        expanded = resolved.expanded(env)
        room = room_of(load(expanded.tree))
    except DaskCtlError as error:
        yield from (error.problem, *getattr(error, "others", ()))
        return
    args, kwargs = plain_arguments(expanded.tree)
    found = list(fitting(expanded, room, args, kwargs))
    yield from found
    sound = all(problem.severity != "error" for problem in found)
    yield from refusals(expanded, room, args, kwargs, sound=sound)
    yield from doubts(expanded, room, kwargs)
    read_by_shell = {f"kwargs.{name}" for name in room.read_by_shell}
    yield from (each for each in unexpanded(expanded.tree) if each.key not in read_by_shell)
    yield from map(expanded.located, unchecked(room, kwargs))


def _unknown_values(tree: Located, env: Mapping[str, str]) -> Iterator[Problem]:
    for path, part in scalars(tree):
        try:
            expand(part, path, env)
        except DaskCtlError as error:
            yield error.problem


def fitting(
    resolved: ResolvedSpec, room: Backend, args: list[Any], kwargs: Mapping[str, Any]
) -> Iterator[Problem]:
    """Whether a spec fits its class: its arguments, its scaling, and that it gets workers."""
    scale, adapt = plain_sizes(resolved.tree)
    found = [
        *misfits(room, args, kwargs),
        *option_misfits(room, "scale", scale if isinstance(scale, Mapping) else {}),
        *option_misfits(room, "adapt", adapt or {}),
        *(servers.strangers(kwargs) if room.options_of_servers else ()),
    ]
    wrong = list(mistakes(room, args, kwargs, adapt or {}))
    found += [each.problem for each in wrong if not each.refused]
    if all(each.problem.severity == "warning" for each in wrong):
        # A room need not be asked of values that are not what it knows.
        found += answers(room.problems, room, args, kwargs)
        found += courtesy(lambda: carried.misfits(resolved, room, kwargs), room)
    told = {problem.key for problem in resolved.warnings}  # of what YAML has read otherwise
    for problem in map(resolved.located, found):
        if problem.severity == "error" or problem.key not in told:
            yield problem
    if scale is not None and not room.can("scale"):
        yield _cannot("scale", resolved)
    if adapt is not None and not room.can("adapt"):
        yield _cannot("adapt", resolved)
    if room.starts_empty and not kwargs.get("n_workers") and scale is None and adapt is None:
        yield Problem(
            f"{resolved.spec.target} starts without workers, so a script waits for ever",
            remedy="add 'scale: 2', or 'adapt: {maximum: 10}'",
            origin=resolved.origin,
            severity="warning",
        )


def refuse_fixed(cluster: Any, resolved: ResolvedSpec) -> None:
    """Raise `InvalidSpecError` if a cluster that a function has made cannot be scaled."""
    if _private.has_fixed_size(cluster):
        verb = "scale" if resolved.spec.scale is not None else "adapt"
        raise InvalidSpecError.of(_cannot(verb, resolved))


def _cannot(verb: str, resolved: ResolvedSpec) -> Problem:
    return Problem(
        f"{resolved.spec.target} cannot {verb}: its clusters have a fixed size",
        remedy=f"remove '{verb}' from the spec",
        origin=resolved.origin_of(verb),
        key=verb,
    )
