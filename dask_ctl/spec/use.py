"""Which spec is used from now on: two keys of the one file of ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from dask_ctl.exceptions import BackendError, DaskCtlError, Problem
from dask_ctl.spec import userfile
from dask_ctl.spec.config import Configuration
from dask_ctl.spec.located import Origin, Source, lookup
from dask_ctl.spec.places import Places
from dask_ctl.spec.resolve import NOT_HERE, resolve

EVERYWHERE: Final = "cluster-spec"
BY_FOLDER: Final = "project-specs"


def use(name: str | None, *, local: bool) -> tuple[Path | None, list[Problem]]:
    """Have a spec be what is configured, for the user or for the project in this folder.

    Parameters
    ----------
    name : str or None
        A path or a name; None to have none.
    local : bool
        Whether only for the current directory and those below it.

    Returns
    -------
    path : Path or None
        The file that was written; None if there was nothing to unset.
    problems : list of Problem
        Warnings of what keeps it from being in force here.

    Raises
    ------
    DaskClusterConfigNotFound, InvalidSpecError
        If there is no such spec, it is wrong, or the file cannot be changed.
    BackendError
        If the file cannot be written, or the current directory was deleted.
    """
    places = Places.here()
    if not places.cwd.is_absolute():
        raise BackendError("the current directory does not exist any more", remedy="leave it")
    problems: list[Problem] = []
    if name is not None:
        resolved = resolve(name, asked_by="NAME", places=places)
        # Here it is used where the call names it, and refused where only this file does.
        remedy = "in force where that holds; here create_cluster() refuses it"
        problems += [
            replace(each, remedy=remedy) if each.summary.startswith(NOT_HERE) else each
            for each in resolved.warnings
        ]
        name = _for_everywhere(name, resolved.used, places.cwd)
    key, folder = BY_FOLDER if local else EVERYWHERE, str(places.cwd)
    before = userfile.said(key)
    after: object = name
    if local:
        others = {place: each for place, each in (before or {}).items() if place != folder}
        after = {**others, folder: name} if name is not None else others
    if name is None and (after or None) == before:
        return None, problems
    path = userfile.write(key, after or None)
    keys = (key, folder) if local else (key,)
    return path, [*problems, *_shadows(path, keys)]


def _for_everywhere(name: str, used: tuple[Origin, ...], cwd: Path) -> str:
    """The same, with what lies in the current directory by its whole path."""
    names = [name] if len(used) == 1 else [part.strip() for part in name.split("+")]
    return "+".join(
        str(cwd / origin.place) if _lies_here(origin, cwd) else part
        for part, origin in zip(names, reversed(used), strict=True)
    )


def _lies_here(origin: Origin, cwd: Path) -> bool:
    in_file = origin.source is Source.FILE and not Path(origin.place).is_absolute()
    return in_file and (cwd / origin.place).exists()


def _shadows(path: Path, keys: tuple[str, ...]) -> list[Problem]:
    """What goes before the file that was written."""
    configuration = Configuration.here()
    layers = configuration.layers
    written = next((layer for layer in layers if layer.origin.place == str(path)), None)
    said = written and lookup(written, *keys)
    if said is None:
        return []
    try:
        overridden = resolve(configuration=configuration).overridden
        before = [entry.by for entry in overridden if entry.origin == said.origin]
    except DaskCtlError:  # of what goes before it, or of what is meant for elsewhere
        highest = next(configuration.at(EVERYWHERE), None)
        before = [highest.origin] if highest and highest.origin.source > said.origin.source else []
    return [
        Problem(
            f"not in force here: {by} goes before it",
            remedy=f"unset {by}" if by.source is Source.ENVIRONMENT else None,
            origin=said.origin,
            severity="warning",
        )
        for by in before
    ]
