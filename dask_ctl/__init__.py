"""A Dask script says "give me my cluster"; dask's configuration says which one."""

from dask_ctl.exceptions import (
    BackendError,
    DaskClusterConfigNotFound,
    DaskCtlError,
    InvalidSpecError,
)
from dask_ctl.lifecycle import check_spec, create_cluster, resolve_spec

__all__ = [
    "BackendError",
    "DaskClusterConfigNotFound",
    "DaskCtlError",
    "InvalidSpecError",
    "check_spec",
    "create_cluster",
    "resolve_spec",
]
