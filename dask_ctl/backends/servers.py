"""What distributed's own servers take, and how they read it, wherever a class hands it to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from dask.utils import parse_timedelta

from dask_ctl.exceptions import Problem
from dask_ctl.spec.checks import kind

# Of schedulers, workers, clusters and their adapting.
_TIMES: Final = (
    "interval",
    "target_duration",
    "death_timeout",
    "heartbeat_interval",
    "idle_timeout",
    "lifetime",
    "lifetime_stagger",
    "scheduler_sync_interval",
    "timeout",
)
_OBJECTS: Final = {
    "loop": "remove it: a cluster runs in the event loop of its process",
    "security": "write true for credentials of its own, or ${import:MODULE:NAME}",
}


def unreadable(kwargs: Mapping[str, Any], key: str = "kwargs") -> Iterator[Problem]:
    """What a server could not read of its arguments, and of those in ``worker_options`` and such.

    Parameters
    ----------
    kwargs : mapping
        Keyword arguments.
    key : str
        Where they stand in a spec.
    """
    from distributed.utils import clean_dashboard_address

    readers: dict[str, tuple[Callable[[Any], object], str]] = {
        **dict.fromkeys(_TIMES, (parse_timedelta, "is no time; write 90, 90s, 5m or 2h")),
        "dashboard_address": (clean_dashboard_address, "is no address; write HOST:PORT or :PORT"),
    }
    for name, remedy in _OBJECTS.items() if key == "kwargs" else ():
        if type(value := kwargs.get(name)) in (str, int, float, list, dict):
            yield Problem(f"must be an object, not {kind(value)}", remedy, key=f"{key}.{name}")
    for name, value in kwargs.items():
        read, wrong = readers.get(name, (None, ""))
        if read is not None and isinstance(value, str):
            try:
                read(value)
            except Exception:  # noqa: BLE001 -- whatever it says
                problem, _, remedy = wrong.partition("; ")
                yield Problem(f"{value!r} {problem}", remedy, key=f"{key}.{name}")
        elif isinstance(value, Mapping) and name in of_servers(kwargs):
            yield from unreadable(value, f"{key}.{name}")


def of_servers(kwargs: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What takes the arguments in ``scheduler_options``, ``worker_kwargs`` and their like.

    Of a class of the user's own that is not known.
    """
    from distributed import Nanny, Scheduler, Worker

    schedulers = [] if {"scheduler_cls", "scheduler_class"} & kwargs.keys() else [Scheduler]
    workers = [] if "worker_class" in kwargs else [Nanny, Worker, _several]
    return {
        f"{role}_{ending}": takers
        for role, takers in (("scheduler", schedulers), ("worker", workers))
        for ending in ("options", "kwargs")
    }


def options(
    scheduler_options: dict[str, Any] | None = None,
    scheduler_kwargs: dict[str, Any] | None = None,
    worker_options: dict[str, Any] | None = None,
    worker_kwargs: dict[str, Any] | None = None,
) -> None:
    """What these arguments are; not every class says so."""


def _several(n_workers: int = 1) -> None:
    """What ``SSHCluster`` itself takes from its ``worker_options`` (distributed 2026.8)."""
