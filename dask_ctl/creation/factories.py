"""Whether what a spec names makes clusters, as far as can be told without calling it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from typing import Any, Final, get_type_hints

from dask_ctl.backends import Backend, room_of, rooms
from dask_ctl.spec import settings

# delete_cluster and its like are named after what is done to a cluster.
_FACTORY: Final = re.compile(
    r"\w*(Cluster|Runner)|cluster|(make|create|start|launch|build|new|get|open)_(\w+_)?cluster"
)


def makes_clusters(module: str, name: str, target: Any) -> bool:
    """Whether `target`, which a spec names so, may be called; what it gives is looked at then."""
    if _module_of(target).startswith("dask_ctl.lifecycle"):
        return False  # which would begin again
    if f"{module}.{name}" in settings.trusted():
        return callable(target)
    return _looks_like_it(target) or (
        callable(target)
        and _FACTORY.fullmatch(name) is not None
        and all(map(_is_of_daskers, {module, _module_of(target)}))
    )


def has_cluster_interface(made: Any) -> bool:
    """Whether an object has what every cluster and Runner has."""
    return hasattr(made, "scheduler_address") and callable(getattr(made, "close", None))


def _looks_like_it(target: Any) -> bool:
    if inspect.isclass(target):
        return _is_called(target)
    if not inspect.isroutine(target):
        return False
    try:
        if "asynchronous" in inspect.signature(target).parameters:
            return True
        returned = get_type_hints(target).get("return")
    except (ValueError, TypeError, NameError, AttributeError):
        return False  # no signature, or annotations that cannot be read
    return inspect.isclass(returned) and _is_called(returned)


def _is_called(target: type) -> bool:
    return _is_cluster_class(target) or room_of(target).launcher is not None


def _is_cluster_class(target: type) -> bool:
    # Some give only their objects a scheduler_address.
    scales = hasattr(target, "scale") and hasattr(target, "adapt")
    return callable(getattr(target, "close", None)) and (
        scales or hasattr(target, "scheduler_address")
    )


def _module_of(target: Any) -> str:
    """Where a class or function is defined, or the class of an object that can be called."""
    return str(getattr(target, "__module__", None) or type(target).__module__)


def _is_of_daskers(module: str) -> bool:
    """Whether a module is of an installed distribution that itself requires dask or a backend."""
    backends = set(_packages())
    for distribution in packages_distributions().get(module.partition(".")[0], ()):
        try:
            needed = requires(distribution) or []
        except PackageNotFoundError:
            continue
        names = {_normal(each) for each in needed if "extra ==" not in each}
        if names & backends:
            return True
    return False


def _packages() -> Iterator[str]:
    """What is installed for dask itself, and for the classes of the rooms."""
    for room in rooms():
        defined = {name.partition(".")[0] for name in room.classes}
        for module, package in room.packages.items():
            if room is Backend or module.partition(".")[0] in defined:
                yield _normal(package.strip("'"))


def _normal(requirement: str) -> str:
    """The name in a requirement, as packages are compared by (PEP 503)."""
    name = re.match(r"[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", name[0]).lower() if name else ""
