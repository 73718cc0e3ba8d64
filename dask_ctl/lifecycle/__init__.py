"""The public verbs: all that a script needs, and all that the command line calls.

Each imports what it uses when it is called, so that importing this is nearly free.
"""

from dask_ctl.lifecycle.changing import (
    adapt_cluster,
    delete_cluster,
    scale_cluster,
    stop_adapting,
)
from dask_ctl.lifecycle.cluster import Cluster
from dask_ctl.lifecycle.configuring import (
    list_spec_places,
    list_specs,
    spec_inherited,
    spec_schema,
    spec_template,
    spec_templates,
    spec_templates_here,
    use_spec,
)
from dask_ctl.lifecycle.creating import create_cluster, launch_cluster, run_command
from dask_ctl.lifecycle.discovering import (
    discover_cluster_names,
    discover_clusters,
    list_clusters,
    list_discovery_methods,
    list_recorded,
    only_cluster,
    set_discovery,
)
from dask_ctl.lifecycle.resolving import (
    check_spec,
    list_arguments,
    plan_spec,
    resolve_spec,
)
from dask_ctl.lifecycle.running import (
    describe_cluster,
    get_cluster,
    get_logs,
    get_snippet,
    open_dashboard,
    wait_for_command,
    wait_for_workers,
)
from dask_ctl.spec import defaults as _defaults  # noqa: F401 -- registers them

__all__ = [
    "Cluster",
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
    "list_recorded",
    "list_spec_places",
    "list_specs",
    "only_cluster",
    "open_dashboard",
    "plan_spec",
    "resolve_spec",
    "run_command",
    "scale_cluster",
    "set_discovery",
    "spec_inherited",
    "spec_schema",
    "spec_template",
    "spec_templates",
    "spec_templates_here",
    "stop_adapting",
    "use_spec",
    "wait_for_command",
    "wait_for_workers",
]
