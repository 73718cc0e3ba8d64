"""The `ctl` namespace of dask's configuration, as layers that know where they came from.

dask merges its sources into one tree, which tells neither where a value came from nor, since a
mapping of a low source beats a string of a high one there, always which value has precedence.
So the sources are read one by one, and the tree only tells what was set in code.
"""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import dask.config

from dask_ctl.exceptions import InvalidSpecError
from dask_ctl.spec.defaults import AT_IMPORT, KEYS, NAMESPACE, Snapshot, value_at
from dask_ctl.spec.document import parse_key, read
from dask_ctl.spec.located import Located, Origin, Source, locate, merge

_IN_CODE: Final = Origin(Source.SET, "dask.config.set")
_PREFIX: Final = "DASK_"
_INHERITED: Final = "DASK_INTERNAL_INHERIT_CONFIG"


def collect(
    env: Mapping[str, str] | None = None, paths: Sequence[str] | None = None
) -> list[Located]:
    """Read what the environment and the YAML files say, source by source.

    Parameters
    ----------
    env : mapping, optional
        The environment; by default that of the process, as it is now.
    paths : sequence of str, optional
        The files and folders to search; by default `dask.config.paths`.

    Returns
    -------
    layers : list of Located
        The `ctl` mapping of each source that has one, the highest precedence first.

    Raises
    ------
    InvalidSpecError
        If a file or a variable cannot be understood.
    """
    env = os.environ if env is None else env
    paths = dask.config.paths if paths is None else paths
    return [*_environment(env), *reversed(list(_files(paths)))]


def lookup(layer: Located, *path: str) -> Located | None:
    """What stands at `path`, `-` and `_` in the names being the same, as for dask."""
    here = layer
    for part in path:
        if not isinstance(here.value, dict):
            return None
        found = here.value.get(dask.config.canonical_name(part, here.value))
        if found is None:
            return None
        here = found
    return here


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


def _files(paths: Sequence[str]) -> Iterator[Located]:
    for path in _yaml_files(paths):
        if not os.path.isfile(path) or not os.access(path, os.R_OK):
            continue  # as dask does: what it cannot read does not count
        text = read(Path(path), max_bytes=None)
        if NAMESPACE not in text:
            continue
        layer = parse_key(text, NAMESPACE, path, Source.CONFIG)
        if layer is not None and layer.value is not None:
            yield _as_namespace(layer)


