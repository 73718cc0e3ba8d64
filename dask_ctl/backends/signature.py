"""What a class or function says of its arguments: by its signature and by its docstring."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

_NAMED: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def with_options(kwargs: Mapping[str, Any], name: str, **options: Any) -> dict[str, Any]:
    """Keyword arguments with options in one that is a mapping; what that gives goes before.

    Examples
    --------
    >>> with_options({"n": 1, "options": {"a": 2}}, "options", a=1, b=1)
    {'n': 1, 'options': {'a': 2, 'b': 1}}
    """
    return {**kwargs, name: {**options, **(kwargs.get(name) or {})}}


def explicit(signature: inspect.Signature) -> set[str]:
    """The names of a signature, but for ``self``."""
    return set(named(signature))


def named(signature: inspect.Signature) -> dict[str, inspect.Parameter]:
    """The parameters of a signature that can be given by name, but for ``self``, in their order."""
    return {n: p for n, p in signature.parameters.items() if p.kind in _NAMED and n != "self"}


def parameter(signature: inspect.Signature, name: str) -> inspect.Parameter | None:
    """One of them."""
    found = signature.parameters.get(name)
    return found if found is not None and found.kind in _NAMED and name != "self" else None


def is_open(signature: inspect.Signature | Callable[..., Any]) -> bool:
    """Whether there are ``**kwargs``, too."""
    if not isinstance(signature, inspect.Signature):
        signature = inspect.signature(signature)
    return any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())


@cache
def own(target: Any) -> inspect.Signature | None:
    """The signature by which a target is called, if it says one."""
    try:
        return inspect.signature(target)
    except (ValueError, TypeError):  # what is written in C may have none
        return None


@dataclass(frozen=True)
class DownFrom:
    """A class that hands what it does not name elsewhere than to its base.

    Parameters
    ----------
    target : type
        The class, or one that is derived from it.
    last : str
        The dotted name of the class that does so.
    """

    target: type
    last: str


def bases(taker: Any) -> tuple[type, ...]:
    """The classes whose arguments a class takes: its own and its bases'; of a function none."""
    if isinstance(taker, DownFrom):
        line = taker.target.__mro__
        names = [f"{base.__module__}.{base.__qualname__}" for base in line]
        return line[: names.index(taker.last) + 1]
    return taker.__mro__[:-1] if inspect.isclass(taker) else ()


@cache
def of(target: Any) -> tuple[inspect.Signature, ...]:
    """The signatures of a class and its bases, to which ``**kwargs`` may go, or of a function."""
    classes = bases(target)
    functions = [each.__dict__["__init__"] for each in classes if "__init__" in each.__dict__]
    return tuple(found for each in functions or [target] if (found := own(each)) is not None)


def names(*takers: Any) -> set[str]:
    """What functions, and classes with their bases, name."""
    return {name for taker in takers for each in of(taker) for name in named(each)}


def takes(target: Any, name: str) -> bool:
    """Whether a target, or a base to which its ``**kwargs`` may go, has an argument of a name."""
    said = own(target)
    return said is not None and (
        parameter(said, name) is not None or (is_open(said) and name in names(target))
    )


def accepts(function: Any, name: str) -> bool:
    """Whether a function takes an argument of a name, if only among its ``**kwargs``."""
    said = inspect.signature(function)
    return parameter(said, name) is not None or is_open(said)


@cache
def documented(target: Any) -> tuple[tuple[str, str, str], ...]:
    """The parameters in a numpydoc docstring: each with its type and its first sentence."""
    doc = inspect.getdoc(target) or ""
    sections = re.split(r"^ *(\w[\w ]*)\n *-{3,}\n", doc, flags=re.MULTILINE)
    by_name = dict(zip(sections[1::2], sections[2::2], strict=True))
    body = textwrap.dedent(by_name.get("Parameters", "")) + "\n"
    entry = r"^(\w+) *(?::([^\n]*))?\n((?:(?: +[^\n]*)?\n)+)"
    return tuple(
        (name, type_.strip(), re.split(r"(?<=\.)\s", " ".join(told.split()))[0])
        for name, type_, told in re.findall(entry, body, re.MULTILINE)
    )
