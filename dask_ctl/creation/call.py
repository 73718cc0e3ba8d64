"""A resolved spec to a live cluster, or nothing left behind."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from dask_ctl._async import settled
from dask_ctl.backends import credentials, kubernetes
from dask_ctl.backends import jobqueue as jobs
from dask_ctl.backends.runners import is_runner, prepared, ranks_exit_quietly
from dask_ctl.creation import check, closing, interrupts
from dask_ctl.creation.script import leave_unguarded_script_alone
from dask_ctl.creation.target import has_cluster_interface, load_from
from dask_ctl.exceptions import (
    BackendError,
    DaskCtlError,
    DaskCtlWarning,
    InvalidSpecError,
    Problem,
    text_of,
)
from dask_ctl.spec.resolved import ResolvedSpec
from dask_ctl.spec.values import expand

logger = logging.getLogger("dask_ctl")


def create(
    resolved: ResolvedSpec,
    *,
    asynchronous: bool = False,
    env: Mapping[str, str] | None = None,
    ledger: jobs.Ledger | None = None,
) -> Any:
    """Make the cluster that a spec describes.

    Parameters
    ----------
    resolved : ResolvedSpec
        The spec.
    asynchronous : bool
        Whether the cluster is made for a running event loop.
    env : mapping, optional
        The environment for ``${env:...}``; by default that of the process.
    ledger : Ledger, optional
        Where jobs of a batch system are written down.

    Returns
    -------
    cluster : object
        The backend's own object, or with `asynchronous` a `Starting` of it.

    Raises
    ------
    InvalidSpecError
        If the spec turns out to be wrong.
    BackendError
        If the backend cannot be imported, called or started. Nothing is left of it.
    """
    call = _Call(resolved, os.environ if env is None else env, ledger)
    logger.info("creating %s from %s", call.name, resolved.origin)
    leave_unguarded_script_alone(call.target, call.kwargs)
    cluster = call.make(asynchronous=asynchronous)
    if asynchronous:
        return Starting(cluster, call)
    call.bring_up(cluster)
    return cluster


class Starting:
    """A cluster that is started by awaiting or entering it, and has not been yet.

    It stands for the backend's own object, which ``await`` and ``async with`` give, and passes
    every attribute on to it.
    """

    def __init__(self, cluster: Any, call: _Call) -> None:
        self._cluster = cluster
        self._call = call
        self._started = False

    def __await__(self) -> Generator[Any, None, Any]:
        return self._start().__await__()

    async def _start(self) -> Any:
        if self._started:  # a Client awaits its cluster again, which must not scale it again
            return await self._cluster
        started = await self._call.bring_up_async(self._cluster)
        self._started = True
        return started

    async def __aenter__(self) -> Any:
        return await self

    async def __aexit__(self, *exc_info: object) -> None:
        closed = self._cluster.__aexit__(*exc_info)
        await closed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def __repr__(self) -> str:
        return repr(self._cluster)


class _Call:
    """One call of what a spec names: checked, expanded, and undone if it fails."""

    def __init__(
        self, resolved: ResolvedSpec, env: Mapping[str, str], ledger: jobs.Ledger | None
    ) -> None:
        self.resolved = resolved
        values = {
            key: expand(part, (key,), env)
            for key, part in resolved.tree.value.items()
            if key not in ("args", "kwargs")
        }
        self.name = f"{values['module']}.{values['class']}"
        self.target = load_from(resolved.tree, env)
        self.scale, self.adapt = values.get("scale"), values.get("adapt")
        self.runner = is_runner(self.target)
        self.args, kwargs = check.arguments(resolved.tree, env)
        self._refuse_misfits(kwargs)
        with self._explained():
            credentials.require(self.target, kwargs)
            self.kwargs = jobs.keeping_track(
                self.target, prepared(self.target, kwargs, env), ledger
            )

    def make(self, *, asynchronous: bool) -> Any:
        """Call the target."""
        calling = ranks_exit_quietly() if self.runner else interrupts.deferred(self.name)
        loop = kubernetes.loop_for(self.target, self.kwargs, asynchronous=asynchronous)
        with self._explained(), loop as extra:
            if asynchronous:
                extra["asynchronous"] = True
            try:
                with calling as interrupted:
                    cluster = self.target(*self.args, **self.kwargs, **extra)
            except (Exception, KeyboardInterrupt) as error:
                half_built = closing.half_built(error)
                if half_built is not None and not asynchronous:
                    closing.undo(half_built)
                raise
        if interrupted():
            closing.undo(cluster)
            raise KeyboardInterrupt
        if not has_cluster_interface(cluster):
            if callable(close := getattr(cluster, "close", None)):
                close()
            raise InvalidSpecError(
                f"{self.name} returned {type(cluster).__name__}, which is not a cluster",
                remedy="return an object with scheduler_address and close()",
                origin=self.resolved.origin,
                key="class",
            )
        return cluster

    def bring_up(self, cluster: Any) -> None:
        """Scale or adapt a started cluster, and see to its end; close it if that fails."""
        with self._explained():
            try:
                self._spare(cluster)
                if self.scale is not None:
                    self._refuse_if_fixed(cluster)
                    cluster.scale(self.scale)
                if self.adapt is not None:
                    self._refuse_if_fixed(cluster)
                    cluster.adapt(**jobs.adapting(cluster, self.adapt))
                with interrupts.deferred(self.name) as interrupted:
                    jobs.submit(cluster)
                if interrupted():
                    raise KeyboardInterrupt  # noqa: TRY301
                closing.at_exit(cluster, runner=self.runner)
            except BaseException:
                closing.undo(cluster)
                raise

    async def bring_up_async(self, cluster: Any) -> Any:
        """The same inside a running loop, which starts the cluster first."""
        with self._explained():
            try:
                # Held, so that the cluster shares it.
                _connection = await kubernetes.until_name_is_free(self.target, self.kwargs)
                await jobs.submit_async(cluster)
                started = await cluster
                self._spare(started)
                if self.scale is not None:
                    self._refuse_if_fixed(started)
                    await settled(started.scale(self.scale))
                if self.adapt is not None:
                    self._refuse_if_fixed(started)
                    await settled(started.adapt(**jobs.adapting(started, self.adapt)))
                await jobs.submit_async(started)
            except BaseException:
                closing.spare(cluster)
                await settled(cluster.close())
                raise
        return started

    def _spare(self, cluster: Any) -> None:
        if closing.spare(cluster):
            finding = Problem(
                severity="warning",
                summary=f"{self.name} connected to {cluster.name!r}, which was there before, "
                "so it is left running",
                remedy="for a cluster of its own, choose another name",
                origin=self.resolved.origin,
            )
            warnings.warn(str(finding), DaskCtlWarning, stacklevel=5)

    def _refuse_misfits(self, kwargs: dict[str, Any]) -> None:
        for finding in check.fitting(self.resolved, self.target, self.args, kwargs):
            if finding.severity == "error":
                raise InvalidSpecError.of(finding)
            warnings.warn(str(finding), DaskCtlWarning, stacklevel=5)

    def _refuse_if_fixed(self, cluster: Any) -> None:
        # The attribute is how distributed's Cluster says that it has a fixed size.
        if not getattr(cluster, "_supports_scaling", True):
            key = "scale" if self.scale is not None else "adapt"
            raise InvalidSpecError(
                f"{self.name} makes a cluster of a fixed size, which cannot {key}",
                remedy=f"remove '{key}' from the spec",
                origin=self.resolved.origin_of(key),
                key=key,
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say of a backend's error which backend it was, and which spec named it."""
        try:
            yield
        except DaskCtlError as error:
            if error.problem.origin is None:
                path = error.problem.key.split(".") if error.problem.key else ["class"]
                located = replace(error.problem, origin=self.resolved.origin_of(*path))
                raise type(error).of(located) from error.__cause__
            raise
        except Exception as error:
            text = _with_cause(error)
            raise BackendError(
                f"{self.name} failed: {text}",
                remedy="check its args and kwargs, and that its service can be reached",
                origin=self.resolved.origin,
            ) from error


def _with_cause(error: BaseException) -> str:
    """What an error says, and its first cause: "Cluster failed to start." alone says nothing."""
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    text, why = text_of(error), text_of(cause)
    return text if why in text else f"{text.rstrip('.')}: {why}"
