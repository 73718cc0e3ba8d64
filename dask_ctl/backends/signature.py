"""Which keyword arguments a class or function names, as far as its signature says."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Final

_NAMED: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def explicit(signature: inspect.Signature) -> set[str]:
    """The names of a signature, but for ``self``."""
    return {name for name, p in signature.parameters.items() if p.kind in _NAMED} - {"self"}


def is_open(signature: inspect.Signature | Callable[..., Any]) -> bool:
    """Whether there are ``**kwargs``, too."""
    if not isinstance(signature, inspect.Signature):
        signature = inspect.signature(signature)
    return any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())


def of_bases(target: Any) -> set[str]:
    """The names that a class and its bases take, by which its ``**kwargs`` may be followed."""
    found: set[str] = set()
    for each in _inits(target) if inspect.isclass(target) else ():
        found |= explicit(each)
    return found


def takes(target: Any, name: str) -> bool:
    """Whether a target, or a base to which its ``**kwargs`` may go, has an argument of a name."""
    own = inspect.signature(target)
    return name in explicit(own) or (is_open(own) and name in of_bases(target))


def _inits(target: type) -> Iterator[inspect.Signature]:
    for base in target.__mro__[:-1]:
        if "__init__" in base.__dict__:
            yield inspect.signature(base.__dict__["__init__"])
