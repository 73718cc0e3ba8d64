"""What dask's configuration gives a backend itself, in sections such as ``jobqueue.slurm``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import dask.config

from dask_ctl.exceptions import DaskCtlError
from dask_ctl.spec.config import BY_PACKAGES, collect
from dask_ctl.spec.located import Located, Origin, Source, lookup
from dask_ctl.spec.secrets import masked

_IN_CODE: Final = Origin(Source.SET, "dask.config.set")


@dataclass(frozen=True)
class Inherited:
    """A value that the backend takes from there.

    Parameters
    ----------
    section : str
        The section, dotted.
    name : str
        The key in it, as it is written.
    value : object
        What it holds.
    origin : Origin
        Where it was given.
    """

    section: str
    name: str
    value: Any
    origin: Origin

    @property
    def key(self) -> str:
        """The whole key: ``jobqueue.slurm.memory``."""
        return f"{self.section}.{self.name}"

    def shown(self, *, show_secrets: bool = False) -> Any:
        """Its value, masked where it looks secret."""
        return self.value if show_secrets else masked({self.name: self.value})[self.name]


def inherited(section: str, in_force: Located | None = None) -> Iterator[Inherited]:
    """What users have given in a section; what packages have there by default is left out.

    Parameters
    ----------
    section : str
        Its dotted name.
    in_force : Located, optional
        What of dask's configuration a spec itself sets.
    """
    found = value_at(section)
    if not isinstance(found, Mapping):
        return
    namespace, *inner = section.split(".")
    layers = list(_layers(namespace, in_force))
    for name, value in found.items():
        given = [part for layer in layers if (part := lookup(layer, *inner, str(name))) is not None]
        same = [part for part in given if part.plain() == value]
        origin = (same or given)[0].origin if same or _is_merged(value, given) else _IN_CODE
        if value is not None and origin != BY_PACKAGES:
            yield Inherited(section, str(name), value, origin)


def value_at(key: str) -> Any:
    """What dask's configuration has at a dotted key, or None."""
    try:
        return dask.config.get(key, default=None)
    except TypeError:  # something above it is no mapping
        return None


def _layers(namespace: str, in_force: Located | None) -> Iterator[Located]:
    own = lookup(in_force, namespace) if in_force is not None else None
    if own is not None:
        yield own
    with suppress(DaskCtlError):  # dask itself reads what we would not
        yield from collect(namespace=namespace)


def _is_merged(value: Any, given: list[Located]) -> bool:
    """Whether a mapping may have come together from several sources."""
    return isinstance(value, Mapping) and len(given) > 1
