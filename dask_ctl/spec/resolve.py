"""From sources to one spec: the cascade.

Pure: the configuration, the folders and the environment come in as arguments.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any, Final

import dask.config

from dask_ctl.exceptions import DaskClusterConfigNotFound, InvalidSpecError, Problem
from dask_ctl.spec.cluster_spec import build
from dask_ctl.spec.config import Configuration
from dask_ctl.spec.defaults import DEFAULTS, NAMESPACE
from dask_ctl.spec.keys import (
    did_you_mean,
    is_set,
    keyword_names,
    kind,
    names_target,
    wrong,
)
from dask_ctl.spec.located import Located, Origin, Source, locate, merge
from dask_ctl.spec.places import FILE_NAME, Places, SpecFile, is_path
from dask_ctl.spec.resolved import Overridden, ResolvedSpec
from dask_ctl.spec.shape import check_layer, no_mapping
from dask_ctl.spec.traps import misreadings
from dask_ctl.spec.values import is_placeholder

FALLBACK: Final = {"module": "dask.distributed", "class": "LocalCluster"}


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


class _Below(Enum):
    """What a layer does to what is below it."""

    ENDED = auto()  # nothing below it counts
    MERGED = auto()  # the arguments of another class are dropped
    KEPT = auto()  # it changes what it names and nothing else


@dataclass(frozen=True)
class _Layer:
    """A checked part of the cascade."""

    tree: Located
    below: _Below


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
            tree = self._laid_over(tree, _Layer(checked, _Below.KEPT))
        return replace(
            ResolvedSpec.of(tree),
            overridden=tuple(self.overridden),
            warnings=(*self._unknown_keys(), *self.warnings, *misreadings(tree)),
        )

    # -- from the highest source to the lowest ------------------------------------------

    def _layers(self, argument: Any, asked_by: Origin) -> Iterator[_Layer]:
        sources = self._sources(argument, asked_by)
        for source in sources:
            layer = self._layer(source)
            if layer is None:
                break
            yield layer
            if layer.below is _Below.ENDED:
                by = layer.tree.origin.via or layer.tree.origin
                for lower in sources:
                    self._override(lower.origin, by, "replaced by a higher source")
                return
        if self.fallback:
            tree = locate(FALLBACK, Origin(Source.FALLBACK, "local_fallback=True"))
            yield _Layer(tree, _Below.ENDED)

    def _sources(self, argument: Any, asked_by: Origin) -> Iterator[Located | SpecFile]:
        """What each source gives, from the highest."""
        if argument is not None:
            plain = os.fspath(argument) if isinstance(argument, os.PathLike) else argument
            if isinstance(argument, os.PathLike) and not is_path(str(plain)):
                plain = os.path.join(os.curdir, plain)
            yield replace(locate(plain, asked_by), whole=True)
        unset: Origin | None = None
        for found in self.configuration.at("cluster-spec"):
            if unset is not None:
                self._override(found.origin, unset, "unset by null")
            elif found.value is None:
                unset = found.origin
            else:
                yield found
        yield from self.places.implicit()

    def _layer(self, source: Located | SpecFile) -> _Layer | None:
        """Check what a source gives; None if it names a spec that falls back."""
        if isinstance(source, SpecFile):
            tree = self.places.load(source, None)
            return _Layer(tree, _Below.ENDED if names_target(tree) else _Below.MERGED)
        if isinstance(source.value, str):
            named = self._named(source)
            return None if named is None else _Layer(named, _Below.ENDED)
        if not isinstance(source.value, dict):
            raise InvalidSpecError(
                f"must be a path, a name or a mapping, not {kind(source.value)}",
                remedy="see the documentation of specs",
                origin=source.origin,
                key=None if source.origin.source is Source.ARGUMENT else "ctl.cluster-spec",
            )
        return self._inline(source)

    def _inline(self, source: Located) -> _Layer:
        """What a mapping is: code that gives it whole and full means it and nothing else."""
        tree = replace(check_layer(source, in_file=False), whole=False)
        if source.whole and names_target(tree):
            return _Layer(tree, _Below.ENDED)
        nested = source.origin.source is Source.SET and not source.whole
        return _Layer(tree, _Below.KEPT if nested else _Below.MERGED)

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
        if layer.below is _Below.MERGED and before not in (after, (None, None)):
            dropped = [key for key in lower.value if key not in ("version", "module", "class")]
            reason = "another class, so its " + ", ".join(dropped) + " do not apply"
            self._override(
                lower.origin, upper.origin, reason if dropped else "another class is named"
            )
            lower = _without(lower, "version", *dropped)
        for key, other in (("scale", "adapt"), ("adapt", "scale")):
            if is_set(upper.value.get(key)) and is_set(lower.value.get(other)):
                by = upper.value[key].origin
                self._override(lower.value[other].origin, by, f"'{other}' gives way to '{key}'")
                lower = _without(lower, other)
        for key, part in upper.value.items():
            below = lower.get(key)
            if isinstance(part.value, dict) and below and is_placeholder(below.value):
                raise wrong(
                    (key,),
                    part.origin,
                    f"cannot be laid over {below.value!r} ({below.origin})",
                    "write the mapping out there",
                )
        return merge(lower, upper)

    def _with_cluster_kwargs(self, tree: Located) -> Located:
        given: list[Located] = []
        for found in self.configuration.at("cluster-kwargs"):
            if found.value is None:
                break
            given.append(keyword_names("ctl.cluster-kwargs", found))
            if found.whole:
                break
        for layer in reversed(given):
            over = Located({"kwargs": replace(layer, whole=False)}, tree.origin)
            checked = check_layer(over, in_file=False)
            merged = self._laid_over(tree, _Layer(checked, _Below.KEPT))
            tree = replace(merged, origin=tree.origin)
        return tree

    def _override(self, origin: Origin, by: Origin, reason: str) -> None:
        self.overridden.append(Overridden(origin, by, reason))

    # -- specs elsewhere -----------------------------------------------------------------

    def _named(self, source: Located) -> Located | None:
        """The spec that a string names; None if it does not exist and falls back."""
        text = source.value
        if not text.strip():
            raise InvalidSpecError(
                "is empty", remedy="name a spec, or unset it", origin=source.origin
            )
        try:
            inline = None if is_path(text) else self._from_cluster_specs(text, source.origin)
            if inline is not None:
                return inline
            known = [name for name, _ in self.configuration.names()]
            file = self.places.find(text, source.origin, known)
            return self._complete(self.places.load(file, source.origin))
        except DaskClusterConfigNotFound:
            if not self.fallback:
                raise
        missing = f"{text!r} does not exist"
        self.warnings.append(
            Problem(
                severity="warning",
                summary=missing,
                remedy="using a LocalCluster instead",
                origin=source.origin,
            )
        )
        fallback = Origin(Source.FALLBACK, "local_fallback=True")
        self._override(source.origin, fallback, missing)
        return None

    def _from_cluster_specs(self, name: str, asked_by: Origin) -> Located | None:
        layers: list[_Layer] = []
        for found in self.configuration.named(name):
            if found.value is None:
                break
            via = _via(found, asked_by)
            if not isinstance(via.value, dict):
                raise no_mapping(
                    via,
                    f"ctl.cluster-specs.{name}",
                    "write the spec inline, or name a file in ctl.cluster-spec",
                )
            layers.append(self._inline(via))
            if layers[-1].below is _Below.ENDED:
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
            remedy=f"write a {FILE_NAME} (to start from one: dask cluster spec init), set "
            "DASK_CTL__CLUSTER_SPEC, or fall back to this machine with --local-fallback, in Python "
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


def _without(tree: Located, *keys: str) -> Located:
    return replace(tree, value={k: part for k, part in tree.value.items() if k not in keys})


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
