"""Every spec that can be named here, and every place that was looked at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import dask.config

from dask_ctl.exceptions import DaskClusterConfigNotFound, DaskCtlError, InvalidSpecError
from dask_ctl.spec.checks import is_partial
from dask_ctl.spec.cluster_spec import build
from dask_ctl.spec.config import Configuration
from dask_ctl.spec.document import ENDINGS, parse, read
from dask_ctl.spec.keys import KEYS
from dask_ctl.spec.library import Library
from dask_ctl.spec.located import Origin, Source
from dask_ctl.spec.packaged import PackagedSpec, packaged_specs
from dask_ctl.spec.places import FILE_NAME, Places, SpecFile
from dask_ctl.spec.resolve import resolve
from dask_ctl.spec.resolved import ResolvedSpec

_CONFIGURED: Final = "ctl.cluster-spec"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A spec that can be named.

    Parameters
    ----------
    name : str
        What to call it by.
    origin : Origin
        Where it stands.
    backend : str or None
        The class that it names; None if it is partial, or cannot be resolved.
    in_force : bool
        Whether it takes part in what `create_cluster()` would create.
    hidden_by : str or None
        What goes before it, so that its name does not mean it.
    problem : str or None
        Why it cannot be resolved.
    """

    name: str
    origin: Origin
    backend: str | None = None
    in_force: bool = False
    hidden_by: str | None = None
    problem: str | None = None

    def __repr__(self) -> str:
        what = self.backend or self.problem or "partial"
        return f"<Entry {self.name}: {what} from {self.origin.where}>"

    def as_dict(self) -> dict[str, Any]:
        """The entry for a machine to read."""
        return {
            "name": self.name,
            "backend": self.backend,
            "source": self.origin.source.label,
            "where": self.origin.where,
            "in_force": self.in_force,
            "hidden_by": self.hidden_by,
            "problem": self.problem,
        }


def entries() -> list[Entry]:
    """All specs of the configuration, the three places and packages, those in force marked.

    What is configured and wrong, or meant for elsewhere, is one of them.
    """
    configuration, places = Configuration.here(), Places.here()
    current, failed = None, None
    try:
        current = resolve(configuration=configuration, places=places)
    except DaskCtlError as error:
        failed = error.problem
    used = {origin.where: origin for origin in current.used} if current else {}
    overridden = current.overridden if current else ()
    replaced = {each.origin.place: each.by.where for each in overridden if not each.origin.via}
    library = Library(configuration, places, lambda *_: None)
    asked_by = Origin(Source.ARGUMENT, "list_specs()")
    found: list[Entry] = []
    names: dict[str, str] = {}
    for name, origin, file in _specs(configuration, places):
        hidden_by = replaced.get(file.place) if file and name == FILE_NAME else names.get(name)
        entry = Entry(name=name, origin=origin, hidden_by=hidden_by)
        try:
            tree = library.load(file, asked_by) if file else library.named(name, asked_by)
            target = None if is_partial(tree) else build(tree).target
        except DaskCtlError as error:
            found.append(replace(entry, problem=str(error)))
        else:
            by = used.pop(tree.origin.where, None) if hidden_by is None else None
            shown, named = tree.origin, tree.origin_of(("class",))
            shown = replace(named if named.place == shown.place else shown, via=by and by.via)
            found.append(replace(entry, backend=target, origin=shown, in_force=by is not None))
        names.setdefault(name, found[-1].origin.where)
    if current:
        found += [_unnamed(origin, current) for origin in used.values()]
    if failed and isinstance(failed.origin, Origin):  # else nothing is configured
        where = failed.origin.via or failed.origin
        if where.place not in {each.origin.place for each in found if each.problem}:
            found.append(Entry(name=_CONFIGURED, origin=where, problem=str(failed)))
    return found


def _unnamed(origin: Origin, current: ResolvedSpec) -> Entry:
    """What is in force and has no name to call it by."""
    name = origin.place if origin.source is Source.FILE else _CONFIGURED
    backend = current.spec.target if current.origin.place == origin.place else None
    return Entry(name=name, backend=backend, origin=origin, in_force=True)


def places_looked_at() -> list[tuple[str, bool]]:
    """Every file and folder that may hold a spec, and whether it exists."""
    places = Places.here()
    folders = [*dask.config.paths, *map(str, places.folders)]
    files = [str(folder / FILE_NAME) for folder in places.folders]
    return [(path, os.path.exists(path)) for path in dict.fromkeys([*folders, *files])]


def _specs(
    configuration: Configuration, places: Places
) -> Iterator[tuple[str, Origin, SpecFile | PackagedSpec | None]]:
    """The names of all specs, where they stand, and the file of those that have one."""
    inline = dict(reversed(list(configuration.names())))
    yield from ((name, origin, None) for name, origin in reversed(inline.items()))
    for folder in places.folders:
        for path in _spec_files(folder, own=folder != places.cwd):
            file = SpecFile(path, places.show(path), doubtful=folder == places.cwd)
            yield path.name if path.name == FILE_NAME else path.stem, file.origin, file
    yield from ((packaged.name, packaged.origin, packaged) for packaged in packaged_specs())


def _spec_files(folder: Path, *, own: bool) -> Iterator[Path]:
    """The files of a folder that mean to be specs: all, if there is nothing else in it."""
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return
    for path in paths:
        if path.suffix.lower() in ENDINGS and path.is_file() and (own or _is_spec(path)):
            yield path


def _is_spec(path: Path) -> bool:
    """Whether a file means to be a spec; a current directory holds other YAML too."""
    if path.name == FILE_NAME:
        return True
    try:
        value = parse(read(path), path.name, Source.FILE).value
    except (InvalidSpecError, DaskClusterConfigNotFound):
        return False
    if not isinstance(value, dict):
        return False
    versioned = "version" in value and value["version"].value == 1
    others = value.keys() & set(KEYS) - {"version"}
    return bool({"module", "class"} <= value.keys() or (versioned and others))
