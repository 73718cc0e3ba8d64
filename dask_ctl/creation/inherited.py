"""What a class takes from dask's configuration where its keyword arguments do not say it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dask_ctl.backends import Backend, rooms
from dask_ctl.exceptions import Problem
from dask_ctl.spec.resolved import ResolvedSpec
from dask_ctl.spec.sections import Inherited, inherited


@dataclass(frozen=True)
class Taken:
    """What stands in a backend's own section, by the arguments that it stands for.

    Parameters
    ----------
    by_argument : mapping of str to Inherited
        Those that the spec does not give itself.
    """

    by_argument: Mapping[str, Inherited]

    def with_given(self, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """All that the class has in the end."""
        given = {name: value for name, value in kwargs.items() if value is not None}
        return {name: each.value for name, each in self.by_argument.items()} | given

    def source(self, problem: Problem) -> Inherited | None:
        """What a problem is about, if it is one of these."""
        return self.by_argument.get(_argument(problem))

    def placed(self, problem: Problem, resolved: ResolvedSpec) -> Problem:
        """A problem with the key and the place of its value, there or in the spec."""
        source = self.source(problem)
        if source is None:
            return resolved.located(problem)
        rest = (problem.key or "").removeprefix(f"kwargs.{_argument(problem)}")
        return replace(problem, key=f"{source.key}{rest}", origin=source.origin)


def of_names(resolved: ResolvedSpec) -> Taken:
    """That of a spec whose backend is not imported, by the names in it."""
    spec = resolved.spec
    package = spec.module.partition(".")[0]
    for room in rooms():
        if any(module.partition(".")[0] == package for module in room.packages):
            taken = _taken(room(spec.class_), [spec.class_], spec.kwargs, resolved)
            if taken.by_argument:
                return taken
    return Taken({})


def of_target(room: Backend, kwargs: Mapping[str, Any], resolved: ResolvedSpec) -> Taken:
    """That of a class."""
    bases = room.target.__mro__ if inspect.isclass(room.target) else ()
    return _taken(room, [base.__name__ for base in bases], kwargs, resolved)


def _taken(
    room: Backend,
    classes: Iterable[str],
    kwargs: Mapping[str, Any],
    resolved: ResolvedSpec,
) -> Taken:
    section = room.section(classes, kwargs)
    if section is None:
        return Taken({})
    name, renamed = section
    found: dict[str, Inherited] = {}
    for each in inherited(name, resolved.tree.get("config")):
        argument = renamed.get(each.name, each.name.replace("-", "_"))
        if kwargs.get(argument) is None:
            found[argument] = each
    return Taken(found)


def _argument(problem: Problem) -> str:
    """The keyword argument that a problem is about."""
    return (problem.key or "").removeprefix("kwargs.").partition(".")[0]
