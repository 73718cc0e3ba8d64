"""YAML and JSON text to located values, within bounds."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Hashable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import ComposerError

from dask_ctl.exceptions import DaskClusterConfigNotFound, InvalidSpecError
from dask_ctl.spec.located import (
    MAX_DEPTH,
    KeyPath,
    Located,
    Origin,
    Source,
    dotted,
    require_writable,
    too_large,
)
from dask_ctl.spec.traps import QUOTES, misread
from dask_ctl.spec.trust import distrust

# libyaml where PyYAML was built with it: about ten times faster, and the same results.
SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

ENDINGS = (".yaml", ".yml", ".json")
MAX_BYTES = 1 << 18
MAX_VALUES = 10_000
_MAX_DIGITS = 2048  # more than those of any number that may be written, in any base

# How JSON escapes a letter beyond the 65,536th, which YAML does not know.
_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][\dA-Fa-f]{2}\\u[dD][C-Fc-f][\dA-Fa-f]{2})")
_LINE_BREAK = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")
_MAP = "tag:yaml.org,2002:map"
_SEQ = "tag:yaml.org,2002:seq"
_INT = "tag:yaml.org,2002:int"
_STR = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"


def read(
    path: Path, max_bytes: int | None = MAX_BYTES, *, trusted: frozenset[int] | None = None
) -> str:
    """Read a text file, if it is a regular one of a sane size.

    Parameters
    ----------
    path : Path
        The file.
    max_bytes : int or None
        The largest size in bytes; None for no limit.
    trusted : frozenset of int, optional
        The user ids that the file may belong to, for one that nobody has named.

    Raises
    ------
    DaskClusterConfigNotFound
        If there is no such file.
    InvalidSpecError
        If it cannot be read, is no regular file, is too large, is not UTF-8 or not trusted.
    """
    try:
        # The file that is looked at is the one that is read. A pipe must not be waited for.
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _no_file(path)
            if trusted is not None and (doubt := distrust(path, trusted, file.fileno())):
                named = f"name it by its whole path if you trust it: {path.absolute()}"
                raise InvalidSpecError(
                    f"{doubt.reason}, and a spec is code",
                    remedy=doubt.or_else(named),
                    origin=path,
                )
            if max_bytes is not None and status.st_size > max_bytes:
                raise InvalidSpecError(
                    f"has {status.st_size} bytes, more than the {max_bytes} that a spec may have",
                    remedy="is it the right file?",
                    origin=path,
                )
            return file.read().decode("utf-8-sig")
    except FileNotFoundError:
        raise DaskClusterConfigNotFound("does not exist", origin=path) from None
    except UnicodeDecodeError as error:
        raise InvalidSpecError(
            f"is not UTF-8 (byte {error.start})", remedy="save it as UTF-8", origin=path
        ) from None
    except OSError as error:
        if os.path.exists(path) and not os.path.isfile(path):
            raise _no_file(path) from None  # a folder on Windows, a socket
        raise InvalidSpecError(
            f"cannot be read: {error.strerror or error}",
            remedy="check its permissions and links",
            origin=path,
        ) from None


def _no_file(path: Path) -> InvalidSpecError:
    if path.is_dir():
        return InvalidSpecError("is a directory", remedy="name the spec file in it", origin=path)
    return InvalidSpecError("is not a regular file", remedy="name a YAML or JSON file", origin=path)


def parse(text: str, place: str, source: Source, via: Origin | None = None) -> Located:
    """Parse one YAML or JSON document.

    Parameters
    ----------
    text : str
        The document.
    place : str
        What to call it in origins: the file's name.
    source : Source
        The kind of source it is.
    via : Origin, optional
        What named it.

    Raises
    ------
    InvalidSpecError
        If it is not valid YAML, has a key twice, is nested too deeply or grows too large.
    """
    return _Parser(text, place, source, via).whole()


def parse_key(text: str, key: str, place: str, source: Source) -> Located | None:
    """Parse only what stands at the top-level `key` of a document, or None if it is not there.

    Like `parse`, which it spares the work on everything else in the file.
    """
    return _Parser(text, place, source, None, whole=False).only(key)


class _Level:
    """A mapping or sequence that is being read, and where in it."""

    def __init__(self, mapping: bool) -> None:
        self.mapping, self.value_follows = mapping, False
        self.at: Any = -1

    def next(self, scalar: Any) -> None:
        if not self.mapping:
            self.at += 1
        elif not self.value_follows:
            self.at = scalar
        self.value_follows = not self.value_follows


class _Parser:
    def __init__(
        self, text: str, place: str, source: Source, via: Origin | None, *, whole: bool = True
    ) -> None:
        self.json = place.endswith(".json")
        if self.json:
            # JSON may be indented with tabs, YAML may not. No JSON string spans lines.
            text = re.sub(r"^\t+", lambda tabs: "  " * len(tabs[0]), text, flags=re.MULTILINE)
            text = _PAIR.sub(lambda pair: pair[1] + json.loads(f'"{pair[2]}"'), text)
        self.place, self.source, self.via = place, source, via
        # Aliased nodes are built once, and share; `sizes` counts as if they did not.
        self.built: dict[int, Located | None] = {}
        self.sizes: dict[int, int] = {}
        try:
            if len(text) > MAX_VALUES or _may_be_deep(text):
                self._check_bounds(text, MAX_VALUES if whole else None)
            self.loader = SafeLoader(text)
            self.root = self.loader.get_single_node()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            column = f" (column {mark.column + 1})" if mark else ""
            problem = f"not valid YAML: {error.problem}{column}"
            path = _path_of_alias(text, mark) if isinstance(error, ComposerError) else ()
            remedy = QUOTES if re.search("escape|hexd", str(error.problem)) else "mend the file"
            lines = _LINE_BREAK.split(text)[mark.line :] if mark else []
            if lines and lines[0].lstrip(" ").startswith("\t"):
                remedy = "indent with spaces: YAML takes no tabs there"
            raise self._error(mark, problem, remedy, path) from None
        except yaml.YAMLError as error:
            line = " ".join(str(error).splitlines()[:1])
            raise self._error(None, f"not valid YAML: {line}") from None

    def whole(self) -> Located:
        if self.root is None:
            return Located(None, self._origin(None))
        return self._build(self.root, ())

    def only(self, key: str) -> Located | None:
        if not isinstance(self.root, yaml.MappingNode):
            return None
        found = [
            (name, value)
            for name, value in self.root.value
            if isinstance(name, yaml.ScalarNode) and name.value == key
        ]
        if len(found) > 1:
            raise self._twice(found[0][0], found[1][0], (key,))
        return self._build(found[0][1], (key,), found[0][0]) if found else None

    def _check_bounds(self, text: str, most: int | None) -> None:
        # The composer recurses, in C with libyaml, so a deep document must not reach it.
        for count, (event, path) in enumerate(_nodes(text)):
            if count == most:
                raise self._many(event.start_mark, path[:3])
            if isinstance(event, yaml.CollectionStartEvent) and len(path) == MAX_DEPTH:
                raise self._error(
                    event.start_mark,
                    f"nested more than {MAX_DEPTH} levels deep",
                    "a spec is flat; is it the right file?",
                    path[:3],
                )

    def _origin(self, mark: Any) -> Origin:
        return Origin(self.source, self.place, mark.line + 1 if mark else None, self.via)

    def _error(
        self, mark: Any, problem: str, remedy: str = "mend the file", path: KeyPath = ()
    ) -> InvalidSpecError:
        return InvalidSpecError(
            problem, remedy=remedy, origin=self._origin(mark), key=dotted(path) or None
        )

    def _many(self, mark: Any, path: KeyPath) -> InvalidSpecError:
        problem = f"holds more than {MAX_VALUES} values"
        return self._error(mark, problem, "is it the right file, and do aliases repeat?", path)

    def _twice(self, first: yaml.Node, second: yaml.Node, path: KeyPath) -> InvalidSpecError:
        lines = f"{first.start_mark.line + 1} and {second.start_mark.line + 1}"
        problem = f"given twice, in lines {lines}"
        return self._error(second.start_mark, problem, "keep one of the two", path)

    def _build(self, node: yaml.Node, path: KeyPath, at: yaml.Node | None = None) -> Located:
        """Build a node; `at` is the key in front of it, whose line is the value's too."""
        if id(node) in self.built:
            known = self.built[id(node)]
            if known is None:
                raise self._error(
                    node.start_mark, "contains itself", "write the values out", path[:-1]
                )
            return known
        self.built[id(node)] = None
        origin = self._origin((at or node).start_mark)
        value: Any
        written = None
        parts: list[Located] = []
        if isinstance(node, yaml.MappingNode) and node.tag == _MAP:
            value = self._mapping(node, path)
            parts = list(value.values())
        elif isinstance(node, yaml.SequenceNode) and node.tag == _SEQ:
            value = parts = [self._build(part, (*path, i)) for i, part in enumerate(node.value)]
        else:
            value = self._scalar(node, path)
            require_writable(value, origin, dotted(path))
            if not self.json and isinstance(node, yaml.ScalarNode) and not node.style:
                written = node.value if misread(node.value, value) else None
        built = Located(value, origin, written=written)
        size = 1 + sum(self.sizes[id(part)] for part in parts)
        if size > MAX_VALUES:
            raise self._many(node.start_mark, path)
        self.built[id(node)], self.sizes[id(built)] = built, size
        return built

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[Any, Located]:
        own: dict[Any, Located] = {}
        merged: dict[Any, Located] = {}
        seen: dict[Any, yaml.Node] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                for key, part in self._merged(value_node, path):
                    merged.setdefault(key, part)  # the first of a list of mappings wins
                continue
            key = self._scalar(key_node, path)
            if not isinstance(key, Hashable):
                raise self._error(key_node.start_mark, "a key must be a plain value", path=path)
            if key in seen:
                raise self._twice(seen[key], key_node, (*path, str(key)))
            seen[key] = key_node
            own[key] = self._build(value_node, (*path, str(key)), key_node)
        return {**merged, **own}

    def _merged(self, node: yaml.Node, path: KeyPath) -> list[tuple[Any, Located]]:
        built = self._build(node, (*path, "<<"))
        maps = built.value if isinstance(built.value, list) else [built]
        if not all(isinstance(part.value, dict) for part in maps):
            problem = "'<<' takes a mapping, or a list of mappings"
            raise self._error(node.start_mark, problem, path=path)
        return [pair for part in maps for pair in part.value.items()]

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        if node.tag == _INT and len(node.value) > _MAX_DIGITS:  # read in quadratic time
            raise too_large(self._origin(node.start_mark), dotted(path))
        try:
            if self.json and isinstance(node, yaml.ScalarNode) and not node.style:
                with suppress(ValueError):
                    return json.loads(node.value)  # 1e3 is a number there, text in YAML
            if node.tag == _STR and isinstance(node, yaml.ScalarNode):
                return node.value  # what all that follows comes to, for most of them
            return self.loader.construct_object(node, deep=True)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or node.start_mark
            raise self._error(mark, f"not valid YAML: {error.problem}", path=path) from None
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            problem = f"not a valid value: {error}"
            raise self._error(node.start_mark, problem, path=path) from None


