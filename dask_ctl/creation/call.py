"""A resolved spec to a live cluster, or nothing left behind."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

from dask_ctl._async import settled
from dask_ctl.backends import Backend, Ledger, room_of, room_of_made
from dask_ctl.creation import carried, check, exits, interrupts, refusals, waiting
from dask_ctl.creation.arguments import plain_arguments, plain_sizes
from dask_ctl.creation.factories import has_cluster_interface
from dask_ctl.creation.script import leave_unguarded_script_alone
from dask_ctl.creation.target import load
from dask_ctl.exceptions import (
    DaskCtlError,
    DaskCtlWarning,
    InvalidSpecError,
    Problem,
    explain,
    text_of,
)
from dask_ctl.spec import settings
from dask_ctl.spec.resolved import ResolvedSpec
from dask_ctl.spec.secrets import of_variables, scrubbed, secrets
from dask_ctl.spec.trust import code_of

logger = logging.getLogger("dask_ctl")


def create(
    resolved: ResolvedSpec,
    *,
    asynchronous: bool = False,
    env: Mapping[str, str] | None = None,
    ledger: Ledger | None = None,
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
        The backend's own object, with `asynchronous` one that is yet to be awaited or entered.

    Raises
    ------
    InvalidSpecError
        If the spec turns out to be wrong.
    BackendError
        If the backend is not installed, or lacks what it needs here.
    Exception
        What the backend raises, with a note that names the spec. Nothing is left of the cluster.
    """
    __tracebackhide__ = True
    call = _Call(resolved, os.environ if env is None else env, ledger)
    logger.info("creating %s from %s", call.name, resolved.origin)
    leave_unguarded_script_alone(call.room, call.kwargs)
    cluster = call.make(asynchronous=asynchronous)
    if asynchronous:
        return _awaited(cluster, call)
    call.bring_up(cluster)
    call.say_meanwhile(cluster)
    return cluster


def say_once(resolved: ResolvedSpec) -> None:
    """Say which files of specs are put aside, once in a process."""
    for problem in resolved.shadowed(by_variables=False):
        if (text := str(problem)) not in _said:
            _said.add(text)
            logger.warning(text)


_said: set[str] = set()


