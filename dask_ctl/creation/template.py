"""Specs to start from, with all that a class takes."""

from __future__ import annotations

import importlib
import inspect
import shutil
import textwrap
from collections.abc import Iterator
from typing import Any

import yaml

from dask_ctl import backends
from dask_ctl.backends import signature
from dask_ctl.exceptions import InvalidSpecError
from dask_ctl.spec.checks import suggested


def template(name: str) -> str:
    """A commented spec to start from.

    Where the backend is installed, its other arguments follow as comments.

    Raises
    ------
    InvalidSpecError
        If no room has one of that name.
    """
    try:
        text = backends.template(name)
    except KeyError:
        known = [each for room in backends.rooms() for each in room.templates]
        raise InvalidSpecError(
            f"there is no spec {name!r} to start from",
            remedy=suggested(name, known),
        ) from None
    return "\n".join([text.rstrip(), *_other_arguments(yaml.safe_load(text))]) + "\n"


def found_here() -> dict[str, str]:
    """The names of specs for which there is something here, and what: a command, a service."""
    found: dict[str, str] = {}
    for room in backends.rooms():
        configured = room.service is not None and not room.by_address and room.is_configured()
        for name in room.templates:
            where = shutil.which(room.commands[name]) if name in room.commands else None
            if where or configured:
                found[name] = where or "configured"
    return found


def _other_arguments(spec: dict[str, Any]) -> Iterator[str]:
    try:
        target = getattr(importlib.import_module(spec["module"]), spec["class"])
        documented = {name: text for name, _, text in signature.documented(target)}
        parameters = inspect.signature(target).parameters
    except (ImportError, AttributeError, ValueError):
        yield f"# {spec['module']} is not installed here, so its other arguments are not listed."
        return
    given = spec.get("kwargs", {})
    others = {name: text for name, text in documented.items() if name not in given}
    defaults = {name: p.default for name, p in parameters.items()}
    if others:
        yield "#"
        yield f"# Other arguments of {spec['class']}, for 'kwargs':"
    for name, text in others.items():
        if name in ("asynchronous", "loop", "kwargs", "args") or text.startswith("Deprecated"):
            continue
        yield f"#   {name}: {_literal(defaults.get(name))}"
        yield from (f"#     {line}" for line in textwrap.wrap(text, 92))


def _literal(value: Any) -> str:
    if value is inspect.Parameter.empty or value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else repr(value)
