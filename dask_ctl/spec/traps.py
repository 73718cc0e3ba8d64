"""Values that are not what they look like: as YAML 1.1 reads them, or as no shell will."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any, Final

from dask_ctl.exceptions import Problem
from dask_ctl.spec.located import KeyPath, Located, dotted

# YAML 1.1 wants a point and a sign, 1.5e+3, and reads everything else as text.
_EXPONENT: Final = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
_PREFIXED: Final = re.compile(r"[-+]?0[xb]")
_SHELL: Final = re.compile(r"^~(?=/|$)|\$([A-Za-z_]\w*|\{[A-Za-z_]\w*\})")
# "C:\temp" in double quotes, of YAML and of JSON: a backslash and a letter are a control character.
_DRIVE: Final = re.compile(r"[A-Za-z]:([\0-\x1f])")
_FOLDER: Final = re.compile(
    r"(^|_)((directory|dir|folder|path|file)s?|directories|preload)$", re.IGNORECASE
)

# The remedy of a path with backslashes in double quotes.
QUOTES: Final = "write a path in single quotes, or with '/'"


def misread(written: str, value: Any) -> bool:
    """Whether a plain scalar of YAML is read as something else than it looks.

    Examples
    --------
    >>> [misread("0123", 83), misread("on", True), misread("3.10", 3.1), misread("8", 8)]
    [True, True, True, False]
    """
    if isinstance(value, bool):
        return written.lower() in ("on", "off")  # a switch's position; yes and no look boolean
    if isinstance(value, int):
        return written.lstrip("+") != str(value) and not _PREFIXED.match(written)
    if isinstance(value, float):
        # A version, a time, or a name with underscores; .5 and 5. are plainly numbers.
        trailing = "." in written and written.endswith("0") and not written.endswith(".0")
        return trailing or bool(re.search("[:_]", written))
    if isinstance(value, str):
        return _EXPONENT.fullmatch(written) is not None
    return isinstance(value, date)


def misreadings(tree: Located) -> Iterator[Problem]:
    """A warning of every value that YAML reads as something else than what is written."""
    for path, part in scalars(tree):
        if part.written is not None:
            yield Problem(
                severity="warning",
                summary=f"YAML reads {part.written} as {_described(part.value)}",
                remedy=f"write it in quotes: '{part.written}'"
                if not isinstance(part.value, str)
                else "write the number out, or with a sign and a point: 1.0e+3",
                origin=part.origin,
                key=dotted(path),
            )
        elif isinstance(part.value, str) and (match := _DRIVE.match(part.value)):
            yield Problem(
                severity="warning",
                summary=f"a backslash in double quotes begins an escape: this holds {match[1]!r}",
                remedy=QUOTES,
                origin=part.origin,
                key=dotted(path),
            )


def unexpanded(tree: Located) -> Iterator[Problem]:
    """A warning of every path that holds what only a shell replaces."""
    for path, part in scalars(tree):
        names = [key for key in path if isinstance(key, str)]  # a list of paths has their name
        named = names and _FOLDER.search(names[-1])
        if named and isinstance(part.value, str) and (found := _SHELL.search(part.value)):
            yield Problem(
                severity="warning",
                summary=f"no shell reads it, so {found[0]!r} stays as it is",
                remedy=f"write {_SHELL.sub(_placeholder, part.value)}",
                origin=part.origin,
                key=dotted(path),
            )


def _placeholder(found: re.Match[str]) -> str:
    return f"${{env:{(found[1] or 'HOME').strip('{}')}}}"


def scalars(part: Located, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Located]]:
    """Everything that is neither mapping nor list, with its path."""
    if isinstance(part.value, (dict, list)):
        items = part.value.items() if isinstance(part.value, dict) else enumerate(part.value)
        for key, value in items:
            yield from scalars(value, (*path, key))
    else:
        yield path, part


def _described(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "text, not as a number"
    return f"the {'date' if isinstance(value, date) else 'number'} {value}"