class _Call:
    """One call of what a spec names: checked, expanded, and undone if it fails."""

    def __init__(
        self, resolved: ResolvedSpec, env: Mapping[str, str], ledger: Ledger | None
    ) -> None:
        self.resolved = resolved.expanded(env)
        self._secrets = list(of_variables(resolved.tree.plain(), env))
        self.spec = self.resolved.spec
        self.name = self.spec.target
        self._ledger = ledger
        # Of a hosted cluster, whoever waits for it says that.
        self.notes = ledger is None and settings.waiting_notes()
        self.target = load(self.resolved.tree)
        self.room = room_of(self.target)
        self.args, self.kwargs = plain_arguments(self.resolved.tree)
        self._left: str | None = None  # of what could not be closed again
        for problem in check.fitting(self.resolved, self.room, self.args, self.kwargs):
            if problem.severity == "error":
                raise InvalidSpecError.of(problem)
            if problem.severity == "warning":
                _warn(problem)
        self.config = carried.InForce(self.spec.config)
        with self._explained():
            self.config.begin()
            self.room.require(self.kwargs, env)
            self.kwargs = carried.handed_on(self.spec, self.room, self.kwargs)
            self.kwargs = self.room.prepared(self.kwargs, env, ledger)

    def make(self, *, asynchronous: bool) -> Any:
        """Call the target."""
        __tracebackhide__ = True
        calling = self.room.calling(self.kwargs, asynchronous=asynchronous)
        with self._explained(), calling as extra:
            given = {"asynchronous": True, **extra} if asynchronous else extra
            try:
                with (
                    code_of(self.target),
                    self._said_meanwhile(),
                    self._interruptible() as interrupted,
                ):
                    cluster = self.room.call(self.args, {**self.kwargs, **given})
            except (Exception, KeyboardInterrupt) as error:
                half_built = self.room.half_built(error)
                if half_built is not None and not asynchronous:
                    # What is ended by its name needs no half-built object to be well.
                    limit = None if self.room.ends_by_name else exits.HALF_BUILT_TIMEOUT
                    self._left = exits.undo(half_built, self.room, limit)
                raise
            if interrupted():
                exits.undo(cluster, self.room)
                raise KeyboardInterrupt
        if has_cluster_interface(cluster):
            made = room_of_made(self.room, cluster)
            if made is not self.room:
                self.room = made
                made.adopt(cluster, self._ledger)
            self.config.until_closed(cluster)
            return cluster
        self.config.put_back()
        if callable(close := getattr(cluster, "close", None)):
            close()
        raise InvalidSpecError(
            f"{self.name} returned {type(cluster).__name__}, which is not a cluster",
            remedy="return an object with scheduler_address and close()",
            origin=self.resolved.origin,
            key="class",
        )

    def bring_up(self, cluster: Any) -> None:
        """Scale or adapt a started cluster, and see to its end; close it if that fails."""
        with self._explained():
            try:
                with code_of(self.target), self._interruptible() as interrupted:
                    for step in self._steps(cluster):
                        step()
                    exits.at_exit(cluster, self.room)
                if interrupted():
                    raise KeyboardInterrupt  # noqa: TRY301
            except BaseException:
                self._left = exits.undo(cluster, self.room)
                raise

    async def bring_up_async(self, cluster: Any) -> None:
        """The same inside a running loop, which starts the cluster first."""
        with self._explained():
            try:
                with code_of(self.target):
                    await settled(self.room.start(cluster, self.kwargs))
                    for step in self._steps(cluster):
                        await settled(step())
            except BaseException:
                exits.spare(cluster, self.room)
                try:
                    await settled(self.room.close(cluster))
                except Exception as error:
                    self._left = text_of(error)
                    logger.exception("closing %s met an error", self.name)
                raise

    def _interruptible(self) -> AbstractContextManager[Callable[[], bool]]:
        """Heed Ctrl-C at once where what has begun can be ended at any moment."""
        if self.room.ends_by_name:
            return nullcontext(lambda: False)
        return interrupts.deferred(f"{self.name} is starting, and will be closed once it has")

    def _said_meanwhile(self) -> AbstractContextManager[None]:
        ask = partial(self.room.waits_for, self.kwargs)
        known = type(self.room).waits_for is not Backend.waits_for and settings.waiting_notes()
        return waiting.said(ask) if known else nullcontext()

    def say_meanwhile(self, cluster: Any) -> None:
        """Say what workers wait for."""
        if self.notes:
            waiting.say_meanwhile(cluster, self.room)

    def _steps(self, cluster: Any) -> Iterator[Callable[[], Any]]:
        """What is done to a cluster that is there; what a step gives may be to be awaited."""
        yield lambda: self._spare(cluster)
        scale, adapt = plain_sizes(self.resolved.tree)
        if scale is not None or adapt is not None:
            yield lambda: check.refuse_fixed(cluster, self.resolved)
        if isinstance(scale, Mapping):
            yield lambda: cluster.scale(**scale)
        elif scale is not None:
            yield lambda: cluster.scale(scale)
        if adapt is not None:
            yield lambda: cluster.adapt(**self.room.adapt_options(cluster, adapt))
        yield lambda: self.room.settle(cluster)

    def _spare(self, cluster: Any) -> None:
        if exits.spare(cluster, self.room):
            _warn(
                Problem(
                    f"{self.name} connected to {cluster.name!r}, which was there before, so it is "
                    "left running",
                    remedy="for a cluster of its own, choose another name",
                    origin=self.resolved.origin,
                )
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say of a backend's error which spec named it; of one of ours, where the value stands."""
        try:
            with self.config.or_put_back():
                yield
        except DaskCtlError as error:
            if error.problem.origin is None:
                raise type(error).of(self.resolved.located(error.problem)) from error.__cause__
            raise
        except (Exception, SystemExit) as error:
            if isinstance(error, SystemExit) and not isinstance(error.code, str):
                raise  # the end of a rank
            known = secrets({"args": self.args, "kwargs": self.kwargs, "env": self.spec.env})
            told = "; ".join(filter(None, (_with_cause(error), self._left)))
            said = scrubbed(told, [*known, *self._secrets])
            explain(error, refusals.explained(error, said, self.resolved, self.room))
            raise


def _awaited(cluster: Any, call: _Call) -> Any:
    """The very object, which is brought up when it is awaited or entered for the first time.

    It gets a class of its own in between, an heir of its class, so that it is an instance of that.
    """
    own = type(cluster)

    async def brought_up() -> Any:
        cluster.__class__ = own
        await call.bring_up_async(cluster)
        call.say_meanwhile(cluster)
        return cluster

    class Starting(own):  # type: ignore[misc, valid-type]
        def __await__(self) -> Generator[Any, None, Any]:
            return brought_up().__await__()

        async def __aenter__(self) -> Any:
            return await self

    Starting.__name__, Starting.__qualname__ = own.__name__, own.__qualname__
    Starting.__module__ = own.__module__
    cluster.__class__ = Starting
    return cluster


def _warn(problem: Problem) -> None:
    warnings.warn(str(problem), DaskCtlWarning, stacklevel=5)


def _above(error: BaseException) -> BaseException | None:
    """What an error comes from: of several at once, the first."""
    return error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__


def _with_cause(error: BaseException) -> str:
    """What an error says, and its first cause: "Cluster failed to start." alone says nothing."""
    cause: BaseException = error
    while above := _above(cause):
        cause = above
    text, why = text_of(error), text_of(cause)
    return text if why in text else f"{text.rstrip('.')}: {why}"
