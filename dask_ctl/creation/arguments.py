"""Whether the arguments of a spec fit what it names, as far as can be told without calling it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dask_ctl.backends import Backend, signature
from dask_ctl.exceptions import Problem
from dask_ctl.spec.checks import did_you_mean


def misfits(room: Backend, args: list[Any], kwargs: Mapping[str, Any]) -> Iterator[Problem]:
    """What does not fit; keys are ``args``, ``kwargs`` and ``kwargs.NAME``.

    Parameters
    ----------
    room : Backend
        The room of the target, which knows where names in its ``**kwargs`` go.
    args, kwargs
        What it is to be called with.
    """
    try:
        own = inspect.signature(room.target)
    except (ValueError, TypeError):
        return
    known, complete = signature.explicit(own), not signature.is_open(own)
    if not complete and not kwargs.keys() <= known:
        names, complete = room.keywords(kwargs)
        known |= names
    unknown = [name for name in kwargs if name not in known]
    for name in unknown:
        hint = did_you_mean(name, known)
        key = f"kwargs.{name}"
        if complete:
            remedy = hint or f"known: {', '.join(sorted(known))}"
            yield Problem(f"{room.name} takes no such argument", remedy, key=key)
        elif hint and _is_typo(name, known):
            problem = f"{room.name} does not name this argument"
            yield Problem(problem, hint, key=key, severity="warning")
    if not unknown or not complete:
        yield from _binding(room.name, own, args, kwargs)


def adapt_misfits(room: Backend, options: Mapping[str, Any]) -> Iterator[Problem]:
    """The options that no ``adapt`` of a cluster class knows; the cluster would ignore them."""
    known = _adapt_options(room.target) if options else set()
    for name in options if known else ():
        if name not in known:
            hint = did_you_mean(name, known)
            remedy = hint or f"known: {', '.join(sorted(known - {'self', 'cluster'}))}"
            yield Problem("'adapt' takes no such option", remedy, key=f"adapt.{name}")


def _adapt_options(target: Any) -> set[str]:
    known: set[str] = set()
    for base in getattr(target, "__mro__", ()):
        method = base.__dict__.get("adapt")
        if method is None:
            continue
        known |= signature.explicit(inspect.signature(method))
        if not signature.is_open(method):
            break
        if base.__module__ == "distributed.deploy.cluster":
            from distributed import Adaptive, Scheduler

            for function in (Adaptive.__init__, Scheduler.workers_to_close):
                known |= signature.explicit(inspect.signature(function))
    return known


def _is_typo(name: str, known: Iterable[str]) -> bool:
    """Whether a name differs from a known one by a letter, rather than by its meaning."""
    return any(
        word.startswith(name) or name.startswith(word) or sorted(word) == sorted(name)
        for word in known
        if abs(len(word) - len(name)) <= 1
    )


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
