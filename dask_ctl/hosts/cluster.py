"""A cluster object for a cluster that a host process owns."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from distributed import Security

from dask_ctl.exceptions import BackendError
from dask_ctl.hosts import client, store
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
        self._record = store.read(name)
        if self._record.address is None:
            raise BackendError(
                f"cluster {name!r} is still starting", remedy=f"see: dask cluster logs {name}"
            )
        super().__init__(self._record.address, **kwargs)
        self.name = name

    async def _start(self) -> None:
        # Not in the constructor: a loop that is the user's would wait for the host there.
        await asyncio.to_thread(self._record.refuse_strangers)
        self.security = Security(**await asyncio.to_thread(security_of, self._record))
        await super()._start()

    def scale(self, n: int) -> Any:
        """Have `n` workers, from now on a fixed size."""
        return self._call("scale", n=n)

    def adapt(self, **kwargs: Any) -> Any:
        """Have as many workers as the work needs, as ``adapt`` of the cluster's own class."""
        called = self._call("adapt", **kwargs)
        return Adapting(kwargs.get("minimum"), kwargs.get("maximum"), called)

    def _call(self, verb: str, **arguments: Any) -> Any:
        if not self.asynchronous:
            return client.call(self._record, verb, **arguments)
        # At once, as the methods of other clusters do what they do without being awaited.
        return asyncio.ensure_future(
            asyncio.to_thread(client.call, self._record, verb, **arguments)
        )


@dataclass(frozen=True)
class Adapting:
    """What is read of an `Adaptive` of distributed, by the panel of dask-labextension for example.

    Parameters
    ----------
    minimum, maximum : int, optional
        As they were given.
    called : awaitable or None
        What an asynchronous cluster gives to wait for.
    """

    minimum: int | None
    maximum: int | None
    called: Any

    def __await__(self) -> Generator[Any, None, Any]:
        return self.called.__await__()  # type: ignore[no-any-return]


def security_of(of: store.Record) -> dict[str, Any]:
    """How to identify to the scheduler of a hosted cluster: the keywords of a `Security`."""
    if of.address is None or not of.address.startswith("tls://") or of.life == "dead":
        return {}
    found: dict[str, Any] = client.call(of, "security")
    return found
