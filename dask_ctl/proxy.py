"""A cluster object for a scheduler that somebody else started, given its address."""

from __future__ import annotations

import asyncio
import atexit
import os
import weakref
from collections.abc import Generator, Mapping
from contextlib import suppress
from typing import Any, Final, NoReturn

import dask.config
from dask.utils import parse_timedelta
from distributed import Security, Status, rpc
from distributed.deploy.cluster import Cluster
from distributed.objects import SchedulerInfo
from tornado.ioloop import IOLoop, PeriodicCallback

from dask_ctl import _earlier
from dask_ctl.exceptions import BackendError, InvalidSpecError

_INTERVAL: Final = 2.0  # seconds, as a Client
_TLS_FILES: Final = ("tls_ca_file", "tls_client_cert", "tls_client_key")


class ProxyCluster(Cluster):  # type: ignore[misc]  # distributed has no types
    """Attach to a running scheduler; closing this only disconnects from it.

    Parameters
    ----------
    address : str
        The address of the scheduler: ``tcp://host:port`` or ``tls://host:port``.
    security : Security or mapping, optional
        How to identify to the scheduler, or the keywords of a `distributed.Security`. By
        default dask's configuration decides (``distributed.comm.tls``).
    timeout : float or str, optional
        How long to wait for the scheduler, in seconds or as a text with a unit. By default
        ``distributed.comm.timeouts.connect`` of dask's configuration.
    asynchronous : bool
        Whether this is for a running event loop: await it, or use ``async with``.
    loop : tornado.ioloop.IOLoop, optional
        The event loop to use.

    Raises
    ------
    BackendError
        If no scheduler answers.
    InvalidSpecError
        If `security` is wrong.

    Examples
    --------
    >>> from distributed import Client, LocalCluster
    >>> with LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as running:
    ...     with ProxyCluster(running.scheduler_address) as cluster, Client(cluster) as client:
    ...         client.submit(sum, [1, 2]).result()
    ...     running.status.name
    3
    'running'
    """

    _supports_scaling = False

    def __init__(
        self,
        address: str,
        *,
        security: Security | Mapping[str, Any] | None = None,
        timeout: float | str | None = None,
        asynchronous: bool = False,
        loop: IOLoop | None = None,
    ) -> None:
        if timeout is None:
            timeout = dask.config.get("distributed.comm.timeouts.connect")
        self.security = as_security(security)
        self._timeout = parse_timedelta(timeout, default="seconds")
        self._address = address
        super().__init__(
            asynchronous=asynchronous,
            loop=IOLoop.current() if asynchronous and loop is None else loop,
            name=address,
        )
        _attached.add(self)
        if not self.called_from_running_loop:
            self._loop_runner.start()
            try:
                self.sync(self._start)
            except BaseException:
                self.close()
                raise

    @classmethod
    def from_name(cls, name: str, **kwargs: Any) -> ProxyCluster:
        """Attach to a scheduler by its address or its port; other arguments as of the class."""
        return cls(_earlier.address(name) or name, **kwargs)

    @classmethod
    def from_port(cls, port: int, **kwargs: Any) -> ProxyCluster:
        """Attach to the scheduler at a port of this machine; other arguments as of the class."""
        return cls.from_name(f"localhost:{port}", **kwargs)

    def __await__(self) -> Generator[Any, None, ProxyCluster]:
        async def started() -> ProxyCluster:
            if self.status == Status.created:
                await self._start()
            return self

        return started().__await__()

    async def _start(self) -> None:
        self.status = Status.starting
        try:
            self.scheduler_comm = rpc(
                self._address,
                timeout=self._timeout,
                connection_args=self.security.get_connection_args("client"),
            )
            # What listens there may be no scheduler, and never answer.
            await asyncio.wait_for(self._look(), self._timeout)
        except Exception as error:
            await self._close()
            text = " ".join(str(error).split()) or f"no answer within {self._timeout:g} s"
            raise BackendError(
                f"no scheduler can be reached at {self._address}: {text}",
                remedy="check the address, that the scheduler runs, and whether it wants TLS",
            ) from error
        looking = PeriodicCallback(self._look_again, _INTERVAL * 1000)
        self.periodic_callbacks["scheduler-info"] = looking
        looking.start()
        self.status = Status.running

    async def _look(self) -> None:
        # A scheduler reports its workers to one cluster only, the last that subscribed, and its
        # owner needs that. So this one asks, and neither subscribes nor tells its own name.
        self.scheduler_info = SchedulerInfo(await self.scheduler_comm.identity())

    async def _look_again(self) -> None:
        with suppress(OSError):  # a client, if there is one, says that the scheduler has gone
            await self._look()

    def close(self, timeout: float | None = None) -> Any:
        """Disconnect; scheduler and workers stay as they are."""
        closed = super().close(timeout)
        if not self.asynchronous:
            self._loop_runner.stop()
        return closed

    def scale(self, n: int) -> None:
        """Refuse: the workers are not ours."""
        del n
        self._refuse("scaled")

    def adapt(self, **kwargs: Any) -> None:
        """Refuse: the workers are not ours."""
        del kwargs
        self._refuse("adapted")

    def _refuse(self, what: str) -> NoReturn:
        raise BackendError(
            f"the workers of {self._address} cannot be {what} from here",
            remedy="ask whoever started its scheduler",
        )


def __getattr__(name: str) -> Any:
    return _earlier.imported(__name__, name)


_attached: weakref.WeakSet[ProxyCluster] = weakref.WeakSet()


@atexit.register
def _disconnect() -> None:
    for cluster in list(_attached):
        if cluster.status != Status.closed and not cluster.asynchronous:
            cluster.close(timeout=10)


def as_security(given: Security | Mapping[str, Any] | None) -> Security:
    """The credentials that a spec gives, whose files are there.

    Raises
    ------
    InvalidSpecError
        If a keyword of `distributed.Security` is wrong, or a file is missing.
    """
    if isinstance(given, Security):
        return given
    try:
        security = Security(**(given or {}))
    except (TypeError, ValueError) as error:
        raise InvalidSpecError(
            str(error), remedy="see the keywords of distributed.Security", key="kwargs.security"
        ) from error
    for field in _TLS_FILES:
        path = getattr(security, field)
        if path and "\n" not in path and not os.path.isfile(path):
            # OpenSSL does not say which file it misses.
            raise InvalidSpecError(
                f"there is no file {path!r}",
                remedy="name a PEM file, from the current directory or absolute",
                key=f"kwargs.security.{field}",
            )
    return security
