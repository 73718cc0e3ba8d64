"""Machines in the cloud, by Coiled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any, ClassVar, Final

import dask.config

from dask_ctl.backends.base import Backend
from dask_ctl.backends.sighting import Sighting
from dask_ctl.backends.signature import with_options
from dask_ctl.exceptions import BackendError, Problem
from dask_ctl.spec.quantities import bytes_of
from dask_ctl.spec.secrets import written

_SIZES: Final = ("worker_memory", "scheduler_memory", "worker_disk_size", "scheduler_disk_size")


class Coiled(Backend):
    """``coiled.Cluster``, which connects to a cluster of its name if there is one."""

    classes = ("coiled.v2.cluster.Cluster",)
    public_name = "coiled.Cluster"
    packages = {"coiled": "coiled"}
    templates = ("coiled",)
    by_command = True
    service = "coiled"
    can_be_left = True
    inherits_config = True  # by its argument send_dask_config
    options_of_servers = True
    accepted: ClassVar[Mapping[str, tuple[type, ...]]] = {
        **Backend.accepted,
        "worker_vm_types": (str,),
        "scheduler_vm_types": (str,),
    }

    def refusals(self, kwargs: Mapping[str, Any]) -> Iterator[Problem]:
        """Sizes that it cannot read."""
        yield from super().refusals(kwargs)
        for name in _SIZES:
            sizes = kwargs.get(name)
            for size in sizes if isinstance(sizes, list) else [sizes]:
                if isinstance(size, str) and bytes_of(size) is None:
                    remedy = "write a size with its unit: 16GiB"
                    yield Problem(f"{size!r} is no size", remedy, key=f"kwargs.{name}")

    def require(self, kwargs: Mapping[str, Any], env: Mapping[str, str]) -> None:
        """A token: without one the first call starts a login, and waits for it."""
        if kwargs.get("cloud") is None and not dask.config.get("coiled.token", None):
            raise BackendError(
                "no token of Coiled is configured",
                remedy="run 'coiled login' once, or set DASK_COILED__TOKEN",
            )

    def section(
        self, classes: Iterable[str], kwargs: Mapping[str, Any]
    ) -> tuple[str, Mapping[str, str]]:
        """Its namespace."""
        return "coiled", {}

    def with_variables(
        self, kwargs: Mapping[str, Any], variables: Mapping[str, str]
    ) -> dict[str, Any]:
        """By an argument."""
        return with_options(kwargs, "environ", **variables)

    def when_idle(self, kwargs: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """By an argument."""
        return {"idle_timeout": f"{seconds:g} seconds", **kwargs}

    def remembered(self, cluster: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Whose it is."""
        return written(kwargs, ("workspace", "account"))

    def connect(self, name: str, arguments: Mapping[str, Any], *, asynchronous: bool) -> Any:
        """Its constructor does what ``from_name`` of others does."""
        given = {"name": name, "shutdown_on_close": False, **arguments}
        return self.target(asynchronous=asynchronous, **given)

    def delete(self, name: str, arguments: Mapping[str, Any], deadline: float) -> None:
        """Have the service end it."""
        import coiled

        coiled.delete_cluster(name=name, **arguments)

    def snippet(self, name: str, arguments: Mapping[str, Any]) -> tuple[str, str]:
        """By its constructor."""
        given = "".join(f", {key}={value!r}" for key, value in arguments.items())
        return "from coiled import Cluster", f"Cluster(name={name!r}{given})"

    @classmethod
    def is_configured(cls) -> bool:
        """Whether there is a token."""
        configured = dask.config.get("coiled.token", default=None)
        return bool(configured) and find_spec("coiled") is not None

    @classmethod
    async def sightings(cls) -> AsyncIterator[Sighting]:
        """The user's clusters."""
        import coiled

        for cluster in await asyncio.to_thread(coiled.list_clusters, just_mine=True):
            state = (cluster.get("current_state") or {}).get("state")
            if state not in ("stopped", "error"):
                yield Sighting(name=cluster["name"])


ROOMS = (Coiled,)
