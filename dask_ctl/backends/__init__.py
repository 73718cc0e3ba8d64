"""What must be known of a class of clusters, a room each.

A room is found by the names of a class's bases, so that no backend is imported for it. Packages
bring rooms of their own in the entry-point group ``dask_ctl.backends``.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.resources import files
from typing import Any, Final

from dask_ctl.backends.base import Backend
from dask_ctl.backends.ledger import Ledger
from dask_ctl.backends.sighting import Sighting

__all__ = [
    "Backend",
    "Ledger",
    "Sighting",
    "homes",
    "installing",
    "room_of",
    "room_of_made",
    "rooms",
    "template",
]

GROUP: Final = "dask_ctl.backends"
_OWN: Final = (
    "local", "ssh", "jobqueue", "runners", "mpi", "kubernetes", "gateway", "scheduler", "coiled",
    "cloudprovider",
)  # fmt: skip


def room_of(target: Any) -> Backend:
    """The room of a class or function, that of its nearest base which has one."""
    for base in target.__mro__ if inspect.isclass(target) else (target,):
        name = f"{getattr(base, '__module__', None)}.{getattr(base, '__qualname__', None)}"
        # Others are looked for only where a class is none of those known here: that takes longer
        # than all else that is done for a cluster.
        room = _by_class(_own()).get(name)
        if room is None and not name.startswith(("builtins.", "distributed.", "dask_jobqueue.")):
            room = _by_class(_others()).get(name)
        if room is not None:
            return room(target)
    return Backend(target)


def room_of_made(room: Backend, cluster: Any) -> Backend:
    """The room of what was made: of a function, or of a class that gives another's object, too."""
    return room_of(type(cluster)) if type(room) is Backend else room


def rooms() -> Iterator[type[Backend]]:
    """All rooms: those of this package, then what others bring."""
    yield Backend
    yield from _own()
    yield from _others()


def installing(module: str) -> str | None:
    """What ``pip`` installs for a module, if it is one of a backend's."""
    return next((room.packages[module] for room in rooms() if module in room.packages), None)


def homes(name: str) -> Iterator[tuple[str, str]]:
    """The modules that have a class of a name, and its name there: those of the templates."""
    import yaml  # only a mistake pays for it

    for room in rooms():
        for each in room.templates:
            spec = yaml.safe_load(template(each))
            if spec["class"].casefold() == name.casefold():
                yield spec["module"], spec["class"]


def template(name: str) -> str:
    """The spec that ``dask cluster spec init`` begins with.

    Raises
    ------
    KeyError
        If no room has one of that name.
    """
    for room in rooms():
        if name in room.templates:
            beside = files(room.__module__.rpartition(".")[0])
            return (beside / "templates" / f"{name}.yaml").read_text(encoding="utf-8")
    raise KeyError(name)


@cache
def _own() -> tuple[type[Backend], ...]:
    modules = (import_module(f"{__name__}.{name}") for name in _OWN)
    return tuple(room for module in modules for room in module.ROOMS)


@cache
def _others() -> tuple[type[Backend], ...]:
    return tuple(entry_point.load() for entry_point in entry_points(group=GROUP))


@cache
def _by_class(of: tuple[type[Backend], ...]) -> dict[str, type[Backend]]:
    return {name: room for room in of for name in room.classes}
