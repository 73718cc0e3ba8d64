"""From text to value, by one rule: variables, ``--set``, and placeholders in a spec.

A placeholder is ``${env:NAME}``, ``${text:NAME}`` or ``${import:module:Name}``; the first two may
have a default, ``${env:NAME:-default}``, in which others may stand. They are replaced when a
cluster is made. What a shell means by ``$NAME`` and ``${NAME:-x}`` is left to it.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import reduce
from operator import is_
from typing import Any, Final

from dask_ctl.exceptions import BackendError, InvalidSpecError
from dask_ctl.spec.located import KeyPath, Located, Origin, Source, dotted, locate
from dask_ctl.spec.trust import code_from

_START: Final = re.compile(r"\$\{\s*(env|text|import)\s*:")
_VARIABLE: Final = re.compile(r"\$\{(?:env|text):([A-Za-z_]\w*)(?::-(.*))?\}", re.DOTALL)
_IMPORT: Final = re.compile(r"\$\{import:([\w.]+):([\w.]+)\}")
_MAX_TEXT: Final = 1 << 16
_MAX_NESTED: Final = 100
_BRACE: Final = re.compile(r"[{}]")
_WORDS: Final = {"none": None, "null": None, "false": False, "true": True}


def interpret(text: str, origin: Origin, key: str | None = None) -> Any:
    """Read the text of a variable as dask does, and JSON as well.

    Parameters
    ----------
    text : str
        What it holds.
    origin, key
        Where it stands, for messages.

    Raises
    ------
    InvalidSpecError
        If it begins like a mapping and is none.

    Examples
    --------
    >>> from dask_ctl.spec.located import Source
    >>> here = Origin(Source.ENVIRONMENT, "X")
    >>> [interpret(text, here) for text in ("2", "false", "a-b", '{"a": null}')]
    [2, False, 'a-b', {'a': None}]
    """
    if len(text) > _MAX_TEXT:
        raise InvalidSpecError(
            f"a value of more than {_MAX_TEXT} characters",
            remedy="put it into a file",
            origin=origin,
            key=key,
        )
    container = text.lstrip()[:1] if text.lstrip().startswith(("{", "[")) else None
    if container:
        # First, as its escapes of letters beyond the 65,536th mean something else in Python.
        with suppress(ValueError, RecursionError):
            return json.loads(text)
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    if text.strip().lower() in _WORDS:
        return _WORDS[text.strip().lower()]
    if container != "{":
        return text
    raise InvalidSpecError(
        "is neither a mapping in Python syntax nor one in JSON",
        remedy="check its quotes, commas and braces",
        origin=origin,
        key=key,
    )


def override(key: str, text: str) -> Located:
    """The layer of one ``--set KEY=VALUE``: the value is read as a variable's is.

    Parameters
    ----------
    key : str
        The dotted key: ``kwargs.n_workers``.
    text : str
        The value.
    """
    origin = Origin(Source.ARGUMENT, f"--set {key}")
    layer = locate(interpret(text, origin), origin)
    for part in reversed(key.split(".")):
        layer = Located({part: layer}, origin)
    return layer


def is_placeholder(value: object) -> bool:
    """Whether a value is one placeholder and nothing else, so that it may become anything."""
    if not isinstance(value, str) or not (start := _START.match(value)):
        return False
    return _end(value, start.start()) == len(value)


def has_placeholder(value: object) -> bool:
    """Whether there is a placeholder in a value."""
    return isinstance(value, str) and _START.search(value) is not None


def expand(part: Located, path: KeyPath, env: Mapping[str, str]) -> Located:
    """A part of a spec with its placeholders replaced; what they give stands where they stood.

    It is the same object where there are none.

    Parameters
    ----------
    part : Located
        The part.
    path : tuple
        Where it stands in the spec, for messages.
    env : mapping
        The environment.

    Raises
    ------
    InvalidSpecError
        If a variable is not set and has no default, or a placeholder is written wrongly.
    BackendError
        If what ``${import:...}`` names cannot be imported.
    """
    if isinstance(part.value, dict):
        for key, value in part.value.items():
            if has_placeholder(key):
                raise InvalidSpecError(
                    "is a key, and placeholders are replaced in values only",
                    remedy="write the name out",
                    origin=value.origin,
                    key=dotted((*path, key)),
                )
        expanded = {key: expand(value, (*path, key), env) for key, value in part.value.items()}
        same = all(expanded[key] is value for key, value in part.value.items())
        return part if same else replace(part, value=expanded)
    if isinstance(part.value, list):
        listed = [expand(value, (*path, i), env) for i, value in enumerate(part.value)]
        same = all(map(is_, listed, part.value))
        return part if same else replace(part, value=listed)
    if type(part.value) is tuple:
        items = locate(list(part.value), part.origin)
        given = expand(items, path, env)
        return part if given is items else replace(part, value=tuple(given.plain()))
    if not has_placeholder(part.value):
        return part
    value = _Placeholders(part.origin, path, env).value(part.value)
    return replace(locate(value, part.origin), written=None)


@dataclass(frozen=True)
class _Placeholders:
    """What the placeholders of one text give."""

    origin: Origin
    path: KeyPath
    env: Mapping[str, str]

    def value(self, text: str) -> Any:
        """The text as a value: an object, a variable read as such, or text with parts replaced."""
        if not is_placeholder(text):
            return self.text(text)
        if text.startswith("${text:"):
            return self.text(text)
        if text.startswith("${import:"):
            return self._imported(text)
        given, default = self._variable(text)
        if given is None and has_placeholder(default) and is_placeholder(default):
            return self.value(default)
        found = self.text(default) if given is None else given
        return interpret(found, self.origin, dotted(self.path))

    def text(self, text: str) -> str:
        """The text with its variables replaced by theirs."""
        return "".join(self._replaced(piece) for piece in self._pieces(text))

    def _pieces(self, text: str) -> Iterator[str]:
        end = 0
        while start := _START.search(text, end):
            yield text[end : start.start()]
            closed = _end(text, start.start())
            if closed is None:
                raise self._no_variable(text[start.start() :])
            end = closed
            yield text[start.start() : end]
        yield text[end:]

    def _replaced(self, piece: str) -> str:
        if not _START.match(piece):
            return piece
        if piece.startswith("${import:"):
            raise self._no_object(piece)
        given, default = self._variable(piece)
        return self.text(default) if given is None else given

    def _variable(self, piece: str) -> tuple[str | None, str]:
        """What a variable holds, if it is set, and the text of its default."""
        match = _VARIABLE.fullmatch(piece)
        if match is None:
            raise self._no_variable(piece)
        name, default = match.groups()
        given = self.env.get(name)
        if given is None and default is None:
            raise self._wrong(
                f"the environment variable {name} is not set",
                f"set it, or write {piece[:-1]}:-default}}",
            )
        # To a shell, whose spelling this is, an empty one has the default, too.
        return (given if default is None else given or None), default or ""

    def _imported(self, text: str) -> Any:
        match = _IMPORT.fullmatch(text)
        if match is None:
            raise self._no_object(text)
        try:
            with code_from():
                return reduce(getattr, match[2].split("."), importlib.import_module(match[1]))
        except InvalidSpecError:  # not to be trusted
            raise
        except Exception as error:
            raise BackendError(
                f"{text} cannot be imported: {error}",
                remedy="check the names, and install the package",
                origin=self.origin,
                key=dotted(self.path),
            ) from error

    def _no_variable(self, text: str) -> InvalidSpecError:
        return self._wrong(
            f"{text!r:.80} is not a variable", "write ${env:NAME} or ${env:NAME:-default}"
        )

    def _no_object(self, text: str) -> InvalidSpecError:
        return self._wrong(
            f"{text!r} is not the name of an object",
            "write ${import:package.module:Name}, and nothing around it",
        )

    def _wrong(self, problem: str, remedy: str) -> InvalidSpecError:
        return InvalidSpecError(problem, remedy=remedy, origin=self.origin, key=dotted(self.path))


def _end(text: str, start: int) -> int | None:
    """Where the placeholder ends that begins at `start`, or None if it does not."""
    depth = 0
    for brace in _BRACE.finditer(text, start):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.end()
        if depth > _MAX_NESTED:
            return None
    return None
