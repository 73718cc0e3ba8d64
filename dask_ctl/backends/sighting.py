"""What a service says of a cluster."""

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
        What to call it; ``place/name`` where names are unique in places only.
    arguments : mapping
        What, besides the name, is needed to connect to it.
    address : str, optional
        Where its scheduler listens, if that is all that is known of it.
    known : mapping
        What the service says of it: fields of a `ClusterInfo`. Where that tells its status, nobody
        connects to it to list it.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    address: str | None = None
    known: Mapping[str, Any] = field(default_factory=dict)
