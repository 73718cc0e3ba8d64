"""What creating a cluster, or getting one, gives."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Protocol, Self


class Cluster(Protocol):
    """The backend's own object, by what it has in common with others.

    It has more, which its class documents. A Runner takes its workers from its job: it has
    neither `name` nor `dashboard_link`, `scale` nor `adapt`.
    """

    @property
    def name(self) -> Any:
        """What its class calls it."""

    @property
    def status(self) -> Any:
        """Whether it runs; a `distributed.Status` for most classes, a text for some."""

    @property
    def scheduler_address(self) -> str:
        """Where its scheduler listens."""

    @property
    def dashboard_link(self) -> Any:
        """The address of its dashboard, if it has one."""

    def scale(self, n: int) -> Any:
        """Have `n` workers."""

    def adapt(self, **kwargs: Any) -> Any:
        """Have as many workers as the work needs."""

    def close(self) -> Any:
        """End it, or let go of it if it was there before; awaitable in a running loop."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc_info: object) -> Any: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *exc_info: object) -> Any: ...
    def __await__(self) -> Generator[Any, None, Self]: ...
