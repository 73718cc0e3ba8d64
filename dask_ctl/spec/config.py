"""The `ctl` namespace of dask's configuration, as layers that know where they came from.

dask merges its sources into one tree, which tells neither where a value came from nor, since a
mapping of a low source beats a string of a high one there, always which value has precedence.
So the sources are read one by one, and the tree only tells what was set in code.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import dask.config

from dask_ctl.spec.checks import is_set, names_target
from dask_ctl.spec.defaults import AT_IMPORT, DEFAULTS, KEYS, NAMESPACE, Snapshot, value_at
from dask_ctl.spec.document import parse_key, read
from dask_ctl.spec.located import Located, Origin, Source, locate, lookup, merge
from dask_ctl.spec.shape import no_mapping
from dask_ctl.spec.values import interpret

_IN_CODE: Final = Origin(Source.SET, "dask.config.set")
BY_PACKAGES: Final = Origin(Source.CONFIG, "dask.config.update_defaults")
_PREFIX: Final = "DASK_"
_INHERITED: Final = "DASK_INTERNAL_INHERIT_CONFIG"


def collect(
    env: Mapping[str, str] | None = None,
    paths: Sequence[str] | None = None,
    namespace: str = NAMESPACE,
) -> list[Located]:
    """Read what the environment and the YAML files say, source by source.

    Parameters
    ----------
    env : mapping, optional
        The environment; by default that of the process, as it is now.
    paths : sequence of str, optional
        The files and folders to search; by default `dask.config.paths`.
    namespace : str
        Which part of the configuration.

    Returns
    -------
    layers : list of Located
        That mapping of each source that has one, the highest precedence first.

    Raises
    ------
    InvalidSpecError
        If a file or a variable cannot be understood.
    """
    env = os.environ if env is None else env
    paths = dask.config.paths if paths is None else paths
    files = reversed(list(_files(paths, namespace)))
    return [*_environment(env, namespace), *files, *_defaults(namespace)]


def _files(paths: Sequence[str], namespace: str) -> Iterator[Located]:
    for path in _yaml_files(paths):
        if not os.path.isfile(path) or not os.access(path, os.R_OK):
            continue  # as dask does: what it cannot read does not count
        text = read(Path(path), max_bytes=None)
        if namespace not in text:
            continue
        layer = parse_key(text, namespace, path, Source.CONFIG)
        if layer is not None and layer.value is not None:
            yield _as_namespace(layer, namespace)


def _defaults(name: str) -> Iterator[Located]:
    """What packages have given as defaults of theirs, but for our own; their null is no wish."""
    for given in reversed(dask.config.defaults):
        namespace = given.get(name)
        if given is not DEFAULTS and namespace is not None:
            layer = locate(namespace, BY_PACKAGES)
            if isinstance(layer.value, dict):
                layer = replace(
                    layer, value={k: part for k, part in layer.value.items() if is_set(part)}
                )
            yield _as_namespace(layer, name)


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


def _as_namespace(layer: Located, name: str) -> Located:
    if not isinstance(layer.value, dict):
        raise no_mapping(layer, name, f"known keys: {', '.join(KEYS)}")
    return layer


def _environment(env: Mapping[str, str], namespace: str) -> Iterator[Located]:
    """The layers of the environment: deeper variables lie over shallower ones."""
    by_depth: dict[int, Located] = {}
    for name in sorted(name for name in env if name.startswith(_PREFIX) and name != _INHERITED):
        path = name[len(_PREFIX) :].lower().replace("__", ".").split(".")
        # Of a whole key, an empty text means to a shell that it is unset.
        if path[0] != namespace or (len(path) <= 2 and not env[name].strip()):  # noqa: PLR2004
            continue
        origin = Origin(Source.ENVIRONMENT, name)
        layer = locate(interpret(env[name], origin), origin)
        for part in reversed(path[1:]):
            layer = Located({part: layer}, origin, folded=True)
        # Everything below `ctl.cluster-spec` is one layer, so that two variables for module
        # and class make a full spec.
        depth = min(len(path), 3)
        by_depth[depth] = merge(by_depth[depth], layer) if depth in by_depth else layer
    for depth in sorted(by_depth, reverse=True):
        if by_depth[depth].value is not None:
            yield _as_namespace(by_depth[depth], namespace)
    if _INHERITED in env:
        inherited = dask.config.deserialize(env[_INHERITED]).get(namespace)
        if isinstance(inherited, dict):
            # A whole tree with its defaults: its null is nobody's wish.
            given = {key: value for key, value in inherited.items() if value is not None}
            yield locate(given, Origin(Source.ENVIRONMENT, _INHERITED))


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


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What dask's configuration says in the `ctl` namespace.

    Parameters
    ----------
    layers : tuple of Located
        The environment and the YAML files, the highest precedence first.
    set_in_code : mapping
        For each key what code has changed.
    scheduler : Located, optional
        The address of the scheduler that ``Client()`` would connect to.
    paths : tuple of str
        The files and folders that dask searches.
    """

    layers: tuple[Located, ...] = ()
    set_in_code: Mapping[str, Change | None] = field(default_factory=dict)
    scheduler: Located | None = None
    paths: tuple[str, ...] = ()

    @classmethod
    def here(cls) -> Configuration:
        """That of this process, read now."""
        layers = collect()
        return cls(
            layers=tuple(layers),
            set_in_code=changes_in_code(layers),
            scheduler=_scheduler(),
            paths=tuple(dask.config.paths),
        )

    def unreadable(self) -> list[str]:
        """The files and folders that are there and cannot be read: dask passes over them."""
        found = [*self.paths, *_yaml_files(self.paths)]
        return [path for path in found if os.path.exists(path) and not os.access(path, os.R_OK)]

    def at(self, key: str) -> Iterator[Located]:
        """What each source gives at a key, from the highest; `whole` is what code gave whole."""
        change = self.set_in_code.get(key)
        if change is not None:
            yield replace(change.layer, whole=change.whole)
        for layer in self.layers:
            found = lookup(layer, key)
            if found is not None:
                yield found

    def named(self, name: str) -> Iterator[Located]:
        """The same for one of the `cluster-specs`."""
        for found in self.at("cluster-specs"):
            if found.value is not None and not isinstance(found.value, dict):
                raise no_mapping(found, "ctl.cluster-specs", "write NAME: {module: ..., ...}")
            spec = lookup(found, name)
            if spec is not None:
                in_code = found.origin.source is Source.SET
                full = in_code and isinstance(spec.value, dict) and names_target(spec)
                yield replace(spec, whole=found.whole or full)
            if found.whole or found.value is None:
                return

    def names(self) -> Iterator[tuple[str, Origin]]:
        """The names of the `cluster-specs`, and where they stand."""
        for found in self.at("cluster-specs"):
            if isinstance(found.value, dict):
                yield from ((str(name), part.origin) for name, part in found.value.items())
            if found.whole or found.value is None:
                return


