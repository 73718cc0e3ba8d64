"""What a class refuses: `check` says it before, and beside the error that the class then raises.

The error itself is the class's own, since that is what its caller expects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from dask_ctl.backends import Backend
from dask_ctl.creation import carried, inherited
from dask_ctl.creation.arguments import (
    answers,
    misnamed,
    mistakes,
    plain_arguments,
    plain_sizes,
)
from dask_ctl.exceptions import Problem
from dask_ctl.spec.located import dotted, locate
from dask_ctl.spec.resolved import ResolvedSpec
from dask_ctl.spec.traps import scalars, unexpanded

# Errors about a value, rather than about a network or a machine.
_OF_VALUES: Final = (TypeError, ValueError, LookupError, AttributeError)
_LONG: Final = 4  # letters of what is found by no chance


def refusals(
    resolved: ResolvedSpec,
    room: Backend,
    args: list[Any],
    kwargs: Mapping[str, Any],
    *,
    sound: bool = True,
) -> list[Problem]:
    """What the class itself will refuse, with what it takes from dask's configuration.

    Parameters
    ----------
    resolved : ResolvedSpec
        The spec, its placeholders replaced.
    room : Backend
        The room of its class.
    args, kwargs
        Its arguments.
    sound : bool
        Whether nothing else is wrong with these, so that the room can be asked of them.
    """
    with carried.InForce(resolved.spec.config).held():
        taken = inherited.of_target(room, kwargs, resolved)
        given, (_, adapt) = taken.with_given(kwargs), plain_sizes(resolved.tree)
        found = [
            each.problem
            for each in mistakes(room, args, given, adapt or {})
            if each.refused or taken.source(each.problem)
        ]
        found += misnamed(room, taken.by_argument)
        if sound and all(problem.severity != "error" for problem in found):
            found += answers(room.refusals, room, args, given)
    return [taken.placed(problem, resolved) for problem in found]


def doubts(resolved: ResolvedSpec, room: Backend, kwargs: Mapping[str, Any]) -> list[Problem]:
    """What its service does not know of all that the class has in the end, and its ``~``."""
    taken = inherited.of_target(room, kwargs, resolved)
    found = list(answers(room.doubts, room, [], taken.with_given(kwargs)))
    for name, each in taken.by_argument.items():
        path = each.value if name not in room.read_by_shell else None
        if isinstance(path, str) and path.startswith("~/"):
            # dask replaces variables in its files, as specs do not.
            remedy = f"write $HOME{path[1:]}"
            doubtful = unexpanded(locate({"kwargs": {name: path}}, each.origin))
            found += [replace(problem, remedy=remedy) for problem in doubtful]
    return [taken.placed(each, resolved) for each in found]


def explained(error: BaseException, said: str, resolved: ResolvedSpec, room: Backend) -> Problem:
    """What an error of the class means, at the place of the value that it is about.

    Parameters
    ----------
    error : BaseException
        What the class has raised.
    said : str
        Its words, without secrets.
    resolved : ResolvedSpec
        The spec, its placeholders replaced.
    room : Backend
        The room of its class.
    """
    summary = f"{resolved.spec.target} failed: {said}"
    args, kwargs = plain_arguments(resolved.tree)
    causes = list(_causes(error))
    of_values = isinstance(causes[-1], _OF_VALUES)
    for problem in refusals(resolved, room, args, kwargs) if of_values else ():
        if problem.severity == "error" and problem.key:
            return replace(problem, summary=f"{summary}: {problem.summary}")
    text = " ".join(map(str, causes))
    values = [*_values(resolved, inherited.of_target(room, kwargs, resolved))]
    found = {(key, origin) for key, value, origin in values if _is_in(value, text)}
    if not found and of_values:
        found = {(key, origin) for key, _, origin in values if _is_named(key, text)}
    key, origin = found.pop() if len(found) == 1 else (None, resolved.origin)
    remedy = "check its args and kwargs, and that its service can be reached"
    return Problem(summary, remedy, origin=origin, key=key)


def _causes(error: BaseException) -> Iterator[BaseException]:
    yield error
    if error.__cause__ is not None:
        yield from _causes(error.__cause__)


def _values(resolved: ResolvedSpec, taken: inherited.Taken) -> Iterator[tuple[str, Any, object]]:
    """All that a class is given: key, value and origin."""
    for path, part in scalars(resolved.tree):
        if path[0] in ("args", "kwargs"):
            yield dotted(path), part.value, part.origin
    for each in taken.by_argument.values():
        yield each.key, each.value, each.origin


def _is_in(value: Any, text: str) -> bool:
    """Whether a value stands in a message, for itself: in quotes, or as no word of a language."""
    word = str(value)
    if not isinstance(value, (str, int)) or len(word) < _LONG:
        return False
    quoted = any(f"{quote}{word}{quote}" in text for quote in "'\"`")
    return quoted or (
        not word.isalpha() and bool(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text))
    )


def _is_named(key: str, text: str) -> bool:
    """Whether a message names an argument."""
    name = key.rpartition(".")[2]
    return len(name) >= _LONG and bool(re.search(rf"\b{re.escape(name)}\b", text))
