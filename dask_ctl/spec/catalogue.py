"""Every spec that can be named here, and every place that was looked at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.config

from dask_ctl.exceptions import DaskClusterConfigNotFound, DaskCtlError, InvalidSpecError
from dask_ctl.spec.config import Configuration
from dask_ctl.spec.document import parse, read
from dask_ctl.spec.located import Located, Origin, Source
from dask_ctl.spec.packaged import packaged_specs
from dask_ctl.spec.places import ENDINGS, FILE_NAME, Places
from dask_ctl.spec.resolve import resolve
from dask_ctl.spec.resolved import ResolvedSpec


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A spec that can be named.

    Parameters
    ----------
    name : str
        What to call it by.
    backend : str or None
        The class that it names; None if it cannot be resolved.
    origin : Origin
        Where it stands.
    in_force : bool
        Whether it gives the class that `create_cluster()` would create.
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
    found: dict[str, Entry] = {}
    for name, origin in _names(configuration, places):
        if name not in found:
            found[name] = _entry(name, origin, current, configuration, places)
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
    return isinstance(value, dict) and "module" in value and "class" in value


def _entry(
    name: str,
    origin: Origin,
    current: ResolvedSpec | None,
    configuration: Configuration,
    places: Places,
) -> Entry:
    try:
        resolved = resolve(name, configuration=configuration, places=places)
    except DaskCtlError as error:
        return Entry(name=name, backend=None, origin=origin, in_force=False, problem=str(error))
    in_force = current is not None and _same_place(current.tree, resolved.tree)
    return Entry(name=name, backend=resolved.spec.target, origin=resolved.origin, in_force=in_force)


def _same_place(a: Located, b: Located) -> bool:
    return a.origin_of(("class",)).where == b.origin_of(("class",)).where
