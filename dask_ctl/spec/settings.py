"""What dask's configuration says of discovery, of trust and of notes."""

from __future__ import annotations

from typing import Any

import dask.config
from dask.utils import parse_timedelta

from dask_ctl import _earlier
from dask_ctl.exceptions import InvalidSpecError
from dask_ctl.spec.defaults import DEFAULTS, NAMESPACE


def discovery_timeout() -> float:
    """How long a method, and each connection, may take, in seconds."""
    given = _get("discovery.timeout")
    try:
        seconds = float(parse_timedelta(given, default="seconds"))
    except (TypeError, ValueError, KeyError):
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise _unreadable("discovery.timeout", given, "write a time, such as 5s")
    return seconds


def discovery_schedulers() -> list[str]:
    """The addresses of schedulers to look for."""
    return _words("discovery.schedulers", "write a list of addresses: [tcp://10.0.0.1:8786]")


def discovery_gateways() -> list[str]:
    """The addresses of gateways to ask."""
    return _words("discovery.gateways", "write a list of addresses: [https://gateway.example.org]")


def disabled_discovery() -> list[str]:
    """The names of the methods that are not used."""
    names = _words("disable-discovery", "write a list of names: [kubecluster]")
    return [_earlier.method(name) for name in names]


def trusted() -> list[str]:
    """What a spec may name besides what looks like a cluster: ``package.Name`` each."""
    return _words("trusted", "write a list of names: [package.Name]")


def waiting_notes() -> bool:
    """Whether a script says what its workers wait for."""
    given = _get("waiting-notes")
    known = {"true": True, "false": False}.get(str(given).lower())
    if known is None:
        raise _unreadable("waiting-notes", given, "write true or false")
    return known


def _words(key: str, example: str) -> list[str]:
    given = _get(key)
    words = given
    if isinstance(given, str):  # a variable's text need not be quoted: a,b and [a, b]
        words = [word.strip(" '\"") for word in given.strip("[] ").split(",")]
    if not isinstance(words, (list, tuple)) or not all(isinstance(word, str) for word in words):
        raise _unreadable(key, given, example)
    return [word for word in words if word]


def _get(key: str) -> Any:
    default: Any = DEFAULTS[NAMESPACE]
    for part in key.split("."):
        default = default[part]
    try:
        given = dask.config.get(f"{NAMESPACE}.{key}", default=None)
    except TypeError:  # something above it is no mapping
        given = None
    return default if given is None else given


def _unreadable(key: str, given: Any, example: str) -> InvalidSpecError:
    return InvalidSpecError(
        f"{given!r} cannot be read", remedy=example, origin="dask's configuration",
        key=f"{NAMESPACE}.{key}",
    )  # fmt: skip
