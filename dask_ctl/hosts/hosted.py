"""A cluster object for a cluster that a host process owns."""

from __future__ import annotations

from typing import Any

from dask_ctl.exceptions import BackendError
from dask_ctl.hosts import control, records
from dask_ctl.proxy import ProxyCluster


class HostedCluster(ProxyCluster):
    """Attach to a cluster that ``dask cluster create`` made; closing this only disconnects.

    Parameters
    ----------
    name : str
        The name of the cluster.
    **kwargs
        As of `ProxyCluster`: ``timeout``, ``asynchronous``, ``loop``.

    Raises
    ------
    NoSuchClusterError
        If there is none of that name.
    BackendError
        If its scheduler or its host does not answer.
    """

    _supports_scaling = True

    def __init__(self, name: str, **kwargs: Any) -> None:
        record = records.read(name)
        if record.address is None:
            raise BackendError(
                f"cluster {name!r} is still starting", remedy=f"see: dask cluster logs {name}"
            )
        self._record = record
        super().__init__(record.address, security=security_of(record), **kwargs)
        self.name = name

    def scale(self, n: int) -> None:
        """Have `n` workers."""
        control.call(self._record, "scale", n=n)

    def adapt(self, **kwargs: Any) -> None:
        """Have as many workers as the work needs, as ``adapt`` of the cluster's own class."""
        control.call(self._record, "adapt", **kwargs)


def security_of(record: records.Record) -> dict[str, Any]:
    """How to identify to the scheduler of a hosted cluster: the keywords of a `Security`."""
    plain = record.address is None or not record.address.startswith("tls://")
    if plain or record.host is None or record.orphaned:
        return {}
    found: dict[str, Any] = control.call(record, "security")
    return found
