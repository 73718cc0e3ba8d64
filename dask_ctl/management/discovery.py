"""Which clusters run: every discovery method side by side, and none trusted.

A method is an entry point of the group ``dask_cluster_discovery``: a function that gives an
asynchronous iterator of ``(name, class with from_name)``. Each runs in a thread and a loop of its
own, so that one which hangs, in its import or without giving way, holds up no other.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any, Final

import dask.config

from dask_ctl import _earlier
from dask_ctl._async import Daemons, in_daemon
from dask_ctl.backends import Sighting, listening, room_of, rooms
from dask_ctl.exceptions import DaskCtlError, DiscoveryError, InvalidSpecError, reason
from dask_ctl.hosts import store as records
from dask_ctl.management.left import Left
from dask_ctl.management.live import Live
from dask_ctl.management.owned import Owned
from dask_ctl.management.seen import Seen
from dask_ctl.spec import settings, userfile
from dask_ctl.spec.checks import suggested

GROUP: Final = "dask_cluster_discovery"
RECORDED: Final = "recorded"


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
    broken : str or None
        Why it cannot be, if that is known.
    """

    name: str
    package: str
    version: str
    path: str
    enabled: bool
    broken: str | None = None
    load: Callable[[], Any] = field(repr=False, compare=False)
    target: str | None = field(default=None, repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """The method for a machine to read."""
        keys = ("name", "package", "version", "path", "enabled", "broken")
        return {key: getattr(self, key) for key in keys}

    def understood(self, item: Any) -> Live:
        """What the function has given.

        Raises
        ------
        DaskCtlError
            If that is no cluster.
        """
        if isinstance(item, DaskCtlError):
            raise item
        if isinstance(item, Live):
            return item
        if isinstance(item, Sighting):
            self._require_name(item.name, item)
            if item.address is not None:
                return Seen(item.address, self.name, identity=item.known)
            return Left(item, self.target, self.name)
        try:
            name, cluster_class = item
        except (TypeError, ValueError):
            name = cluster_class = None
        self._require_name(name, item)
        if not room_of(cluster_class).can_be_left:
            raise self._no_cluster(item)
        return Left(Sighting(name=name), cluster_class, self.name)

    def _require_name(self, name: Any, item: Any) -> None:
        """Raise `DiscoveryError` for what nobody could type, or what is two lines of a list."""
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise self._no_cluster(item)

    def _no_cluster(self, item: Any) -> DiscoveryError:
        return self.failed(f"it gave {item!r:.100}, which is not a name and a class with from_name")

    def failed(self, why: str) -> DiscoveryError:
        """The error of this method."""
        return DiscoveryError(
            f"discovery method {self.name!r} of {self.package} {self.version} failed: {why}",
            remedy=f"to do without it: dask cluster discovery disable {self.name}",
        )


def of_record(record: records.Record) -> Live:
    """The cluster of a record."""
    if record.host is not None:
        return Owned(record, record.host)
    if record.address is not None:
        security = record.arguments.get("security")
        return Seen(record.address, RECORDED, security=security, record=record)
    called = record.cluster_name or record.name
    sighting = Sighting(name=called, place=record.place, arguments=record.arguments)
    return Left(sighting, record.target, RECORDED, record, record.name)


async def _recorded() -> AsyncIterator[Live | DaskCtlError]:
    """The clusters that were created from the command line, and the records that cannot be read."""
    found, problems = records.everything()
    for record in found:
        yield of_record(record)
    for problem in problems:
        yield problem


def _hosts() -> set[int]:
    """The hosts that run here, whose clusters need not be found by where they listen."""
    owners = (record.owner for record in records.everything()[0])
    return {process.pid for process in owners if process is not None}


def methods() -> dict[str, Method]:
    """All methods by their name; none is imported."""
    disabled = settings.disabled_discovery()
    ours = "dask-ctl", version("dask-ctl")
    found: dict[str, Method] = {}
    broken = {name: why for room in rooms() for name, why in room.broken_methods.items()}

    def add(name: str, package: str, version_: str, path: str, load: Any, **more: Any) -> None:
        enabled = name not in disabled and name not in broken
        found.setdefault(
            name,
            Method(
                name=name, package=package, version=version_, path=path, enabled=enabled, load=load,
                broken=broken.get(name), **more,
            ),
        )  # fmt: skip

    add(RECORDED, *ours, f"{__name__}:{_recorded.__name__}", partial(_itself, _recorded))
    of_rooms = {room.service for room in rooms()}
    for room in rooms():
        if room.service is not None and room.is_configured():
            path = f"{room.__module__}:{room.__qualname__}"
            load = partial(_itself, room.sightings)
            add(room.service, *ours, path, load, target=room.public_name)
    for entry_point in entry_points(group=GROUP):
        if entry_point.name in of_rooms:
            continue
        dist = entry_point.dist
        package = (dist.name, dist.version) if dist else ("an unknown package", "")
        add(entry_point.name, *package, entry_point.value, entry_point.load)
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
    name = _earlier.method(name)
    if name not in known:
        raise InvalidSpecError(
            f"there is no discovery method {name!r}",
            remedy=suggested(name, known),
        )
    if (why := known[name].broken) is not None:
        raise InvalidSpecError(
            f"discovery method {name!r} of {known[name].package} does not work: {why}",
            remedy="use another: dask cluster discovery list",
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
    before, name = settings.disabled_discovery(), _earlier.method(name)
    known = methods()
    unknown = name not in known and name not in before
    if unknown or (enabled and name in known and known[name].broken):
        chosen(name)  # says what there is
    if enabled == (name not in before):
        return None
    after = [each for each in before if each != name] if enabled else [*before, name]
    path = userfile.write("disable-discovery", after)
    dask.config.refresh()
    if (name in settings.disabled_discovery()) == enabled:
        raise InvalidSpecError(
            f"{path} says it now, but something that goes before that file says otherwise",
            remedy="change it there: see DASK_CTL__DISABLE_DISCOVERY and DASK_CONFIG",
            key="ctl.disable-discovery",
        )
    return path


async def survey(using: list[Method]) -> AsyncIterator[Live | DaskCtlError]:
    """Run methods side by side.

    Parameters
    ----------
    using : list of Method
        The methods. Each has ``ctl.discovery.timeout`` to list what it finds.

    Yields
    ------
    found : Live or DaskCtlError
        What was found, as soon as it is; or how a method has failed, whose other clusters are
        still yielded.
    """
    if any(method.package != "dask-ctl" or method.target for method in using):
        import distributed  # noqa: F401 -- before the threads, which would see half of it

    timeout = settings.discovery_timeout()
    deadline = time.monotonic() + timeout
    listings = [_Listing(method) for method in using]
    waiting = {asyncio.ensure_future(listing.news.get()): listing for listing in listings}
    try:
        while waiting:
            left = max(0.0, deadline - time.monotonic())
            heard, _ = await asyncio.wait(waiting, timeout=left, return_when="FIRST_COMPLETED")
            if not heard:
                break
            for task in heard:
                listing, news = waiting.pop(task), task.result()
                if news is not None:
                    waiting[asyncio.ensure_future(listing.news.get())] = listing
                    yield news
        for listing in waiting.values():
            if listing.gives_nonsense:
                continue  # which has been told
            yield listing.method.failed(f"no answer within {timeout:g} s")
    finally:
        for task in waiting:
            task.cancel()
        for listing in listings:
            listing.stop()


class _Listing:
    """One method in its thread; its news are what it finds, and None at its end."""

    def __init__(self, method: Method) -> None:
        self.method = method
        self.news: asyncio.Queue[Live | DaskCtlError | None] = asyncio.Queue()
        self._heard_by = asyncio.get_running_loop()
        self.gives_nonsense = False
        self._stopped = False
        self._cancel: Callable[[], Any] = lambda: None
        in_daemon(self._run)

    def stop(self) -> None:
        """Hear no more of it, and have it end as soon as it gives way."""
        self._stopped = True
        with suppress(RuntimeError):  # it has ended
            self._cancel()

    def _run(self) -> None:
        listening.left_alone.set(_hosts)  # for this thread
        try:
            with asyncio.Runner() as runner:
                runner.get_loop().set_default_executor(Daemons())
                runner.run(self._list())
        except BaseException as error:  # noqa: BLE001 -- whatever a plugin raises
            self._tell(self.method.failed(reason(error)))
        self._tell(None)

    def _tell(self, news: Live | DaskCtlError | None) -> None:
        with suppress(RuntimeError):  # nobody waits any more
            self._heard_by.call_soon_threadsafe(self.news.put_nowait, news)

    async def _list(self) -> None:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None  # noqa: S101 -- this is one
        self._cancel = partial(loop.call_soon_threadsafe, task.cancel)
        listing = self.method.load()()
        if inspect.iscoroutine(listing):
            listing.close()  # it is none that can be iterated, and nobody will await it
        async for item in listing:
            if self._stopped:  # it never gives way, so that it cannot be cancelled
                return
            try:
                self._tell(self.method.understood(item))
            except DaskCtlError as error:
                # A method that gives nonsense is told of it once.
                nonsense = isinstance(error, DiscoveryError)
                if not (nonsense and self.gives_nonsense):
                    self._tell(error)
                self.gives_nonsense |= nonsense


def _itself(function: Any) -> Any:
    return function
