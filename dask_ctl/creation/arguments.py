"""Whether the arguments of a spec fit what it names, as far as can be told without calling it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from dask_ctl.backends import Backend, servers, signature
from dask_ctl.creation.kinds import Mistake, mistake
from dask_ctl.exceptions import Problem, reason
from dask_ctl.spec.checks import MAX_TOLD, did_you_mean, suggested, uncounted
from dask_ctl.spec.located import Located
from dask_ctl.spec.quantities import bytes_of

_OF_THE_CALL: Final = {"asynchronous", "loop"}
# What ``scale`` and ``adapt`` of distributed and the backends count, and measure.
_COUNTS: Final = {
    "n", "n_workers", "jobs", "cores", "minimum", "minimum_jobs", "minimum_cores", "maximum",
    "maximum_jobs", "maximum_cores",
}  # fmt: skip
_SIZES: Final = {"memory", "minimum_memory", "maximum_memory"}


def plain_arguments(tree: Located) -> tuple[list[Any], dict[str, Any]]:
    """The plain positional and keyword arguments of an expanded spec."""
    return _plain(tree, "args") or [], _plain(tree, "kwargs") or {}


def plain_sizes(tree: Located) -> tuple[Any, dict[str, Any] | None]:
    """The plain ``scale`` and ``adapt`` of an expanded spec; None for what it does not have."""
    return _plain(tree, "scale"), _plain(tree, "adapt")


def _plain(tree: Located, key: str) -> Any:
    part = tree.get(key)
    return None if part is None else part.plain()


def known_names(room: Backend) -> set[str]:
    """The names of keyword arguments that are known to be taken, but for those of the call."""
    own = signature.own(room.target)
    known = signature.names(*room.takers({})[0]) | (signature.explicit(own) if own else set())
    return known - _OF_THE_CALL


def misfits(room: Backend, args: list[Any], kwargs: Mapping[str, Any]) -> Iterator[Problem]:
    """Names that do not fit; keys are ``args``, ``kwargs`` and ``kwargs.NAME``.

    Parameters
    ----------
    room : Backend
        The room of the target, which knows where names in its ``**kwargs`` go.
    args, kwargs
        What it is to be called with.
    """
    own = signature.own(room.target)
    if own is None:
        return
    known, complete = _known(room, own, kwargs)
    unknown = [name for name in kwargs if name not in known][:MAX_TOLD]
    for name in unknown:
        key = f"kwargs.{name}"
        if complete:
            yield _unknown(room.name, name, known, key, room)
        elif _is_typo(name, known):
            problem = f"{room.name} does not name this argument"
            yield Problem(problem, did_you_mean(name, known), key=key, severity="warning")
    if not unknown or not complete:
        yield from _binding(room.name, own, args, kwargs)
    given, keys = _by_name(own, args, kwargs)
    for argument, takers in _parts(room, given).items():
        if complete and argument in unknown:
            continue
        known = signature.names(*takers)
        for name in [name for name in given[argument] if name not in known][:MAX_TOLD]:
            yield _unknown(takers[0].__name__, name, known, f"{keys[argument]}.{name}")


def unchecked(room: Backend, kwargs: Mapping[str, Any]) -> Iterator[Problem]:
    """Notes of the arguments of which nothing is known here."""
    own = signature.own(room.target)
    known, complete = _known(room, own, kwargs) if own else (set(), False)
    foreign = room.parts(kwargs)
    for name in kwargs:
        what = None
        if not complete and name not in known and not _is_typo(name, known):
            what = f"{room.name} does not say whether it takes it"
        elif foreign.get(name) == []:
            what = "it is for a class of which nothing is known here"
        if what:
            yield Problem(f"not checked: {what}", key=f"kwargs.{name}", severity="note")


def misnamed(room: Backend, names: Iterable[str]) -> Iterator[Problem]:
    """Warnings of names in dask's configuration that stand for no argument of the target."""
    takers, complete = room.takers({})
    known = signature.names(*takers) if complete else set()
    for name in names if complete else ():
        if name not in known:
            problem = _unknown(room.name, name, known, f"kwargs.{name}", room)
            yield replace(problem, severity="warning")


