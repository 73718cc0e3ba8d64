"""A Dask script says "give me my cluster"; dask's configuration says which one.

The names below are imported when they are first used, since ``dask`` imports this package at
every command.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from dask_ctl import discovery as discovery
    from dask_ctl import exceptions as exceptions
    from dask_ctl import lifecycle as lifecycle
    from dask_ctl import proxy as proxy
    from dask_ctl.exceptions import (
        BackendError,
        DaskClusterConfigNotFound,
        DaskCtlError,
        DaskCtlWarning,
        DiscoveryError,
        InvalidSpecError,
        NoSuchClusterError,
    )
    from dask_ctl.lifecycle import (
        adapt_cluster,
        check_spec,
        create_cluster,
        delete_cluster,
        describe_cluster,
        discover_cluster_names,
        discover_clusters,
        get_cluster,
        get_logs,
        get_snippet,
        launch_cluster,
        list_arguments,
        list_clusters,
        list_discovery_methods,
        list_specs,
        plan_spec,
        resolve_spec,
        run_command,
        scale_cluster,
        spec_inherited,
        spec_template,
        stop_adapting,
        use_spec,
        wait_for_command,
        wait_for_workers,
    )

__all__ = [
    "BackendError",
    "DaskClusterConfigNotFound",
    "DaskCtlError",
    "DaskCtlWarning",
    "DiscoveryError",
    "InvalidSpecError",
    "NoSuchClusterError",
    "adapt_cluster",
    "check_spec",
    "create_cluster",
    "delete_cluster",
    "describe_cluster",
    "discover_cluster_names",
    "discover_clusters",
    "get_cluster",
    "get_logs",
    "get_snippet",
    "launch_cluster",
    "list_arguments",
    "list_clusters",
    "list_discovery_methods",
    "list_specs",
    "plan_spec",
    "resolve_spec",
    "run_command",
    "scale_cluster",
    "spec_inherited",
    "spec_template",
    "stop_adapting",
    "use_spec",
    "wait_for_command",
    "wait_for_workers",
]


_MODULES = ("discovery", "exceptions", "lifecycle", "proxy")


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("dask-ctl")
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "exceptions" if name[0].isupper() else "lifecycle"
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return [*__all__, *_MODULES]
