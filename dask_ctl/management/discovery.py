"""Which clusters run: every discovery method side by side, and none trusted.

A method is an entry point of the group ``dask_cluster_discovery``: a function that gives an
asynchronous iterator of ``(name, class with from_name)``. Each runs in a thread and a loop of its
own, so that one which hangs, in its import or without giving way, holds up no other.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import dask.config

from dask_ctl._async import Daemons
from dask_ctl.exceptions import DaskCtlError, DiscoveryError, InvalidSpecError, reason
from dask_ctl.management import methods as built_in
from dask_ctl.management.reach import Found, Reach, has_from_name
from dask_ctl.spec import settings
from dask_ctl.spec.keys import did_you_mean
from dask_ctl.spec.userfile import write_words

GROUP: Final = "dask_cluster_discovery"
_SIDE_BY_SIDE: Final = 64  # connections of one method

T = TypeVar("T")
Look: TypeAlias = Callable[[Found], Awaitable[Any]]
_News: TypeAlias = tuple[str, Any, Any]  # what happened, to what was found, and with what result


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to find clusters.

    Parameters
    ----------
    name : str
        Its name.
    package : str
        The distribution that registered it.
    version : str
        Its version.
    path : str
        Where its function is: ``module:name``.
    enabled : bool
        Whether it is used.
    """

    name: str
    package: str
    version: str
    path: str
    enabled: bool
    load: Callable[[], Any] = field(repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """The method for a machine to read."""
        return {
            key: getattr(self, key) for key in ("name", "package", "version", "path", "enabled")
        }

    def understood(self, item: Any) -> Found:
        """What the function has given.

        Raises
        ------
        DaskCtlError
            If that is neither a name and a class nor, from a method of our own, a `Found`.
        """
        if isinstance(item, Found):
            return item
        if isinstance(item, DaskCtlError):
            raise item
        try:
            name, cluster_class = item
        except (TypeError, ValueError):
            name = cluster_class = None
        if not isinstance(name, str) or not has_from_name(cluster_class):
            shown = f"{item!r:.100}"
            raise self.failed(f"it gave {shown}, which is not a name and a class with from_name")
        reach = Reach(
            module=cluster_class.__module__,
            class_name=cluster_class.__qualname__,
            name=name,
            cluster_class=cluster_class,
        )
        return Found(name=name, discovery=self.name, reach=reach)

    def failed(self, why: str) -> DiscoveryError:
        """The error of this method."""
        return DiscoveryError(
            f"discovery method {self.name!r} of {self.package} {self.version} failed: {why}",
            remedy=f"to do without it: dask cluster discovery disable {self.name}",
        )


def methods() -> dict[str, Method]:
    """All methods by their name; none is imported."""
    disabled = settings.disabled_discovery()
    found = {}
    for name, function in built_in.applicable().items():
        found[name] = Method(
            name=name,
            package="dask-ctl",
            version=version("dask-ctl"),
            path=f"{function.__module__}:{function.__qualname__}",
            enabled=name not in disabled,
            load=partial(_itself, function),
        )
    for entry_point in entry_points(group=GROUP):
        distribution = entry_point.dist
        found.setdefault(
            entry_point.name,
            Method(
                name=entry_point.name,
                package=distribution.name if distribution else "an unknown package",
                version=distribution.version if distribution else "",
                path=entry_point.value,
                enabled=entry_point.name not in disabled,
                load=entry_point.load,
            ),
        )
    return found


def chosen(name: str | None = None) -> list[Method]:
    """The methods to use: all that are enabled, or the one that was asked for.

    Raises
    ------
    InvalidSpecError
        If there is no such method, or it is disabled.
    """
    known = methods()
    if name is None:
        return [method for method in known.values() if method.enabled]
    if name not in known:
        raise InvalidSpecError(
            f"there is no discovery method {name!r}",
            remedy=did_you_mean(name, known) or f"known: {', '.join(known)}",
        )
    if not known[name].enabled:
        raise InvalidSpecError(
            f"discovery method {name!r} is disabled",
            remedy=f"to use it again: dask cluster discovery enable {name}",
        )
    return [known[name]]


def set_enabled(name: str, *, enabled: bool) -> Path | None:
    """Use a method or do without it, from now on, in the user's configuration.

    Parameters
    ----------
    name : str
        The method. To do without it, it need not be installed.
    enabled : bool
        Whether to use it.

    Returns
    -------
    path : Path or None
        The file that was changed; None if it is so already.

    Raises
    ------
    InvalidSpecError
        If the file cannot be changed, or there is no such method to use.
    BackendError
        If the file cannot be written.
    """
    before = settings.disabled_discovery()
    if name not in methods() and name not in before:
        chosen(name)  # says what there is
    if enabled == (name not in before):
        return None
    after = [each for each in before if each != name] if enabled else [*before, name]
    path = write_words("disable-discovery", after)
    dask.config.refresh()
    if (name in settings.disabled_discovery()) == enabled:
        raise InvalidSpecError(
            f"{path} says it now, but something that goes before that file says otherwise",
            remedy="change it there: see DASK_CTL__DISABLE_DISCOVERY and DASK_CONFIG",
            key="ctl.disable-discovery",
        )
    return path


async def survey(
    using: list[Method], look: Look | None = None
) -> AsyncIterator[tuple[Found, Any] | DaskCtlError]:
    """Run methods side by side, and look at what each finds as soon as it finds it.

    Parameters
    ----------
    using : list of Method
        The methods. Each has ``ctl.discovery.timeout`` to list what it finds, and as long again
        for what has not been looked at by then.
    look : callable, optional
        Called with each cluster that was found, in the thread and the loop of its method.

    Yields
    ------
    found : tuple or DaskCtlError
        What was found, and what `look` gave, which is None where it did not come back; or how a
        method has failed, whose other clusters are still yielded.
    """
    timeout = settings.discovery_timeout()
    news: asyncio.Queue[tuple[_Run, _News]] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    runs = [_Run(method, look, time.monotonic() + timeout) for method in using]
    for run in runs:
        run.start(partial(_post, loop, news, run))
    try:
        while waiting := [run for run in runs if not run.done]:
            patience = min(run.deadline for run in waiting) - time.monotonic()
            try:
                run, event = await asyncio.wait_for(news.get(), max(0.0, patience))
            except TimeoutError:
                for run in _late(waiting):
                    yield run.method.failed(f"no answer within {timeout:g} s")
                continue
            told = None if run.done else run.hear(event, timeout)
            if told is not None:
                yield told
        for run in runs:
            for found in run.pending.values():
                yield found, None
    finally:
        for run in runs:
            run.stop()


def _late(waiting: list[_Run]) -> list[_Run]:
    """Stop those whose time is up, and give those of which nobody has said yet that they fail."""
    late = [run for run in waiting if time.monotonic() >= run.deadline]
    for run in late:
        run.stop()
    return [run for run in late if not run.listed and not run.failed]


def _itself(function: T) -> T:
    return function


def _post(
    loop: asyncio.AbstractEventLoop,
    news: asyncio.Queue[tuple[_Run, _News]],
    run: _Run,
    event: _News,
) -> None:
    loop.call_soon_threadsafe(news.put_nowait, (run, event))


class _Run:
    """One method in its thread, and what is known of it."""

    def __init__(self, method: Method, look: Look | None, deadline: float) -> None:
        self.method, self.look, self.deadline = method, look, deadline
        self.listed = self.failed = self.done = False
        self.pending: dict[int, Found] = {}
        self._cancel: Callable[[], Any] | None = None

    def stop(self) -> None:
        """Hear no more of it, and have it end as soon as it gives way."""
        self.done = True
        if self._cancel is not None:
            with suppress(RuntimeError):  # it has ended
                self._cancel()

    def hear(self, news: _News, patience: float) -> tuple[Found, Any] | DaskCtlError | None:
        """What the thread's news are to whoever asked."""
        kind, found, result = news
        if kind == "found":
            self.pending[id(found)] = found
        elif kind == "looked":
            del self.pending[id(found)]
            return found, result
        elif kind == "listed":
            self.listed, self.deadline = True, time.monotonic() + patience
        elif kind == "done":
            self.done = True
        elif kind == "failed":
            self.failed = True
            failure: DaskCtlError = result
            return failure
        return None

    def start(self, post: Callable[[_News], Any]) -> None:
        """Run the method; `post` is told what happens."""

        def tell(kind: str, found: Any = None, result: Any = None) -> None:
            with suppress(RuntimeError):  # its loop has ended: nobody waits any more
                post((kind, found, result))

        def run() -> None:
            try:
                with asyncio.Runner() as runner:
                    runner.get_loop().set_default_executor(Daemons())
                    runner.run(self._drive(tell))
            except BaseException as error:  # noqa: BLE001 -- whatever a plugin raises
                tell("failed", result=self.method.failed(reason(error)))
            tell("done")

        threading.Thread(target=run, name=f"discovery {self.method.name}", daemon=True).start()

    async def _drive(self, tell: Callable[..., None]) -> None:
        limit = asyncio.Semaphore(_SIDE_BY_SIDE)

        async def looked(found: Found) -> None:
            async with limit:
                tell("looked", found, await self.look(found) if self.look else None)

        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None  # noqa: S101 -- this is one
        self._cancel = partial(loop.call_soon_threadsafe, task.cancel)
        looks = []
        try:
            nonsense = False
            listing = self.method.load()()
            if inspect.iscoroutine(listing):
                listing.close()  # it is none that can be iterated, and nobody will await it
            async for item in listing:
                if self.done:  # it never gives way, so that it cannot be cancelled
                    return
                try:
                    found = self.method.understood(item)
                except DaskCtlError as error:
                    again = nonsense and isinstance(error, DiscoveryError)
                    nonsense = isinstance(error, DiscoveryError)
                    if not again:
                        tell("failed", result=error)
                    continue
                tell("found", found)
                looks.append(asyncio.create_task(looked(found)))
        except Exception as error:  # noqa: BLE001 -- what it has found so far counts
            tell("failed", result=self.method.failed(reason(error)))
        tell("listed")
        await asyncio.gather(*looks)
