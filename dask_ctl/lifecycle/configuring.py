"""What is configured: the specs that can be named, and those to start from."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from dask_ctl.spec.catalogue import Entry
    from dask_ctl.spec.resolved import ResolvedSpec
    from dask_ctl.spec.sections import Inherited


def list_specs() -> list[Entry]:
    """Give every spec that can be named here, those in force marked.

    Examples
    --------
    >>> list_specs()
    []
    """
    from dask_ctl.spec.catalogue import entries

    return entries()


def list_spec_places() -> list[tuple[str, bool]]:
    """Give every file and folder that may hold a spec, and whether it exists."""
    from dask_ctl.spec.catalogue import places_looked_at

    return places_looked_at()


def spec_inherited(resolved: ResolvedSpec) -> list[Inherited]:
    """Give what a spec's class takes from dask's configuration itself, besides the spec.

    Parameters
    ----------
    resolved : ResolvedSpec
        What `resolve_spec` gave.

    Returns
    -------
    inherited : list of Inherited
        What users have given in the backend's own section, such as ``jobqueue.slurm``, for
        arguments that the spec does not name. Each has a `key`, a `value` and an `origin`.

    Examples
    --------
    >>> from dask_ctl import resolve_spec
    >>> spec_inherited(resolve_spec({"module": "dask.distributed", "class": "LocalCluster"}))
    []
    """
    from dask_ctl.creation.inherited import of_names

    return list(of_names(resolved).by_argument.values())


def use_spec(name: str | os.PathLike[str] | None, *, local: bool = False) -> Path | None:
    """Have `create_cluster` use a spec from now on, in every process of this user.

    What goes before the user's configuration, such as a variable, goes before it, too; that is a
    `DaskCtlWarning`.

    Parameters
    ----------
    name : str, path or None
        The path or the name of a spec; None to have none any more.
    local : bool
        Whether this is for the project in the current directory, and those below it, alone.

    Returns
    -------
    path : Path or None
        The file of the user's configuration that was changed; None if there was nothing to unset.

    Raises
    ------
    DaskClusterConfigNotFound
        If there is no such spec.
    InvalidSpecError
        If the spec is wrong, or the file holds what is not ours.
    BackendError
        If the file cannot be written.
    """
    from dask_ctl.exceptions import DaskCtlWarning, InBrief
    from dask_ctl.spec.use import use

    with InBrief():
        path, problems = use(None if name is None else os.fspath(name), local=local)
    for problem in problems:
        warnings.warn(str(problem), DaskCtlWarning, stacklevel=2)
    return path


def spec_templates() -> list[str]:
    """Give the names of the specs to start from.

    Examples
    --------
    >>> spec_templates()[0]
    'local'
    """
    from dask_ctl.backends import rooms

    return [name for room in rooms() for name in room.templates]


def spec_templates_here() -> dict[str, str]:
    """Give the names of those for which there is something on this machine, and what that is."""
    from dask_ctl.creation.template import found_here

    return found_here()


def spec_template(name: str, *, for_editors: bool = False) -> str:
    """Give a commented spec to start from, as YAML.

    Parameters
    ----------
    name : str
        One of `spec_templates`.
    for_editors : bool
        Whether it begins with the line by which editors find the schema.

    Raises
    ------
    InvalidSpecError
        If there is none of that name.

    Examples
    --------
    >>> print(spec_template("local"))  # doctest: +ELLIPSIS
    # Processes on this machine.
    ...
    """
    from dask_ctl.creation.template import template
    from dask_ctl.spec import schema

    return f"{schema.MODELINE if for_editors else ''}{template(name)}"


def spec_schema(*, namespace: bool = False) -> dict[str, Any]:
    """Give the JSON Schema of a spec file.

    Parameters
    ----------
    namespace : bool
        Whether that of the `ctl` namespace of dask's configuration is meant instead.

    Examples
    --------
    >>> spec_schema()["title"]
    'dask_ctl spec'
    """
    from dask_ctl.spec import schema

    return schema.namespace_schema() if namespace else schema.spec_schema()
