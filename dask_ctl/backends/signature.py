"""Which arguments a backend takes, as far as can be told without calling it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dask_ctl.spec.keys import did_you_mean

_NAMED: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class Misfit:
    """An argument that does not fit.

    Parameters
    ----------
    key : str
        ``args``, or the name of a keyword argument.
    problem, remedy : str
        What is wrong, and what to do.
    certain : bool
        Whether the call would fail; otherwise the name goes where it cannot be followed.
    """

    key: str
    problem: str
    remedy: str
    certain: bool = True


def misfits(target: Callable[..., Any], args: list[Any], kwargs: Mapping[str, Any]) -> list[Misfit]:
    """Where `args` and `kwargs` do not fit the signature of `target`.

    Names that go into ``**kwargs`` are followed into the base classes, and for a LocalCluster
    and the classes of dask-jobqueue into what they start.

    Parameters
    ----------
    target : callable
        A cluster class, a Runner, or a function that returns a cluster.
    args, kwargs
        What it is to be called with.
    """
    try:
        signature = inspect.signature(target)
    except (ValueError, TypeError):
        return []
    known, closed = _explicit(signature), not _is_open(signature)
    if not closed and not kwargs.keys() <= known:
        known, closed = _names(target, known, kwargs)
    found = []
    for name in kwargs:
        if name in known:
            continue
        hint = did_you_mean(name, known)
        if closed:
            remedy = hint or f"known: {', '.join(sorted(known))}"
            found.append(Misfit(name, f"{target.__name__} takes no such argument", remedy))
        elif hint and _is_typo(name, known):
            problem = f"{target.__name__} does not name this argument"
            found.append(Misfit(name, problem, hint, certain=False))
    if not found:
        found += _binding(target, signature, args, kwargs)
    return found


def adapt_misfits(target: Any, adapt: Mapping[str, Any]) -> list[Misfit]:
    """The options that no ``adapt`` of a cluster class knows; the cluster would ignore them."""
    known: set[str] = set()
    for base in getattr(target, "__mro__", ()) if adapt else ():
        method = base.__dict__.get("adapt")
        if method is None:
            continue
        signature = inspect.signature(method)
        known |= _explicit(signature)
        if not _is_open(signature):
            break
        if base.__module__ == "distributed.deploy.cluster":
            from distributed import Adaptive, Scheduler

            known |= _explicit(inspect.signature(Adaptive.__init__))
            known |= _explicit(inspect.signature(Scheduler.workers_to_close))
    if not known:
        return []
    unknown = [name for name in adapt if name not in known]
    remedies = {name: did_you_mean(name, known) for name in unknown}
    return [
        Misfit(
            name,
            "'adapt' takes no such option",
            remedies[name] or f"known: {', '.join(sorted(known - {'self', 'cluster'}))}",
        )
        for name in unknown
    ]


def inherits(target: Any, module: str, name: str) -> bool:
    """Whether a class has a base of this name, which thus need not be imported."""
    bases = getattr(target, "__mro__", ())
    return any(base.__module__ == module and base.__name__ == name for base in bases)


def _names(target: Any, own: set[str], kwargs: Mapping[str, Any]) -> tuple[set[str], bool]:
    """The names that `target` takes by its ``**kwargs``, too, and whether these are all."""
    known = set(own)
    if not inspect.isclass(target):
        return known, False
    for init in _inits(target):
        known |= _explicit(init)
    if inherits(target, "distributed.deploy.local", "LocalCluster"):
        from distributed import Nanny, Worker

        given = kwargs.get("worker_class")
        for worker in (Nanny, Worker, *([given] if inspect.isclass(given) else [])):
            for init in _inits(worker):
                known |= _explicit(init)
        return known, given is None or inspect.isclass(given)
    if inherits(target, "dask_jobqueue.core", "JobQueueCluster"):
        job = getattr(target, "job_cls", None)
        for init in _inits(job) if inspect.isclass(job) else ():
            known |= _explicit(init)
        return known, job is not None and "job_cls" not in kwargs
    # Any other class may hand its **kwargs to whatever it likes.
    return known, False


def _inits(target: type) -> Iterator[inspect.Signature]:
    for base in target.__mro__[:-1]:
        if "__init__" in base.__dict__:
            yield inspect.signature(base.__dict__["__init__"])


def _explicit(signature: inspect.Signature) -> set[str]:
    names = {name for name, p in signature.parameters.items() if p.kind in _NAMED}
    return names - {"self"}


def _is_open(signature: inspect.Signature) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())


def _is_typo(name: str, known: Iterable[str]) -> bool:
    """Whether a name differs from a known one by a letter, rather than by its meaning."""
    return any(
        word.startswith(name) or name.startswith(word) or sorted(word) == sorted(name)
        for word in known
        if abs(len(word) - len(name)) <= 1
    )


def _binding(
    target: Any, signature: inspect.Signature, args: list[Any], kwargs: Mapping[str, Any]
) -> list[Misfit]:
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        named = [name for name, p in signature.parameters.items() if p.kind in _NAMED]
        twice = [name for name in named[: len(args)] if name in kwargs]
        missing = [
            name
            for name in named[len(args) :]
            if name not in kwargs and signature.parameters[name].default is inspect.Parameter.empty
        ]
        if twice:
            problem = f"{target.__name__} gets {', '.join(twice)} here and in 'kwargs'"
            return [Misfit("args", problem, "remove one of the two")]
        if missing:
            problem = f"{target.__name__} needs {', '.join(missing)}"
            return [Misfit("kwargs", problem, "add it under 'kwargs'")]
        return [Misfit("args", f"{target.__name__}: {error}", "check 'args'")]
    return []