def _known(
    room: Backend, own: inspect.Signature, kwargs: Mapping[str, Any]
) -> tuple[set[str], bool]:
    """The names of arguments that are taken, and whether these are all."""
    known, complete = signature.explicit(own), not signature.is_open(own)
    if not complete and not kwargs.keys() <= known:
        takers, complete = room.takers(kwargs)
        known |= signature.names(*takers)
    return known, complete


def mistakes(
    room: Backend, args: list[Any], kwargs: Mapping[str, Any], adapt: Mapping[str, Any]
) -> Iterator[Mistake]:
    """Values that are of another kind than their argument takes."""
    own = signature.own(room.target)
    takers, _ = room.takers(kwargs)
    if room.options_of_servers:
        takers = [*takers, servers.options]
    given, keys = _by_name(own, args, kwargs)
    # The same name is another argument in another place.
    found = [(keys[name], name, value, takers) for name, value in given.items()]
    for argument, inner in _parts(room, given).items():
        inside = given[argument].items()
        found += [(f"{keys[argument]}.{name}", name, value, inner) for name, value in inside]
    adapting = _takers_of(room.target, "adapt") if adapt else []
    found += [
        (f"adapt.{name}", name, value, adapting)
        for name, value in adapt.items()
        if name not in _COUNTS
    ]
    for key, name, value, takers in found:
        wrong = mistake(key, name, value, takers, room)
        if wrong is not None:
            yield wrong