def _scheduler() -> Located | None:
    """What is at ``scheduler-address``, which somebody has handed out."""
    address, name = dask.config.get("scheduler-address", default=None), "DASK_SCHEDULER_ADDRESS"
    if not address or not isinstance(address, str):
        return None
    by_variable = os.environ.get(name) == address
    config = Origin(Source.CONFIG, "scheduler-address of dask's configuration")
    return Located(address, Origin(Source.ENVIRONMENT, name) if by_variable else config)


class Baseline(NamedTuple):
    """The tree as dask's sources made it, from which to tell what code has set since.

    Parameters
    ----------
    snapshot : Snapshot
        The tree at a moment.
    expected : mapping
        For each key what the sources alone gave.
    pure : frozenset of str
        The keys at which nothing else stood at that moment.
    """

    snapshot: Snapshot
    expected: Mapping[str, Any]
    pure: frozenset[str]

    @classmethod
    def of(cls, snapshot: Snapshot, layers: Sequence[Located]) -> Baseline:
        """The baseline of a snapshot, `layers` being what the sources say."""
        expected: dict[str, Any] = {}
        pure: set[str] = set()
        made: list[Mapping[str, Any]] = []
        for key, copy in snapshot.copies.items():
            given = [part for layer in layers if (part := lookup(layer, key)) is not None]
            if len(given) <= 1 and _same(
                copy, given[0].plain() if given else DEFAULTS[NAMESPACE][key]
            ):
                expected[key] = copy
                pure.add(key)
                continue
            # What dask makes of several is its own business, and differs between its versions.
            made = made or [dask_makes(snapshot.env), dask_makes(os.environ)]
            candidates = [value_at(tree, key) for tree in made]
            if any(_same(copy, each) for each in candidates) or _is_default(snapshot, key):
                expected[key] = copy
                pure.add(key)
            else:
                expected[key] = candidates[-1]
        return cls(snapshot, expected, frozenset(pure))

    def change(self, key: str) -> Change | None:
        """What code has done to a key since, or None."""
        now, expected = value_at(dask.config.config, key), self.expected[key]
        untouched = key in self.pure and now is self.snapshot.values[key]
        if key in self.pure and not untouched:
            return Change(locate(now, _IN_CODE), whole=True)
        if _same(now, expected):
            return None
        if isinstance(now, Mapping) and isinstance(expected, Mapping):
            # The same mapping can only have been changed by a nested set. Of another one the
            # same keys and the same class say so.
            nested = _changed_leaves(now, expected)
            alike = all(now.get(part) == expected.get(part) for part in ("module", "class"))
            if untouched or (alike and not nested.whole):
                return Change(nested, whole=False)
        return Change(locate(now, _IN_CODE), whole=True)


