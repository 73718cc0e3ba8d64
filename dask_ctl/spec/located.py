"""Values that know where they came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias

import dask.config

from dask_ctl.exceptions import InvalidSpecError, printable

KeyPath: TypeAlias = tuple[str | int, ...]

MAX_DEPTH = 100
MAX_BITS = 1024  # more than any size, port or time needs


class Source(IntEnum):
    """The kinds of source, in the order of their precedence."""

    FALLBACK = 0
    FILE = 1
    CONFIG = 2
    ENVIRONMENT = 3
    SET = 4
    ARGUMENT = 5

    @property
    def label(self) -> str:
        """The name as it is printed: ``environment``."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from.

    Parameters
    ----------
    source : Source
        The kind of source.
    place : str
        The file, the variable, or the call.
    line : int, optional
        The line in the file, from 1.
    via : Origin, optional
        What named the file or the spec that the value was read from.
    """

    source: Source
    place: str
    line: int | None = None
    via: Origin | None = None

    @property
    def where(self) -> str:
        """The place, with the line: ``dask-cluster.yaml:2``."""
        return self.place if self.line is None else f"{self.place}:{self.line}"

    def __str__(self) -> str:
        return printable(self.where)


@dataclass(frozen=True, slots=True)
class Located:
    """A value and its origin.

    A mapping is a ``dict`` of `Located`, a sequence is a ``list`` of `Located`, anything else
    is the value itself. Where it is `whole`, a mapping takes the place of what it is laid over.
    Where it is `folded`, its keys come from the name of a variable, which tells neither case nor
    hyphens. `written` is the text of a value that is not read as it looks.
    """

    value: Any
    origin: Origin
    whole: bool = False
    written: str | None = None
    folded: bool = False

    def get(self, *path: str | int) -> Located | None:
        """What stands at `path`, or None."""
        here = self
        for part in path:
            try:
                here = here.value[part]
            except (KeyError, IndexError, TypeError):
                return None
            if not isinstance(here, Located):
                return None
        return here

    def origin_of(self, path: KeyPath) -> Origin:
        """The origin of the nearest thing at or above `path`."""
        for end in range(len(path), 0, -1):
            if (found := self.get(*path[:end])) is not None:
                return found.origin
        return self.origin

    def path(self, key: str) -> KeyPath | None:
        """Where a dotted key leads, or None; a name may hold dots itself."""
        if not isinstance(self.value, (dict, list)):
            return None
        parts = self.value.items() if isinstance(self.value, dict) else enumerate(self.value)
        for name, part in parts:
            if key == str(name):
                return (name,)
            if key.startswith(f"{name}."):
                inner = part.path(key.removeprefix(f"{name}."))
                if inner is not None:
                    return (name, *inner)
        return None

    def plain(self) -> Any:
        """The value without the origins: fresh containers, the same leaves."""
        if isinstance(self.value, dict):
            return {key: part.plain() for key, part in self.value.items()}
        if isinstance(self.value, list):
            return [part.plain() for part in self.value]
        return self.value

    def leaves(self, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Located]]:
        """What is not a mapping, and empty mappings, with their paths."""
        if isinstance(self.value, dict) and self.value:
            for key, part in self.value.items():
                yield from part.leaves((*path, key))
        else:
            yield path, self


def locate(value: Any, origin: Origin, _depth: int = 0) -> Located:
    """Give one origin to a plain value and all its parts.

    Parameters
    ----------
    value : object
        A plain value. Mappings and lists are taken apart, anything else is a leaf.
    origin : Origin
        Where it came from.

    Raises
    ------
    InvalidSpecError
        If the value is nested too deeply, for instance in itself, or is a number too large to
        be written.
    """
    if isinstance(value, int):
        require_writable(value, origin)
    if _depth > MAX_DEPTH:
        raise InvalidSpecError(
            f"nested more than {MAX_DEPTH} levels deep",
            remedy="a spec is flat; does the value contain itself?",
            origin=origin,
        )
    if isinstance(value, Mapping):
        return Located({k: locate(v, origin, _depth + 1) for k, v in value.items()}, origin)
    if isinstance(value, list):
        return Located([locate(v, origin, _depth + 1) for v in value], origin)
    return Located(value, origin)


def require_writable(value: object, origin: Origin, key: str | None = None) -> None:
    """Refuse an integer of more digits than Python writes: every message would fail."""
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise too_large(origin, key)


def too_large(origin: Origin, key: str | None) -> InvalidSpecError:
    """The error of a number that is larger than any that is needed."""
    return InvalidSpecError(
        f"a number of more than {MAX_BITS} bits",
        remedy="write it as text",
        origin=origin,
        key=key,
    )


def lookup(layer: Located, *path: str) -> Located | None:
    """What stands at `path`, `-` and `_` in the names being the same, as for dask."""
    here = layer
    for part in path:
        if not isinstance(here.value, dict):
            return None
        found = here.value.get(dask.config.canonical_name(part, here.value))
        if found is None and here.folded:
            found = here.value.get(part.lower().replace("-", "_"))
        if found is None:
            return None
        here = found
    return here


def merge(lower: Located, upper: Located) -> Located:
    """Lay `upper` over `lower`: mappings merge, anything else is replaced.

    Examples
    --------
    >>> low = locate({"n": 1, "t": 2}, Origin(Source.FILE, "a.yaml"))
    >>> both = merge(low, locate({"n": 3}, Origin(Source.SET, "dask.config.set")))
    >>> both.plain(), str(both.origin_of(("n",))), str(both.origin_of(("t",)))
    ({'n': 3, 't': 2}, 'dask.config.set', 'a.yaml')
    """
    if upper.whole or not (isinstance(lower.value, dict) and isinstance(upper.value, dict)):
        return upper
    merged = dict(lower.value)
    alike = {_folded(key): key for key in reversed(merged)} if upper.folded else {}
    for name, part in upper.value.items():
        key = name if name in merged else alike.get(_folded(name), name)
        merged[key] = merge(merged[key], part) if key in merged else part
    return Located(merged, upper.origin, folded=lower.folded)


def _folded(name: object) -> object:
    return name.casefold().replace("-", "_") if isinstance(name, str) else name


def dotted(path: KeyPath) -> str:
    """Write a path as users write it: ``kwargs.n_workers``."""
    return ".".join(map(str, path))
