"""The end of what was created: in order, at exit, or because its creation failed.

distributed closes a cluster at exit by itself, but with clients still connected it then reports
their lost results, and a Runner it does not close at all. The hook here runs before distributed's,
because it is registered after that was imported.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import threading
import weakref
from collections.abc import Iterator
from contextlib import suppress
from functools import cache, partial
from typing import Any, Final

from dask_ctl import _platform
from dask_ctl._async import in_daemon
from dask_ctl.backends import Backend, room_of
from dask_ctl.backends.ending import close_clients, status_of
from dask_ctl.creation import interrupts
from dask_ctl.exceptions import reason, text_of

logger = logging.getLogger("dask_ctl")

_SIGNAL_TIMEOUT: Final = 30.0  # seconds
HALF_BUILT_TIMEOUT: Final = 10.0  # what distributed gives a cluster that is open at exit

_owned: weakref.WeakKeyDictionary[Any, Backend] = weakref.WeakKeyDictionary()
_runners: list[Any] = []  # held, as scripts need not


def at_exit(cluster: Any, room: Backend) -> None:
    """See to it that `cluster` ends quietly when the process does.

    Whether a cluster is closed stays its own business (``shutdown_on_close``); what nothing else
    closes, or nothing else so that it ends, is closed here.
    """
    if not _owned:
        atexit.unregister(_end_all)
        atexit.register(_end_all)
    if not room.launcher:
        _heed_signals()
    _owned[cluster] = room
    if room.launcher:
        _runners.append(cluster)


def room_in_charge(cluster: Any) -> Backend:
    """The room that made a cluster, which knows how; of one made elsewhere, that of its class."""
    return _owned.get(cluster) or room_of(type(cluster))


def _end_all() -> None:
    for cluster, room in _to_be_ended():
        _end(cluster, room, close=room.launcher is not None or room.ends_by_name)


def _to_be_ended() -> Iterator[tuple[Any, Backend]]:
    """What is open, and is not to live on."""
    for cluster, room in list(_owned.items()):
        open_ = status_of(cluster) not in ("closed", "failed")
        if open_ and getattr(cluster, "shutdown_on_close", True):
            yield cluster, room


def _heed_signals() -> None:
    """Have a signal that would end the script close its clusters first.

    Their jobs would stay in a queue otherwise. What the script does with a signal itself stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    _leave_forks_alone()
    for signalnum in _platform.ending_signals():
        if signal.getsignal(signalnum) is signal.SIG_DFL:
            signal.signal(signalnum, partial(_end_by, os.getpid()))


@cache
def _leave_forks_alone() -> None:
    """Have a fork end by these signals at once, as it would without us.

    A lock that another thread held as it forked stays locked in it, where no handler may run again.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_heed_no_more)


def _heed_no_more() -> None:
    for signalnum in _platform.ending_signals():
        handler = signal.getsignal(signalnum)
        if isinstance(handler, partial) and handler.func is _end_by:
            signal.signal(signalnum, signal.SIG_DFL)


def _end_by(pid: int, signalnum: int, _: object) -> None:
    signal.signal(signalnum, signal.SIG_DFL)  # a second one ends it at once
    if os.getpid() == pid:  # in a fork they are not its own
        with suppress(TimeoutError):
            in_daemon(_close_all).result(_SIGNAL_TIMEOUT)
    signal.raise_signal(signalnum)


def _close_all() -> None:
    for cluster, room in _to_be_ended():
        if not room.launcher:
            _end(cluster, room, close=True)


def undo(cluster: Any, room: Backend, within: float | None = None) -> str | None:
    """Close what was started, after a failure, whose error is the one to be seen.

    Parameters
    ----------
    cluster : object
        A cluster, perhaps one whose constructor was interrupted. One that was there before is
        left running.
    room : Backend
        Its room.
    within : float, optional
        After how many seconds to give up, and have the process end without.

    Returns
    -------
    met : str or None
        What has kept it from being closed.
    """
    from distributed import Status

    spare(cluster, room)
    # Of some classes it is a text, and their ways of closing need no help.
    if getattr(cluster, "status", None) is Status.starting:
        # Cancelled half way: only a cluster that has failed closes what there is of it.
        cluster.status = Status.failed
    with interrupts.deferred(f"{room.name} is being closed"):
        if within is None:
            return _end(cluster, room, close=True)
        try:
            return in_daemon(partial(_end, cluster, room, close=True)).result(within)
        except TimeoutError:
            return f"what there is of it could not be closed within {within:g} s"


def _end(cluster: Any, room: Backend, *, close: bool) -> str | None:
    """Close a cluster's clients, and perhaps the cluster; what that meets is logged, and given."""
    met = None
    steps = [lambda: room.before_close(cluster), lambda: close_clients(cluster)]
    for step in [*steps, lambda: room.close(cluster)] if close else steps:
        try:
            step()
        except Exception as error:  # noqa: BLE001 -- whatever a backend raises
            met = text_of(error)
            logger.warning("closing %s met an error: %s", room.name, reason(error))
    return met


def spare(cluster: Any, room: Backend) -> bool:
    """Have `cluster` left running if it was there before; return whether it was."""
    if not room.existed(cluster):
        return False
    cluster.shutdown_on_close = False
    return True
