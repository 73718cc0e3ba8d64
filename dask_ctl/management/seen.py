"""A scheduler that is seen by its address."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Final

from dask_ctl.backends import listening, logs
from dask_ctl.exceptions import BackendError
from dask_ctl.hosts import store as records
from dask_ctl.management.info import of_scheduler, plausible, started
from dask_ctl.management.live import CLIENT, Live, parts_of_log

_NOT_OURS: Final = "ask whoever started its scheduler"


class Seen(Live):
    """A scheduler, of which nothing but its address is known.

    Parameters
    ----------
    address : str
        Where it listens.
    identity : mapping, optional
        What it has said of itself already.
    security : mapping, optional
        The keywords of a `distributed.Security`.
    name, discovery, record
        As of `Live`; its name is its address otherwise.
    """

    address: str

    def __init__(
        self,
        address: str,
        discovery: str = "schedulers",
        *,
        identity: Mapping[str, Any] | None = None,
        security: Mapping[str, Any] | None = None,
        record: records.Record | None = None,
    ) -> None:
        super().__init__(record.name if record else address, discovery, record)
        self.address, self.identity = address, plausible(identity)
        self._is_news = bool(identity)
        self.security = dict(security or {})

    @property
    def type(self) -> str | None:
        """That of whoever started it, if its scheduler says."""
        said = self.identity.get("manager", {}).get("type")
        return said if isinstance(said, str) else None

    @property
    def called(self) -> str:
        """The class that attaches to it, whatever started it."""
        return "dask_ctl.proxy.ProxyCluster"

    @property
    def key(self) -> tuple[str | None, str]:
        """A scheduler has more than one address: tcp://localhost:8786, tcp://127.0.0.1:8786."""
        return None, self.identity.get("id") or self.address

    async def _asked(self, timeout: float) -> dict[str, Any]:
        if not self._is_news:
            if self.record is not None:
                await asyncio.to_thread(self.record.refuse_strangers)
            said = await listening.identity(self.address, timeout, self.security)
            self.identity = plausible(said)
        self._is_news = False
        created = {} if self.record else {"created": started(self.identity), "type": self.type}
        return {"status": "running", **of_scheduler(self.identity), **created}

    def connect(self, *, asynchronous: bool) -> Any:
        """By its address."""
        from dask_ctl.proxy import ProxyCluster

        if self.record is not None:
            self.record.refuse_strangers()
        security = self.security or None
        return ProxyCluster(self.address, asynchronous=asynchronous, security=security)

    async def scale(self, n: int, deadline: float | None) -> None:
        """Refuse: its workers are not ours."""
        self.cannot("scale", _NOT_OURS)

    async def adapt(self, options: Mapping[str, Any], deadline: float | None) -> None:
        """Refuse: its workers are not ours."""
        self.cannot("adapt", _NOT_OURS)

    async def delete(self, deadline: float) -> None:
        """Refuse, or only forget what was recorded: it is not ours to end."""
        if self.record is not None:
            records.remove(self.record.name)
            return
        raise BackendError(
            f"the scheduler at {self.address} was started by somebody else",
            remedy="end the process that started it",
        )

    def logs(self, wanted: logs.Wanted) -> Iterator[str]:
        """What its scheduler and its workers remember of their logs."""
        wanted.refuse_to_follow(self.called)
        with self.connect(asynchronous=False) as cluster:
            yield from parts_of_log(logs.of_cluster(cluster, wanted))

    def snippet(self) -> str:
        """By its address."""
        given = f", security={self.security!r}" if self.security else ""
        return CLIENT.format(
            imports="from dask_ctl.proxy import ProxyCluster",
            call=f"ProxyCluster.from_name({self.address!r}{given})",
        )