def _yaml_files(paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        if os.path.isdir(path):
            try:
                names = os.listdir(path)
            except OSError:
                continue
            files = [os.path.join(path, name) for name in names]
            endings = (".json", ".yaml", ".yml")
            yield from sorted(file for file in files if file.lower().endswith(endings))
        elif os.path.exists(path):
            yield path


def _as_namespace(layer: Located) -> Located:
    if not isinstance(layer.value, dict):
        raise InvalidSpecError(
            f"must be a mapping, not {layer.value!r}",
            remedy=f"known keys: {', '.join(KEYS)}",
            origin=layer.origin,
            key=NAMESPACE,
        )
    return layer


def _environment(env: Mapping[str, str]) -> Iterator[Located]:
    """The layers of the environment: deeper variables lie over shallower ones."""
    by_depth: dict[int, Located] = {}
    for name in sorted(env):
        if name == _INHERITED or not name.startswith(_PREFIX):
            continue
        path = name[len(_PREFIX) :].lower().replace("__", ".").split(".")
        if path[0] != NAMESPACE:
            continue
        origin = Origin(Source.ENVIRONMENT, name)
        layer = locate(interpret(env[name], origin), origin)
        for part in reversed(path[1:]):
            layer = Located({part: layer}, origin)
        # Everything below `ctl.cluster-spec` is one layer, so that two variables for module
        # and class make a full spec.
        depth = min(len(path), 3)
        by_depth[depth] = merge(by_depth[depth], layer) if depth in by_depth else layer
    for depth in sorted(by_depth, reverse=True):
        if by_depth[depth].value is not None:
            yield _as_namespace(by_depth[depth])
    if _INHERITED in env:
        inherited = dask.config.deserialize(env[_INHERITED]).get(NAMESPACE)
        if isinstance(inherited, dict):
            # A whole tree with its defaults: its null is nobody's wish.
            given = {key: value for key, value in inherited.items() if value is not None}
            yield locate(given, Origin(Source.ENVIRONMENT, _INHERITED))


def interpret(text: str, origin: Origin) -> Any:
    """Read a variable as dask does, and JSON as well."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    words = {"none": None, "null": None, "false": False, "true": True}
    if text.lower() in words:
        return words[text.lower()]
    found = _json(text)
    if found is None and text.lstrip().startswith("{"):
        raise InvalidSpecError(
            "is neither a mapping in Python syntax nor one in JSON",
            remedy="check its quotes, commas and braces",
            origin=origin,
        )
    return text if found is None else found


def _json(text: str) -> Any:
    """The mapping or list that a text holds, or None."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


@dataclass(frozen=True)
class Change:
    """What code did to one key with `dask.config.set`.

    Parameters
    ----------
    layer : Located
        The new value, or the leaves of a mapping that a nested set changed.
    whole : bool
        Whether all of the value was given.
    """

    layer: Located
    whole: bool


@dataclass(frozen=True)
class Baseline:
    """The `ctl` tree as dask's sources made it, from which to tell what code has set since.

    Parameters
    ----------
    namespace : object
        The very mapping in `dask.config.config`; a refresh makes another.
    values : mapping
        For each key the very object that stood there, if the sources gave it.
    expected : mapping
        For each key what the sources gave.
    """

    namespace: Any
    values: Mapping[str, Any]
    expected: Mapping[str, Any]

    @classmethod
    def of(cls, snapshot: Snapshot, layers: Sequence[Located]) -> Baseline:
        """The baseline of a tree, `layers` being what the sources said then."""
        values, expected = {}, {}
        for key, copy in snapshot.copies.items():
            candidates = _dask_merges(layers, key)
            if any(_same(copy, candidate) for candidate in candidates):
                values[key], expected[key] = snapshot.values[key], copy
            else:
                expected[key] = candidates[0]
        return cls(snapshot.namespace, values, expected)

    def change(self, tree: Mapping[str, Any], key: str, layers: Sequence[Located]) -> Change | None:
        """What code has done to `key` since, or None.

        Parameters
        ----------
        tree : mapping
            `dask.config.config`.
        key : str
            One of `KEYS`.
        layers : sequence of Located
            What the sources say now, for a tree that dask has refreshed since.
        """
        now, expected = value_at(tree, key), self.expected[key]
        same_object = False
        if tree.get(NAMESPACE) is self.namespace:
            if key in self.values:
                same_object = now is self.values[key]
                if not same_object:
                    return Change(locate(now, _IN_CODE), whole=True)
        else:
            candidates = _dask_merges(layers, key)
            expected = next((c for c in candidates if _same(now, c)), candidates[0])
        if _same(now, expected):
            return None
        if isinstance(now, Mapping) and isinstance(expected, Mapping):
            # The same mapping can only have been changed by a nested set. Of another one the
            # same keys and the same class say so.
            nested = _changed_leaves(now, expected)
            alike = all(now.get(part) == expected.get(part) for part in ("module", "class"))
            if same_object or (alike and not nested.whole):
                return Change(nested, whole=False)
        return Change(locate(now, _IN_CODE), whole=True)


def _dask_merges(layers: Sequence[Located], key: str) -> list[Any]:
    """What dask's tree may hold at `key`: its merging has changed over the versions."""
    given = [part.plain() for layer in layers if (part := lookup(layer, key)) is not None]
    since: dict[str, Any] = {}  # 2026.3: from the highest down
    for value in given:
        dask.config.update(since, {key: value}, priority="old")
    before: dict[str, Any] = {}  # 2026.1: from the lowest up
    for value in reversed(given):
        dask.config.update(before, {key: value})
    return [since.get(key), before.get(key)]


def _same(a: Any, b: Any) -> bool:
    """Equality of configuration: empty is null, `-` is `_`, and other objects are themselves."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        b = {str(key).replace("_", "-"): value for key, value in b.items()}
        a = {str(key).replace("_", "-"): value for key, value in a.items()}
        return a.keys() == b.keys() and all(_same(value, b[key]) for key, value in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if _is_empty(a) and _is_empty(b):
        return True
    if isinstance(a, str) and isinstance(b, (Mapping, list)) and _json(a) is not None:
        return _same(_json(a), b)  # dask keeps a variable in JSON as it is
    plain = isinstance(a, (str, bytes, int, float)) or type(a).__module__ == "datetime"
    return a is b or (plain and type(a) is type(b) and repr(a) == repr(b))


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, Mapping) and not value)


def _changed_leaves(now: Mapping[str, Any], expected: Mapping[str, Any]) -> Located:
    """The leaves that differ; of a mapping that lost a key, which no nested set does, all."""
    names = {key: dask.config.canonical_name(key, dict(expected)) for key in now}
    if expected.keys() - set(names.values()):
        return replace(locate(now, _IN_CODE), whole=True)
    changed: dict[str, Located] = {}
    for key, value in now.items():
        before = expected.get(names[key])
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            inner = _changed_leaves(value, before)
            if inner.whole or inner.value:
                changed[key] = inner
        elif names[key] not in expected or not _same(value, before):
            changed[key] = replace(locate(value, _IN_CODE), whole=True)
    return Located(changed, _IN_CODE)


def changes_in_code(layers: Sequence[Located]) -> dict[str, Change | None]:
    """What code has set, key by key.

    Parameters
    ----------
    layers : sequence of Located
        What the sources say now.
    """
    global _baseline  # noqa: PLW0603 -- what dask's tree is compared with, as that is global
    tree = dask.config.config
    if _baseline is None:
        _baseline = Baseline.of(AT_IMPORT, collect(env=AT_IMPORT.env))
    changes = {key: _baseline.change(tree, key, layers) for key in KEYS}
    if tree.get(NAMESPACE) is not _baseline.namespace:
        _baseline = Baseline.of(Snapshot.take(), layers)  # dask has read its sources again
    return changes


_baseline: Baseline | None = None