def dask_makes(env: Mapping[str, str]) -> dict[str, Any]:
    """The tree that dask makes of its defaults, its files and an environment."""
    tree: dict[str, Any] = {}
    dask.config.refresh(config=tree, env=env)
    return tree


def changes_in_code(layers: Sequence[Located]) -> dict[str, Change | None]:
    """What code has set, key by key.

    Parameters
    ----------
    layers : sequence of Located
        What the sources say now.
    """
    global _baseline  # noqa: PLW0603 -- what dask's tree is compared with, as that is global
    if _baseline is None:
        _baseline = Baseline.of(AT_IMPORT, layers)
    if dask.config.config.get(NAMESPACE) is not _baseline.snapshot.namespace:
        _baseline = Baseline.of(Snapshot.take(), layers)  # dask has read its sources again
    return {key: _baseline.change(key) for key in KEYS}


_baseline: Baseline | None = None


def _is_default(snapshot: Snapshot, key: str) -> bool:
    """Whether our default has just taken the place of what was there.

    dask lets a mapping replace a text, and a null the default of a package that came before.
    """
    return snapshot is AT_IMPORT and _same(snapshot.copies[key], DEFAULTS[NAMESPACE][key])


def _same(a: Any, b: Any) -> bool:
    """Equality of configuration: 1 is not True, and other objects are themselves."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_same(value, b[key]) for key, value in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    plain = isinstance(a, (str, bytes, int, float)) or type(a).__module__ == "datetime"
    return a is b or (plain and type(a) is type(b) and a == b)


def _changed_leaves(now: Mapping[str, Any], expected: Mapping[str, Any]) -> Located:
    """The leaves that differ; of a mapping that lost a key, which no nested set does, all."""
    if expected.keys() - now.keys():
        return replace(locate(now, _IN_CODE), whole=True)
    changed: dict[str, Located] = {}
    for key, value in now.items():
        before = expected.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            inner = _changed_leaves(value, before)
            if inner.whole or inner.value:
                changed[key] = inner
        elif key not in expected or not _same(value, before):
            changed[key] = replace(locate(value, _IN_CODE), whole=True)
    return Located(changed, _IN_CODE)