def answers(
    ask: Callable[[Mapping[str, Any]], Iterable[Problem]],
    room: Backend,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Iterator[Problem]:
    """What a room says of all arguments, of those by position under the keys ``args.N``."""
    given, keys = _by_name(signature.own(room.target), args, kwargs)
    for problem in courtesy(lambda: ask(given), room):
        name, *inside = (problem.key or "").removeprefix("kwargs.").split(".", 1)
        key = ".".join([keys[name], *inside]) if name in keys else problem.key
        yield replace(problem, key=key)


def courtesy(ask: Callable[[], Iterable[Problem]], room: Backend) -> list[Problem]:
    """What a room says; a note if it cannot say anything, of values that it does not expect.

    What is wrong with these its class says, whose error is the one to be seen.
    """
    try:
        return list(ask())
    except Exception as error:  # noqa: BLE001 -- of a room, perhaps of another package
        problem = f"not checked: what {room.name} makes of its arguments ({reason(error)})"
        return [Problem(problem, severity="note")]


def _by_name(
    own: inspect.Signature | None, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """All arguments by their names, and the key of each: ``args.0``, ``kwargs.NAME``."""
    names = zip(signature.named(own) if own and args else (), args, strict=False)
    positional = {name: (value, f"args.{n}") for n, (name, value) in enumerate(names)}
    both = positional | {name: (value, f"kwargs.{name}") for name, value in kwargs.items()}
    return {n: value for n, (value, _) in both.items()}, {n: key for n, (_, key) in both.items()}


def option_misfits(room: Backend, verb: str, options: Mapping[str, Any]) -> Iterator[Problem]:
    """The options that no ``adapt`` or ``scale`` of a cluster class knows, or that cannot be."""
    yield from impossible(verb, options)
    yield from servers.unreadable(options, verb)
    takers = _takers_of(room.target, verb) if options else []
    known = signature.names(*takers) - {"cluster"}
    for name in options if known else ():
        if name not in known:
            yield _unknown(f"'{verb}'", name, known, f"{verb}.{name}", what="option")


def impossible(verb: str, options: Mapping[str, Any]) -> Iterator[Problem]:
    """The options that are no numbers or sizes, and each minimum that is more than its maximum.

    Examples
    --------
    >>> [problem.key for problem in impossible("adapt", {"minimum": 5, "maximum": 2})]
    ['adapt.minimum']
    """
    given = {name: value for name, value in options.items() if value is not None}
    sizes = {name: size for name, value in given.items() if (size := bytes_of(value)) is not None}
    for name, value in given.items():
        key, above = f"{verb}.{name}", f"maximum{name.removeprefix('minimum')}"
        size = sizes.get(name, 0)
        endless = name.startswith("maximum") and isinstance(value, float) and value == math.inf
        if name in _COUNTS and not endless and (found := uncounted(value)):
            quoted = isinstance(value, str) and value.strip().isdecimal()
            remedy = "write it without quotes" if quoted else "change the value"
            yield Problem(f"must be a whole number, not {found}", remedy, key=key)
        elif name in _SIZES and name not in sizes:
            remedy = "write a size with its unit: 16GB"
            yield Problem("is no size of memory", remedy, key=key)
        elif not size >= 0:  # .nan is neither
            yield Problem("must not be negative", "change the value", key=key)
        elif name.startswith("minimum") and size > sizes.get(above, math.inf):
            yield Problem(f"is more than {above!r}", "change one of the two", key=key)


def _takers_of(target: Any, verb: str) -> list[Callable[..., Any]]:
    """What takes the options of ``adapt`` or ``scale``: the methods of a class and its bases."""
    takers: list[Callable[..., Any]] = []
    for base in getattr(target, "__mro__", ()):
        method = base.__dict__.get(verb)
        if method is None:
            continue
        takers.append(method)
        if not signature.is_open(method):
            break
        if base.__module__ == "distributed.deploy.cluster":
            from distributed import Adaptive, Scheduler

            takers += [Adaptive.__init__, Scheduler.workers_to_close]
    return takers


def _parts(room: Backend, kwargs: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The arguments that are given and hold those of something else, and what takes these."""
    given = [name for name, value in kwargs.items() if isinstance(value, Mapping)]
    parts = room.parts(kwargs) if given else {}
    return {name: parts[name] for name in given if parts.get(name)}


def _unknown(
    who: str,
    name: str,
    known: Iterable[str],
    key: str,
    room: Backend | None = None,
    *,
    what: str = "argument",
) -> Problem:
    meant = room.meant.get(name) if room else None
    remedy = meant or suggested(name, sorted({*known} - _OF_THE_CALL))
    return Problem(f"{who} takes no such {what}", remedy, key=key)


def _is_typo(name: str, known: Iterable[str]) -> bool:
    """Whether a name differs from a known one by a letter, rather than by its meaning."""
    folded = name.casefold()
    return did_you_mean(name, known) is not None and any(
        sorted(word) == sorted(folded) or _is_letter_less(*sorted((word, folded), key=len))
        for word in map(str.casefold, known)
        if abs(len(word) - len(folded)) <= 1
    )


def _is_letter_less(shorter: str, longer: str) -> bool:
    """Whether one letter of a word, wherever it stands, makes the difference."""
    return any(longer[:n] + longer[n + 1 :] == shorter for n in range(len(longer)))


def _binding(
    target: str, own: inspect.Signature, args: list[Any], kwargs: Mapping[str, Any]
) -> Iterator[Problem]:
    try:
        own.bind(*args, **kwargs)
    except TypeError as error:
        named = [name for name in own.parameters if name in signature.explicit(own)]
        twice = [name for name in named[: len(args)] if name in kwargs]
        missing = [
            name
            for name in named[len(args) :]
            if name not in kwargs and own.parameters[name].default is inspect.Parameter.empty
        ]
        if twice:
            problem = f"{target} gets {', '.join(twice)} here and in 'kwargs'"
            yield Problem(problem, "remove one of the two", key="args")
        elif missing:
            problem = f"{target} needs {', '.join(missing)}"
            yield Problem(problem, "add it under 'kwargs'", key="kwargs")
        else:
            yield Problem(f"{target}: {error}", "check 'args'", key="args")
