"""From sources to one spec: the cascade.

Pure: the configuration, the folders and the environment come in as arguments.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import dask.config

from dask_ctl.exceptions import (
    DaskClusterConfigNotFound,
    InvalidSpecError,
    Problem,
)
from dask_ctl.spec import config
from dask_ctl.spec.defaults import DEFAULTS, NAMESPACE
from dask_ctl.spec.keys import (
    build,
    check_layer,
    did_you_mean,
    is_set,
    keyword_names,
    names_target,
)
from dask_ctl.spec.located import KeyPath, Located, Origin, Source, dotted, locate, merge
from dask_ctl.spec.places import FILE_NAME, Places, is_path
from dask_ctl.spec.resolved import Overridden, ResolvedSpec

FALLBACK: Final = {"module": "dask.distributed", "class": "LocalCluster"}


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What dask's configuration says in the `ctl` namespace.

    Parameters
    ----------
    layers : tuple of Located
        The environment and the YAML files, the highest precedence first.
    set_in_code : mapping
        For each key what code has changed.
    """

    layers: tuple[Located, ...] = ()
    set_in_code: Mapping[str, config.Change | None] = field(default_factory=dict)

    @classmethod
    def here(cls) -> Configuration:
        """That of this process, read now."""
        layers = config.collect()
        return cls(layers=tuple(layers), set_in_code=config.changes_in_code(layers))

    def at(self, key: str) -> Iterator[tuple[Located, bool]]:
        """What each source gives at a key, from the highest, and if code gave it whole."""
        change = self.set_in_code.get(key)
        if change is not None:
            yield change.layer, change.whole
        for layer in self.layers:
            found = config.lookup(layer, key)
            if found is not None:
                yield found, False

    def named(self, name: str) -> Iterator[tuple[Located, bool]]:
        """The same for one of the `cluster-specs`."""
        for found, replaced in self.at("cluster-specs"):
            spec = config.lookup(found, name)
            if spec is not None:
                in_code = found.origin.source is Source.SET
                yield spec, replaced or (in_code and {"module", "class"} <= spec.plain().keys())
            if replaced:
                return


def resolve(
    spec: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    local_fallback: bool = False,
    overrides: Sequence[Located] = (),
    asked_by: str = "create_cluster(...)",
    configuration: Configuration | None = None,
    places: Places | None = None,
) -> ResolvedSpec:
    """Find out which cluster is meant.

    Parameters
    ----------
    spec : str, path or mapping, optional
        The argument of `create_cluster`: the highest source.
    local_fallback : bool
        Whether a LocalCluster will do where nothing is found.
    overrides : sequence of Located
        Partial specs laid over everything else, each over those before it.
    asked_by : str
        What to call the argument in messages.
    configuration : Configuration, optional
        By default that of the process.
    places : Places, optional
        By default those of the process.

    Raises
    ------
    DaskClusterConfigNotFound
        If there is no spec.
    InvalidSpecError
        If a spec that takes part is wrong.
    """
    configuration = configuration or Configuration.here()
    cascade = _Cascade(configuration, places or Places.here(), local_fallback)
    return cascade.resolve(spec, Origin(Source.ARGUMENT, asked_by), overrides)


@dataclass(frozen=True)
class _Layer:
    """A checked part of the cascade, and how it treats what is below it."""

    tree: Located
    final: bool  # nothing below it counts
    leaf_only: bool = False  # a nested set, which changes its leaf and nothing else


