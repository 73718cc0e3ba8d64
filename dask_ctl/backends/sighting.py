"""A cluster as its service shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """A cluster that a service says it has.

    Parameters
    ----------
    name : str
        What its class calls it.
    place : str, optional
        Where names are unique, if they are not everywhere; ``place/name`` calls it too.
    arguments : mapping
        What, besides the name, is needed to connect to it.
    address : str, optional
        Where its scheduler listens, if that is all that is known of it.
    known : mapping
        What the service says of it, as a `ClusterInfo`; with a status, listing it connects nobody.
    """

    name: str
    place: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    address: str | None = None
    known: Mapping[str, Any] = field(default_factory=dict)
