"""What dask's configuration says of discovery, of trust and of notes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import dask.config

from dask_ctl import _earlier
from dask_ctl.exceptions import InvalidSpecError, Problem
from dask_ctl.spec.checks import suggested
from dask_ctl.spec.config import Configuration
from dask_ctl.spec.defaults import DEFAULTS, NAMESPACE
from dask_ctl.spec.located import Located, Origin, Source
from dask_ctl.spec.quantities import seconds_of


def discovery_timeout() -> float:
    """How long a method, and each connection, may take, in seconds."""
    given = _get("discovery.timeout")
    seconds = seconds_of(given)
    if not seconds:
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


def unreadable() -> Iterator[Problem]:
    """What of all this cannot be read, as a check finds it before it is needed."""
    for read in (
        discovery_timeout,
        discovery_schedulers,
        discovery_gateways,
        disabled_discovery,
        trusted,
        waiting_notes,
    ):
        try:
            read()
        except InvalidSpecError as error:
            yield error.problem


def unread(configuration: Configuration) -> Iterator[Problem]:
    """Warnings of what is configured and nothing reads: unknown keys, and variables nearly ours."""
    known = DEFAULTS[NAMESPACE]
    for layer in configuration.layers:
        yield from _unknown(layer, known, NAMESPACE)
    begins = f"DASK_{NAMESPACE.upper()}_"
    for name in os.environ:
        key = name.removeprefix(begins).lower()
        if name.startswith(begins) and key.partition("__")[0].replace("_", "-") in known:
            yield Problem(
                severity="warning",
                summary="is not read",
                remedy=f"write two underscores: {begins}_{key.upper()}",
                origin=Origin(Source.ENVIRONMENT, name),
            )


def _unknown(layer: Located, known: dict[str, Any], path: str) -> Iterator[Problem]:
    for key, part in layer.value.items():
        name = dask.config.canonical_name(str(key), known)
        if name not in known:
            yield Problem(
                severity="warning",
                summary="unknown key",
                remedy=suggested(key, known),
                origin=part.origin,
                key=f"{path}.{key}",
            )
        elif known[name] and isinstance(known[name], dict) and isinstance(part.value, dict):
            yield from _unknown(part, known[name], f"{path}.{name}")


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
    except TypeError:
        above = f"{NAMESPACE}.{key}".rpartition(".")[0]
        raise InvalidSpecError(
            "must be a mapping", remedy="see: dask cluster spec schema --namespace",
            origin="dask's configuration", key=above,
        ) from None  # fmt: skip
    return default if given is None else given


def _unreadable(key: str, given: Any, example: str) -> InvalidSpecError:
    return InvalidSpecError(
        f"{given!r:.80} cannot be read", remedy=example, origin="dask's configuration",
        key=f"{NAMESPACE}.{key}",
    )  # fmt: skip