def _nodes(text: str) -> Iterator[tuple[yaml.NodeEvent, KeyPath]]:
    """The nodes of a document as they come, and where each stands."""
    levels: list[_Level] = []
    for event in yaml.parse(text, Loader=SafeLoader):
        if isinstance(event, yaml.CollectionEndEvent):
            levels.pop()
        elif isinstance(event, yaml.NodeEvent):
            if levels:
                levels[-1].next(getattr(event, "value", None))
            yield event, tuple(level.at for level in levels)
            if isinstance(event, yaml.CollectionStartEvent):
                levels.append(_Level(isinstance(event, yaml.MappingStartEvent)))


def _path_of_alias(text: str, mark: Any) -> KeyPath:
    """Where the alias at a mark stands, for there is no node of what it names."""
    with suppress(yaml.YAMLError):  # of what follows
        for event, path in _nodes(text):
            start: Any = event.start_mark
            alias = isinstance(event, yaml.AliasEvent)
            if alias and (start.line, start.column) == (mark.line, mark.column):
                return path
    return ()


def _may_be_deep(text: str) -> bool:
    """Whether a text may be nested deeper than is allowed, as far as can be told at a glance.

    A block begins at a column of its own, after blanks and the marks of sequences and keys, but
    for a sequence at the column of its key. Others have a bracket each.
    """
    runs = re.findall(r"(?:^|[\r\x85\u2028\u2029])([ \t?:-]+)", text, re.MULTILINE)
    indented = max(map(len, runs), default=0)
    return 2 * (indented + 1) + text.count("[") + text.count("{") >= MAX_DEPTH
