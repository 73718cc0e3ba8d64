"""What dask-ctl 2024.1.0 called otherwise, and how to write it now: imports, clusters, methods."""

from __future__ import annotations

import re
import warnings
from importlib import import_module
from typing import Any, Final

# Imports that work still, by the module that has them now.
_MOVED: Final = {
    "dask_ctl.discovery": {
        "discover_cluster_names": "dask_ctl",
        "discover_clusters": "dask_ctl",
        "list_discovery_methods": "dask_ctl",
    }
}
# Imports that have nothing of the same sense, by what to use.
_GONE: Final = {
    "dask_ctl.proxy.discover": 'dask_ctl.discover_clusters("schedulers")',
    "dask_ctl.proxy.gen_name": "the address of the scheduler",
    "dask_ctl.spec.load_spec": "dask_ctl.resolve_spec",
}
# What an entry of a list had when each was a connected cluster.
_OF_CLUSTERS: Final = frozenset(
    {"adapt", "close", "dashboard_link", "get_logs", "scale", "scheduler_address", "scheduler_info"}
)
# Discovery methods.
_METHODS: Final = {"proxycluster": "schedulers"}
_HERE: Final = re.compile(r"(?:proxycluster-|localhost:)?([1-9][0-9]{0,4})")
_LAST_PORT: Final = 65535


def imported(module: str, name: str) -> Any:
    """The attribute that a module had, with a warning; for the ``__getattr__`` of that module.

    Raises
    ------
    ImportError
        If it is gone: of an `AttributeError`, ``from module import name`` would hide the text.
    AttributeError
        If there never was one.
    """
    full_name = f"{module}.{name}"
    if home := _MOVED.get(module, {}).get(name):
        what = f"{full_name} is deprecated; import it from {home}"
        warnings.warn(what, DeprecationWarning, stacklevel=3)
        return getattr(import_module(home), name)
    if instead := _GONE.get(full_name):
        raise ImportError(f"{full_name} is gone since dask-ctl 2024.1.0; use {instead}")
    raise AttributeError(f"module {module!r} has no attribute {name!r}")


def of_entry(entry: object, name: str) -> AttributeError:
    """The error of an attribute that an entry of a list lacks; for its ``__getattr__``."""
    what = f"{type(entry).__name__!r} object has no attribute {name!r}"
    if name in _OF_CLUSTERS:
        what += (
            f"; it describes a cluster, and dask_ctl.get_cluster({vars(entry)['name']!r}) connects"
        )
    return AttributeError(what, name=name, obj=entry)


def method(name: str) -> str:
    """What a discovery method is called now."""
    return _METHODS.get(name, name)


def address(name: str) -> str | None:
    """The address that a name means by the port on this machine, if it means one.

    Examples
    --------
    >>> address("proxycluster-8786"), address("localhost:8786"), address("8786")
    ('tcp://localhost:8786', 'tcp://localhost:8786', 'tcp://localhost:8786')
    >>> address("mine-8786")
    """
    found = _HERE.fullmatch(name)
    if found is None or int(found[1]) > _LAST_PORT:
        return None
    return f"tcp://localhost:{found[1]}"
