"""Specs that installed packages bring, by entry points of the group ``dask_ctl.specs``.

An entry point's name is the spec's. Its value is a package or module beside which ``<name>.yaml``
lies, or ``package:path/in/the/package.yaml``.
"""

from __future__ import annotations

import importlib.resources
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.resources.abc import Traversable
from typing import Final

from dask_ctl.exceptions import BackendError
from dask_ctl.spec.located import Origin, Source

GROUP: Final = "dask_ctl.specs"


@dataclass(frozen=True)
class PackagedSpec:
    """A spec in a package.

    Parameters
    ----------
    name : str
        What to call it by.
    place : str
        The file and its package, as messages name it.
    entry_point : EntryPoint
        What names it.
    """

    name: str
    place: str
    entry_point: EntryPoint

    @property
    def origin(self) -> Origin:
        """Where it stands."""
        return Origin(Source.FILE, self.place)

    def read(self) -> str:
        """Its text; the package is looked into, not imported.

        Raises
        ------
        BackendError
            If it cannot be read.
        """
        module, path = _parts(self.entry_point)
        try:
            return _folder(module).joinpath(path).read_text(encoding="utf-8-sig")
        except Exception as error:
            raise BackendError(
                f"cannot be read: {error}",
                remedy="see whether the package is whole",
                origin=self.place,
            ) from error


def packaged_specs() -> Iterator[PackagedSpec]:
    """All of them."""
    for point in entry_points(group=GROUP):
        module, path = _parts(point)
        package = point.dist.name if point.dist else module
        yield PackagedSpec(point.name, f"{package}/{path}", point)


def _parts(point: EntryPoint) -> tuple[str, str]:
    """The module, and the file in its folder."""
    module, _, path = point.value.partition(":")
    return module.strip(), path.strip() or f"{point.name}.yaml"


def _folder(module: str) -> Traversable:
    """The folder of a module, which is not run for it; packages above it are."""
    spec = importlib.util.find_spec(module)
    if spec is None:
        raise ModuleNotFoundError(f"there is no module {module!r}")
    return importlib.resources.files(importlib.util.module_from_spec(spec))
