"""From sources to one spec: the cascade.

Pure: the configuration, the folders and the environment come in as arguments.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from dask_ctl.exceptions import DaskClusterConfigNotFound, InvalidSpecError, Problem
from dask_ctl.spec.checks import is_partial, keyword_names, kind, names_target, wrong
from dask_ctl.spec.cluster_spec import build
from dask_ctl.spec.config import Configuration
from dask_ctl.spec.layers import Below, Layer, laid_over, merged, without
from dask_ctl.spec.library import Library
from dask_ctl.spec.located import Located, Origin, Source, locate
from dask_ctl.spec.places import FILE_NAME, Places, SpecFile, is_path
from dask_ctl.spec.resolved import Overridden, ResolvedSpec
from dask_ctl.spec.settings import unread
from dask_ctl.spec.shape import check_layer, no_mapping
from dask_ctl.spec.traps import misreadings
from dask_ctl.spec.when import findings

FALLBACK: Final = locate(
    {"module": "dask.distributed", "class": "LocalCluster"},
    Origin(Source.FALLBACK, "local_fallback=True"),
)
NOT_HERE: Final = "is not meant for here"
_OPTIONS: Final = {"SPEC": "--local-fallback"}  # by what the argument is called where one is


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


class _Cascade:
    def __init__(self, configuration: Configuration, places: Places, fallback: bool) -> None:
        self.configuration, self.places, self.fallback = configuration, places, fallback
        self.library = Library(configuration, places, self._override)
        self.overridden: list[Overridden] = []
        self.warnings: list[Problem] = []
        self.used: list[Origin] = []
        self.chosen: str | None = None

    def resolve(
        self, argument: Any, asked_by: Origin, overrides: Sequence[Located]
    ) -> ResolvedSpec:
        self.option = _OPTIONS.get(asked_by.where, "create_cluster(local_fallback=True)")
        layers = list(self._layers(argument, asked_by))
        if not (overrides or self.warnings) and layers == [Layer(FALLBACK, Below.ENDED)]:
            layers = [self._handed_out() or layers[0]]
        named = argument is not None and layers[0].below is Below.ENDED
        tree = self._meant_for_here(self._merged(layers), named=named)
        tree = self._with_cluster_kwargs(tree)
        for override in overrides:
            layer = self.library.inline(override)
            if (when := layer.tree.get("when")) is not None:
                remedy = "put it into the spec"
                raise wrong(("when",), when.origin, "cannot be laid over a chosen spec", remedy)
            below = Below.MERGED if layer.below is Below.ENDED else Below.KEPT
            tree = laid_over(tree, replace(layer, below=below), self._override)
        return replace(
            ResolvedSpec.of(tree),
            used=tuple(self.used),
            chosen=self.chosen,
            overridden=tuple(self.overridden),
            warnings=(*unread(self.configuration), *self.warnings, *misreadings(tree)),
        )

    # -- from the highest source to the lowest ------------------------------------------

    def _layers(self, argument: Any, asked_by: Origin) -> Iterator[Layer]:
        sources = self._sources(argument, asked_by)
        for source in sources:
            layer = self._layer(source)
            if layer is None:
                break
            yield layer
            if layer.below is Below.ENDED:
                by = layer.tree.origin.via or layer.tree.origin
                for lower in sources:
                    self._override(lower.origin, by, "replaced by a higher source")
                return
        if self.fallback:
            yield Layer(FALLBACK, Below.ENDED)

    def _handed_out(self) -> Layer | None:
        """The scheduler that ``Client()`` would connect to, where nothing at all is configured."""
        scheduler = self.configuration.scheduler
        if scheduler is None or any(self.configuration.at("cluster-kwargs")):
            return None
        self.warnings.append(
            Problem(
                severity="warning",
                summary="no cluster is configured: connecting, as Client() does, to the scheduler "
                f"{scheduler.value}",
                remedy="without it there would be a LocalCluster",
                origin=scheduler.origin,
            )
        )
        spec = {"module": "dask_ctl.proxy", "class": "ProxyCluster", "kwargs": {}}
        tree = locate(spec, FALLBACK.origin)
        tree.value["kwargs"].value["address"] = scheduler
        return Layer(tree, Below.ENDED)

    def _sources(self, argument: Any, asked_by: Origin) -> Iterator[Located | SpecFile]:
        """What each source gives, from the highest."""
        if argument is not None:
            plain = os.fspath(argument) if isinstance(argument, os.PathLike) else argument
            if isinstance(argument, os.PathLike) and not is_path(str(plain)):
                plain = os.path.join(os.curdir, plain)
            yield replace(locate(plain, asked_by), whole=True)
        unset: Origin | None = None
        for found in self._configured():
            if unset is not None:
                self._override(found.origin, unset, "unset by null")
            elif found.value is None:
                unset = found.origin
            else:
                yield found
        yield from self.places.implicit()

    def _configured(self) -> Iterator[Located]:
        """What is configured, from the highest; of files first what is for this folder."""
        local = self._of_project()
        for found in self.configuration.at("cluster-spec"):
            if local is not None and found.origin.source <= Source.CONFIG:
                yield local
                local = None
            yield found
        if local is not None:
            yield local

    def _of_project(self) -> Located | None:
        for found in self.configuration.at("project-specs"):
            if found.value is None:
                return None
            if not isinstance(found.value, dict):
                raise no_mapping(found, "ctl.project-specs", "write FOLDER: NAME")
            for folder in (self.places.cwd, *self.places.cwd.parents) if found.value else ():
                part: Located | None = found.value.get(str(folder))
                if part is not None and part.value is not None:
                    return part
        return None

    def _layer(self, source: Located | SpecFile) -> Layer | None:
        """Check what a source gives; None if that is nothing here, and falls back."""
        if isinstance(source, SpecFile):
            tree = self.library.load(source)
            self.used.append(tree.origin)
            return Layer(tree, Below.ENDED if names_target(tree) else Below.MERGED)
        if type(source.value) is tuple:  # Python, in code or in a variable
            source = locate(list(source.value), source.origin)
        if isinstance(source.value, list) and source.origin.source is not Source.ARGUMENT:
            return self._choice(source)
        if isinstance(source.value, str):
            return self._named(source)
        if not isinstance(source.value, dict):
            raise _no_spec(source)
        layer = self.library.inline(source)
        self.used.append(layer.tree.origin)
        return layer

    # -- from the lowest layer to the highest --------------------------------------------

    def _merged(self, layers: Sequence[Layer]) -> Located:
        if not layers:
            raise self._not_found()
        tree = merged(layers, self._override)
        if is_partial(tree):
            raise self._not_found(tree)
        return tree

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
            origin = tree.origin
            tree = laid_over(tree, Layer(checked, Below.KEPT), self._override)
            tree = replace(tree, origin=origin)
        return tree

    def _override(self, origin: Origin, by: Origin, reason: str) -> None:
        self.overridden.append(Overridden(origin, by, reason))

    # -- specs elsewhere -----------------------------------------------------------------

    def _named(self, source: Located) -> Layer | None:
        """The spec that a string names; None if it does not exist and falls back."""
        try:
            return self._whole(source)
        except DaskClusterConfigNotFound:
            if not self.fallback:
                raise
        self._falls_back(source.origin, f"{source.value!r} does not exist")
        return None

    def _whole(self, source: Located) -> Layer:
        """A spec that must stand on its own."""
        if not isinstance(source.value, str):
            parts = [self.library.inline(source).tree]
        elif source.value.strip():
            parts = self.library.parts(source.value, source.origin)
        else:
            remedy = "name a spec, or unset it"
            raise InvalidSpecError("is empty", remedy=remedy, origin=source.origin)
        tree = merged([Layer(part) for part in parts], self._override)
        build(tree)
        self.used += [part.origin for part in parts]
        return Layer(tree, Below.ENDED)

    # -- where a spec is meant for -------------------------------------------------------

    def _choice(self, source: Located) -> Layer | None:
        """Of a list of specs the first that is meant for here; None if none is and that will do."""
        passed: list[tuple[Origin, str]] = []
        for each in source.value:
            if not isinstance(each.value, (str, dict)):
                raise _no_spec(each)
            before = len(self.used)
            layer = self._whole(each)
            if not (missing := self._missing(layer.tree)):
                for origin, why in passed:
                    self._override(origin, each.origin, f"not meant for here: {why}")
                self.chosen = self.chosen or "it has no 'when'"
                return layer
            del self.used[before:]
            passed.append((layer.tree.value["when"].origin, missing))
        wanted = "; ".join(f"{origin}: {why}" for origin, why in passed) or "the list is empty"
        self._nowhere(source.origin, f"no spec of the list is meant for here ({wanted})")
        return None

    def _missing(self, tree: Located) -> str | None:
        """What `when` wants and is not there; if all is there, that is noted."""
        found = findings(tree.get("when"), self.places.env)
        if missing := [finding.seen for finding in found if not finding.holds]:
            return ", ".join(missing)
        self.chosen = ", ".join(finding.seen for finding in found) or self.chosen
        return None

    def _meant_for_here(self, tree: Located, *, named: bool) -> Located:
        """The spec without its `when`, if that holds or the call has named the spec."""
        when = tree.get("when")
        if when is None:
            return tree
        if missing := self._missing(tree):
            problem = f"{NOT_HERE}: {missing}"
            if not named:
                self._nowhere(when.origin, problem)
                self.used.clear()
                return FALLBACK
            self.warnings.append(Problem(problem, origin=when.origin, severity="warning"))
        return without(tree, "when")

    def _nowhere(self, origin: Origin, problem: str) -> None:
        if not self.fallback:
            raise DaskClusterConfigNotFound(
                problem,
                remedy="name a spec to use it all the same, or fall back to this machine with "
                f"{self.option}",
                origin=origin,
            )
        self._falls_back(origin, problem)

    def _falls_back(self, origin: Origin, problem: str) -> None:
        remedy = "using a LocalCluster instead"
        self.warnings.append(Problem(problem, remedy, origin, severity="warning"))
        self._override(origin, FALLBACK.origin, problem)

    # -- messages ------------------------------------------------------------------------

    def _not_found(self, partial: Located | None = None) -> DaskClusterConfigNotFound:
        looked = ", ".join(str(folder / FILE_NAME) for folder in self.places.folders)
        if closed := self.configuration.unreadable():
            looked = f"{looked}; what cannot be read does not count: {', '.join(closed)}"
        found = (
            f"{partial.origin} says neither 'module' nor 'class', and nothing else is configured"
            if partial
            else "no cluster is configured"
        )
        return DaskClusterConfigNotFound(
            f"{found} (looked at the key ctl.cluster-spec of dask's configuration, {looked})",
            remedy=f"write a {FILE_NAME} (to start from one: dask cluster spec init), set "
            f"DASK_CTL__CLUSTER_SPEC, or fall back to this machine with {self.option}",
        )


def _no_spec(part: Located) -> InvalidSpecError:
    return InvalidSpecError(
        f"must be a path, a name or a mapping, not {kind(part.value)}",
        remedy="see the documentation of specs",
        origin=part.origin,
        key=None if part.origin.source is Source.ARGUMENT else "ctl.cluster-spec",
    )
