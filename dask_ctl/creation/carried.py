"""What travels with a spec to its cluster: dask's configuration, and environment variables."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

import dask.config

from dask_ctl import _private
from dask_ctl.backends import Backend
from dask_ctl.exceptions import InvalidSpecError, Problem
from dask_ctl.spec.checks import did_you_mean
from dask_ctl.spec.cluster_spec import ClusterSpec, thawed
from dask_ctl.spec.quantities import bytes_of, seconds_of
from dask_ctl.spec.resolved import ResolvedSpec

INHERITED: Final = "DASK_INTERNAL_INHERIT_CONFIG"
_UNSET: Final = object()


def misfits(resolved: ResolvedSpec, room: Backend, kwargs: Mapping[str, Any]) -> Iterator[Problem]:
    """What of ``env``, ``config`` and ``idle_timeout`` the class has no way to do."""
    spec = resolved.spec
    if spec.idle_timeout is not None and room.when_idle(kwargs, 1.0) is None:
        problem = f"{room.name} has no way to end a cluster that is idle, like this"
        yield Problem(problem, "remove it", key="idle_timeout")
    if spec.config:
        yield from _misspelt(spec.config, dask.config.config)
        try:
            json.dumps(thawed(spec.config))
        except (TypeError, ValueError) as error:
            yield Problem(f"cannot be handed on: {error}", "write text or numbers", key="config")
    if room.with_variables(kwargs, spec.env) is not None:
        return
    if spec.env:
        problem = f"{room.name} has no way to hand environment variables on like this"
        yield Problem(problem, f"remove 'env'; {room.variables_remedy}", key="env")
    if spec.config and not room.inherits_config:
        yield Problem(
            f"in force in this process only: {room.name} has no way to hand it on like this",
            room.variables_remedy,
            key="config",
            severity="warning",
        )


def _misspelt(
    config: Mapping[str, Any], known: Mapping[str, Any], path: str = "config"
) -> Iterator[Problem]:
    """Warnings of keys that are nearly one that dask and the packages that are loaded have.

    Others may be read by packages that are not, and names with dots are those of loggers.
    """
    free = any("." in str(name) for name in known)
    for key, value in config.items():
        name = dask.config.canonical_name(str(key), dict(known))
        if name not in known:
            near = None if free else did_you_mean(key, map(str, known))
            if near:
                yield Problem("unknown key", near, key=f"{path}.{key}", severity="warning")
        elif isinstance(value, Mapping) and isinstance(known[name], Mapping):
            yield from _misspelt(value, known[name], f"{path}.{key}")
        elif isinstance(value, str) and (problem := _misread(value, known[name])):
            yield Problem(problem, "change it", key=f"{path}.{key}", severity="warning")


def _misread(text: str, default: Any) -> str | None:
    """Why a text cannot mean what is there by default: a boolean, or a number, time or size."""
    if isinstance(default, bool):
        wrong = text.casefold() in ("false", "no", "off")
        return "is a string, and any string counts as true" if wrong else None
    if isinstance(default, (int, float)):
        with suppress(ValueError):
            float(text)
            return None
        if seconds_of(text) is bytes_of(text) is None:
            return f"must be a number, not {text!r}"
    return None


def handed_on(spec: ClusterSpec, room: Backend, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments that hand ``env``, ``config`` and ``idle_timeout`` on."""
    if spec.idle_timeout is not None:
        seconds = seconds_of(spec.idle_timeout) or 0.0  # which a checked one is not
        kwargs = room.when_idle(kwargs, seconds) or kwargs
    variables = dict(spec.env)
    if spec.config and not room.inherits_config:
        before = dask.config.deserialize(os.environ[INHERITED]) if INHERITED in os.environ else {}
        config = dask.config.merge(before, thawed(spec.config))
        variables.setdefault(INHERITED, dask.config.serialize(config))
    if variables and room.launcher:
        os.environ.update(variables)  # this process is a part of the cluster
    return (room.with_variables(kwargs, variables) if variables else None) or dict(kwargs)


class InForce:
    """Configuration that is in force from `begin` until it is put back.

    Parameters
    ----------
    config : mapping
        Part of dask's configuration, nested as that is.
    """

    _lock: Final = threading.RLock()
    _all: Final[list[InForce]] = []

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._values = dict(_leaves(config))
        self._before: dict[str, Any] = {}

    def begin(self) -> None:
        """Put it in force.

        Raises
        ------
        InvalidSpecError
            If dask's configuration has a single value where this has a mapping.
        """
        if self._values:
            with self._lock:
                self._all.append(self)
                try:
                    self.do()
                except TypeError:
                    self.put_back()
                    raise InvalidSpecError(
                        "has a mapping where dask's configuration has a single value",
                        remedy="see: python -c 'import dask; print(dask.config.config)'",
                        key="config",
                    ) from None

    def until_closed(self, cluster: Any) -> None:
        """Put it back when `cluster` closes."""
        if self._values:
            _private.when_closed(cluster, lambda _: self.put_back())

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have it in force for a while."""
        self.begin()
        try:
            yield
        finally:
            self.put_back()

    @contextmanager
    def or_put_back(self) -> Iterator[None]:
        """Put it back if what is done fails."""
        try:
            yield
        except BaseException:
            self.put_back()
            raise

    def put_back(self) -> None:
        """Give what was before; what another cluster has set since then stays in force."""
        with self._lock:
            if self not in self._all:
                return
            later = self._all[self._all.index(self) + 1 :]
            for each in reversed((self, *later)):
                each.undo()
            self._all.remove(self)
            for each in later:
                each.do()

    def do(self) -> None:
        """Note what is there, and set it."""
        self._before = {key: dask.config.get(key, default=_UNSET) for key in self._values}
        dask.config.set(self._values)

    def undo(self) -> None:
        """Give what was before, of this alone."""
        for key, value in self._before.items():
            if value is _UNSET:
                with suppress(AttributeError):  # what is above it is no mapping, or no more
                    dask.config.pop(key, None)
            else:
                dask.config.set({key: value})


def _leaves(config: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """What `dask.config.set` takes: it would replace a mapping, and reads dots as levels."""
    for key, value in config.items():
        here = f"{path}{key}"
        if not isinstance(value, Mapping):
            yield here, thawed(value)
        elif any("." in str(name) for name in value):  # names of loggers
            before = dask.config.get(here, default=None)
            yield here, dask.config.merge(before or {}, thawed(value))
        else:
            yield from _leaves(value, f"{here}.")
