"""The frozen value that a spec is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from dask_ctl.exceptions import InvalidSpecError
from dask_ctl.spec.keys import LATE
from dask_ctl.spec.located import Located

_SELDOM: Final = ("env", "config", "idle_timeout")


@dataclass(frozen=True, kw_only=True)
class ClusterSpec:
    """Which cluster to make, and how: a checked, frozen spec.

    Where a value is one placeholder, such as ``${env:N}``, it is that text until it is expanded.

    Parameters
    ----------
    module : str
        The module to import.
    class_ : str
        The cluster class in it, or a function that returns a cluster; ``class`` in a file.
    args : tuple
        Positional arguments.
    kwargs : mapping
        Keyword arguments.
    scale : int or mapping, optional
        The number of workers to scale to once the cluster is up, or the keyword arguments of
        ``cluster.scale``.
    adapt : mapping, optional
        Keyword arguments of ``cluster.adapt`` once the cluster is up.
    env : mapping
        Environment variables of scheduler and workers, by name.
    config : mapping
        Dask's configuration in force with this cluster.
    idle_timeout : str or float, optional
        How long it may have no work before it ends; without a unit in seconds.
    version : int
        The version of the format.
    """

    module: str
    class_: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    scale: int | Mapping[str, Any] | None = None
    adapt: Mapping[str, Any] | None = None
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    config: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    idle_timeout: str | float | None = None
    version: int = 1

    @property
    def target(self) -> str:
        """The dotted name of what is called."""
        return f"{self.module}.{self.class_}"

    def as_dict(self) -> dict[str, Any]:
        """The spec as the mapping that a file would hold, in fresh containers.

        What few specs have is there only where it is given.
        """
        plain = {key.name: thawed(getattr(self, key.attribute)) for key in LATE}
        return {name: part for name, part in plain.items() if part or name not in _SELDOM}


def build(tree: Located) -> ClusterSpec:
    """Make the frozen spec from a checked and merged tree.

    Raises
    ------
    InvalidSpecError
        If module or class is missing.
    """
    for key in ("module", "class"):
        if key not in tree.value:
            example = "dask.distributed" if key == "module" else "LocalCluster"
            raise InvalidSpecError(
                "missing", remedy=f"add '{key}: {example}'", origin=tree.origin, key=key
            )
    plain = tree.plain()
    values = {
        key.attribute: _freeze(key.default if plain.get(key.name) is None else plain[key.name])
        for key in LATE
    }
    return ClusterSpec(**values)


def _freeze(value: Any) -> Any:
    if isinstance(value, dict):
        return MappingProxyType({key: _freeze(part) for key, part in value.items()})
    if isinstance(value, list):
        return tuple(_freeze(part) for part in value)
    return value


def thawed(value: Any) -> Any:
    """The same in fresh dicts and lists."""
    if isinstance(value, (dict, MappingProxyType)):
        return {key: thawed(part) for key, part in value.items()}
    if type(value) is tuple:
        return [thawed(part) for part in value]
    return value
