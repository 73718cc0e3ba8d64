"""Every spec that can be named here, and every place that was looked at."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dask.config

from dask_ctl.exceptions import DaskClusterConfigNotFound, DaskCtlError, InvalidSpecError
from dask_ctl.spec.checks import is_partial
from dask_ctl.spec.cluster_spec import build
from dask_ctl.spec.config import Configuration
from dask_ctl.spec.document import parse, read
from dask_ctl.spec.library import Library
from dask_ctl.spec.located import Origin, Source
from dask_ctl.spec.packaged import packaged_specs
from dask_ctl.spec.places import ENDINGS, FILE_NAME, Places
from dask_ctl.spec.resolve import resolve


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A spec that can be named.

    Parameters
    ----------
    name : str
        What to call it by.
    backend : str or None
        The class that it names; None if it is partial, or cannot be resolved.
    origin : Origin
        Where it stands.
    in_force : bool
        Whether it takes part in what `create_cluster()` would create.
    problem : str or None
        Why it cannot be resolved.
    """

    name: str
    backend: str | None
    origin: Origin
    in_force: bool
    problem: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The entry for a machine to read."""
        return {
            "name": self.name,
            "backend": self.backend,
            "source": self.origin.source.label,
            "where": self.origin.where,
            "in_force": self.in_force,
            "problem": self.problem,
        }


def entries() -> list[Entry]:
    """All specs of the configuration, the three places and packages, those in force marked."""
    configuration, places = Configuration.here(), Places.here()
    try:
        current = resolve(configuration=configuration, places=places)
    except DaskCtlError:
        current = None
    used = {origin.where for origin in current.used} if current else set()
    library = Library(configuration, places, lambda *_: None)
    found: dict[str, Entry] = {}
    for name, origin in _names(configuration, places):
        if name not in found:
            found[name] = _entry(name, origin, library, used)
    return list(found.values())


def places_looked_at() -> list[tuple[str, bool]]:
    """Every file and folder that may hold a spec, and whether it exists."""
    places = Places.here()
    folders = [*dask.config.paths, *map(str, places.folders)]
    files = [str(folder / FILE_NAME) for folder in places.folders]
    return [(path, os.path.exists(path)) for path in dict.fromkeys([*folders, *files])]


def _names(configuration: Configuration, places: Places) -> Iterator[tuple[str, Origin]]:
    yield from configuration.names()
    for folder in places.folders:
        for path in _spec_files(folder):
            implicit = path.name == FILE_NAME
            name = path.name if implicit else path.stem
            yield name, Origin(Source.FILE, places.show(path))
    for packaged in packaged_specs():
        yield packaged.name, packaged.origin


def _spec_files(folder: Path) -> Iterator[Path]:
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return
    for path in paths:
        if path.suffix.lower() in ENDINGS and path.is_file() and _is_spec(path):
            yield path


def _is_spec(path: Path) -> bool:
    """Whether a file means to be a spec; a current directory holds other YAML too."""
    if path.name == FILE_NAME:
        return True
    try:
        value = parse(read(path), path.name, Source.FILE).value
    except (InvalidSpecError, DaskClusterConfigNotFound):
        return False
    return isinstance(value, dict) and ("version" in value or {"module", "class"} <= value.keys())


def _entry(name: str, origin: Origin, library: Library, used: Collection[str]) -> Entry:
    entry = Entry(name=name, backend=None, origin=origin, in_force=False)
    try:
        tree = library.named(name, Origin(Source.ARGUMENT, "list_specs()"))
        target = None if is_partial(tree) else build(tree).target
    except DaskCtlError as error:
        return replace(entry, problem=str(error))
    shown, named = tree.origin, tree.origin_of(("class",))
    if named.place == shown.place:
        shown = named
    return replace(entry, backend=target, origin=shown, in_force=tree.origin.where in used)