class _Cascade:
    def __init__(self, configuration: Configuration, places: Places, fallback: bool) -> None:
        self.configuration, self.places, self.fallback = configuration, places, fallback
        self.overridden: list[Overridden] = []
        self.warnings: list[Problem] = []

    def resolve(
        self, argument: Any, asked_by: Origin, overrides: Sequence[Located]
    ) -> ResolvedSpec:
        tree = self._merged(list(self._layers(argument, asked_by)))
        tree = self._with_cluster_kwargs(tree)
        for override in overrides:
            checked = check_layer(override, in_file=False)
            tree = self._laid_over(tree, _Layer(checked, final=False, leaf_only=True))
        return replace(
            ResolvedSpec.of(tree),
            overridden=tuple(self.overridden),
            warnings=(*self._unknown_keys(), *self.warnings, *_yaml_traps(tree)),
        )

    # -- from the highest source to the lowest ------------------------------------------

    def _layers(self, argument: Any, asked_by: Origin) -> Iterator[_Layer]:
        sources = self._sources(argument, asked_by)
        for source, in_code in sources:
            layer = self._layer(source, in_code)
            if layer is None:
                break
            yield layer
            if layer.final:
                self._note_lower(sources, layer.tree.origin)
                return
        if self.fallback:
            tree = locate(FALLBACK, Origin(Source.FALLBACK, "local_fallback=True"))
            yield _Layer(tree, final=True)

    def _sources(self, argument: Any, asked_by: Origin) -> Iterator[tuple[Located, bool]]:
        """What each source gives, from the highest, and whether it was given whole in code."""
        if argument is not None:
            plain = os.fspath(argument) if isinstance(argument, os.PathLike) else argument
            if isinstance(argument, os.PathLike) and not is_path(str(plain)):
                plain = os.path.join(os.curdir, plain)
            yield locate(plain, asked_by), True
        unset: Origin | None = None
        for found, in_code in self.configuration.at("cluster-spec"):
            if unset is not None:
                self.overridden.append(Overridden(found.origin, unset, "unset by null"))
            elif found.value is None:
                unset = found.origin
            else:
                yield found, in_code
        for place in self.places.folders:
            path = place / FILE_NAME
            if os.path.lexists(path):
                yield Located(path, Origin(Source.FILE, self.places.show(path))), False

    def _layer(self, source: Located, in_code: bool) -> _Layer | None:
        """Check what a source gives; None if it names a spec that falls back."""
        if isinstance(source.value, Path):
            if source.value.parent == self.places.cwd:
                self.places.require_trust(source.value)
            tree = self.places.load(source.value, None)
            return _Layer(tree, final=names_target(tree))
        if isinstance(source.value, str):
            tree_or_none = self._named(source)
            return None if tree_or_none is None else _Layer(tree_or_none, final=True)
        if not isinstance(source.value, dict):
            raise InvalidSpecError(
                f"must be a path, a name or a mapping, not {source.value!r}",
                remedy="see the documentation of specs",
                origin=source.origin,
                key=None if source.origin.source is Source.ARGUMENT else "ctl.cluster-spec",
            )
        tree = check_layer(source, in_file=False)
        leaf_only = tree.origin.source is Source.SET and not in_code
        return _Layer(tree, final=in_code and names_target(tree), leaf_only=leaf_only)

    def _note_lower(self, sources: Iterator[tuple[Located, bool]], by: Origin) -> None:
        by = by.via or by
        for lower, _ in sources:
            self.overridden.append(Overridden(lower.origin, by, "replaced by a higher source"))

    # -- from the lowest layer to the highest --------------------------------------------

    def _merged(self, layers: Sequence[_Layer]) -> Located:
        if not layers:
            raise self._not_found()
        merged = layers[-1].tree
        for layer in reversed(layers[:-1]):
            merged = self._laid_over(merged, layer)
        if "module" not in merged.value and "class" not in merged.value:
            raise self._not_found(merged)
        return merged

    def _laid_over(self, lower: Located, layer: _Layer) -> Located:
        upper = layer.tree
        before, after = _target(lower), _target(merge(lower, upper))
        if before not in (after, (None, None)) and not layer.leaf_only:
            target = {k: v for k, v in lower.value.items() if k in ("module", "class")}
            dropped = [key for key in lower.value if key not in ("version", "module", "class")]
            reason = "another class, so its " + ", ".join(dropped) + " do not apply"
            self.overridden.append(
                Overridden(
                    lower.origin, upper.origin, reason if dropped else "another class is named"
                )
            )
            lower = Located(target, lower.origin)
        for key, other in (("scale", "adapt"), ("adapt", "scale")):
            if is_set(upper.value.get(key)) and is_set(lower.value.get(other)):
                origin = lower.value[other].origin
                self.overridden.append(
                    Overridden(origin, upper.value[key].origin, f"'{other}' gives way to '{key}'")
                )
                lower = Located({k: v for k, v in lower.value.items() if k != other}, lower.origin)
        return merge(lower, upper)

    def _with_cluster_kwargs(self, tree: Located) -> Located:
        given: list[Located] = []
        for found, in_code in self.configuration.at("cluster-kwargs"):
            if found.value is None:
                break
            given.append(keyword_names("ctl.cluster-kwargs", found))
            if in_code:
                break
        for layer in reversed(given):
            over = Located({"kwargs": layer}, tree.origin)
            checked = check_layer(over, in_file=False)
            tree = Located(merge(tree, checked).value, tree.origin)
        return tree

    # -- specs elsewhere -----------------------------------------------------------------

    def _named(self, source: Located) -> Located | None:
        """The spec that a string names; None if it does not exist and falls back."""
        text = source.value
        if not text.strip():
            raise InvalidSpecError(
                "is empty", remedy="name a spec, or unset it", origin=source.origin
            )
        try:
            if not is_path(text):
                inline = self._from_cluster_specs(text, source.origin)
                if inline is not None:
                    return inline
            return self._complete(
                self.places.load(self.places.find(text, source.origin), source.origin)
            )
        except DaskClusterConfigNotFound:
            if not self.fallback:
                raise
            self.warnings.append(
                Problem(
                    severity="warning",
                    summary=f"{text!r} does not exist",
                    remedy="using a LocalCluster instead",
                    origin=source.origin,
                )
            )
            self.overridden.append(
                Overridden(
                    source.origin,
                    Origin(Source.FALLBACK, "local_fallback=True"),
                    f"{text!r} does not exist",
                )
            )
            return None

    def _from_cluster_specs(self, name: str, asked_by: Origin) -> Located | None:
        layers: list[_Layer] = []
        for found, in_code in self.configuration.named(name):
            if found.value is None:
                break
            via = _via(found, asked_by)
            if not isinstance(via.value, dict):
                raise InvalidSpecError(
                    f"must be a mapping, not {via.value!r}",
                    remedy="write the spec inline, or name a file in ctl.cluster-spec",
                    origin=via.origin,
                    key=f"ctl.cluster-specs.{name}",
                )
            tree = check_layer(via, in_file=False)
            final = in_code and names_target(tree)
            layers.append(_Layer(tree, final=final))
            if final:
                break
        return self._complete(self._merged(layers)) if layers else None

    def _complete(self, tree: Located) -> Located:
        build(tree)  # a spec that was named must stand on its own
        return tree

    # -- messages ------------------------------------------------------------------------

    def _not_found(self, partial: Located | None = None) -> DaskClusterConfigNotFound:
        looked = ", ".join(str(folder / FILE_NAME) for folder in self.places.folders)
        found = (
            f"{partial.origin} says neither 'module' nor 'class', and nothing else is configured"
            if partial
            else "no cluster is configured"
        )
        return DaskClusterConfigNotFound(
            f"{found} (looked at the key ctl.cluster-spec of dask's configuration, {looked})",
            remedy=f"write a {FILE_NAME}, set DASK_CTL__CLUSTER_SPEC, or call "
            "create_cluster(local_fallback=True)",
        )

    def _unknown_keys(self) -> Iterator[Problem]:
        known = DEFAULTS[NAMESPACE]
        for layer in self.configuration.layers:
            for key, part in layer.value.items():
                if dask.config.canonical_name(str(key), known) not in known:
                    yield Problem(
                        severity="warning",
                        summary="unknown key",
                        remedy=did_you_mean(key, known) or f"known: {', '.join(known)}",
                        origin=part.origin,
                        key=f"{NAMESPACE}.{key}",
                    )


def _yaml_traps(tree: Located, path: KeyPath = ()) -> Iterator[Problem]:
    """Values that YAML 1.1 reads as something else than what is written."""
    if isinstance(tree.value, (dict, list)):
        parts = tree.value.items() if isinstance(tree.value, dict) else enumerate(tree.value)
        for key, part in parts:
            yield from _yaml_traps(part, (*path, key))
    elif tree.written is not None:
        yield Problem(
            severity="warning",
            summary=f"YAML reads {tree.written} as the number {tree.value}",
            remedy=f"write it in quotes: '{tree.written}'",
            origin=tree.origin,
            key=dotted(path),
        )


def _target(tree: Located) -> tuple[Any, Any]:
    module, name = tree.get("module"), tree.get("class")
    return module and module.value, name and name.value


def _via(part: Located, via: Origin) -> Located:
    """The same tree, remembering what named it."""
    value = part.value
    if isinstance(value, dict):
        value = {key: _via(inner, via) for key, inner in value.items()}
    elif isinstance(value, list):
        value = [_via(inner, via) for inner in value]
    return replace(part, value=value, origin=replace(part.origin, via=via))
