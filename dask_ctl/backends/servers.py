"""What distributed's own servers take, and how they read it, wherever a class hands it to them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from dask.utils import parse_timedelta

from dask_ctl.exceptions import Problem
from dask_ctl.spec import trust
from dask_ctl.spec.checks import kind

LEAST_MEMORY: Final = 1_000_000  # bytes in which a worker can live, whatever it does
_LOADED: Final = ("preload", "preload_nanny")
_OBJECTS: Final = {
    "loop": "remove it: a cluster runs in the event loop of its process",
    "security": "write true for credentials of its own, or ${import:MODULE:NAME}",
}


def not_objects(kwargs: Mapping[str, Any]) -> Iterator[Problem]:
    """Plain values of arguments that are objects of Python."""
    for name, remedy in _OBJECTS.items():
        if type(value := kwargs.get(name)) in (str, int, float, list, dict):
            yield Problem(f"must be an object, not {kind(value)}", remedy, key=f"kwargs.{name}")


def unreadable(kwargs: Mapping[str, Any], key: str = "kwargs") -> Iterator[Problem]:
    """What a server could not read of its arguments, and of those in ``worker_options`` and such.

    Parameters
    ----------
    kwargs : mapping
        Keyword arguments.
    key : str
        Where they stand in a spec.
    """
    for name, value in kwargs.items():
        if isinstance(value, Mapping) and name in of_servers(kwargs):
            yield from unreadable(value, f"{key}.{name}")
        elif isinstance(value, (str, float)) and name in _READERS:
            read, what, remedy = _READERS[name]
            try:
                read(value)
            except (ValueError, LookupError, OverflowError):
                yield Problem(f"{value!r} is no {what}", remedy, key=f"{key}.{name}")


def strangers(kwargs: Mapping[str, Any], key: str = "kwargs") -> Iterator[Problem]:
    """Files in the current directory that a server would load as code, and others may have written.

    A path from elsewhere is meant; one that is relative may meet any file.
    """
    for name, value in kwargs.items():
        if isinstance(value, Mapping) and name in of_servers(kwargs):
            yield from strangers(value, f"{key}.{name}")
        for each in value if isinstance(value, list) else [value]:
            found = name in _LOADED and isinstance(each, str) and each.endswith(".py")
            if not found or os.path.isabs(each) or not os.path.isfile(each):
                continue
            if doubt := trust.distrust(Path.cwd() / each, trust.owners()):
                remedy = doubt.or_else("name it by its whole path if you trust it")
                yield Problem(
                    f"{each}: {doubt.reason}, and it is code", remedy, key=f"{key}.{name}"
                )


def _read_address(value: object) -> None:
    from distributed.utils import clean_dashboard_address

    clean_dashboard_address(str(value))


_READERS: Final[Mapping[str, tuple[Callable[[Any], object], str, str]]] = {
    **dict.fromkeys(
        (  # of schedulers, workers, clusters and their adapting
            "interval",
            "target_duration",
            "death_timeout",
            "heartbeat_interval",
            "idle_timeout",
            "lifetime",
            "lifetime_stagger",
            "profile_cycle_interval",
            "scheduler_sync_interval",
            "timeout",
        ),
        (parse_timedelta, "time", "write 90, 90s, 5m or 2h"),
    ),
    "dashboard_address": (_read_address, "address", "write HOST:PORT or :PORT"),
}


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
