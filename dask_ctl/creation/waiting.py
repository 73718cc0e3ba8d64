"""Saying what a cluster waits for, on standard error, where its backend can tell."""

from __future__ import annotations

import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from dask_ctl._async import in_daemon
from dask_ctl.backends import Backend
from dask_ctl.backends.ending import status_of
from dask_ctl.exceptions import BackendError

FIRST_NOTE: Final = 5.0  # seconds
NOTE_INTERVAL: Final = 60.0
_POLL: Final = 0.5
_TIMEOUT: Final = 10.0


def say_meanwhile(cluster: Any, room: Backend) -> None:
    """Have a thread say what workers wait for, until they are there or the cluster is closed."""
    if type(room).waiting_for is not Backend.waiting_for:
        reference = weakref.ref(cluster)

        def ask(timeout: float) -> str | None:
            return room.waiting_for(reference(), timeout)

        in_daemon(_say, lambda: _waits(reference()), ask, "workers")


@contextmanager
def said(ask: Callable[[float], str | None]) -> Iterator[None]:
    """Have a thread say what a cluster waits for, until the body is done."""
    done = threading.Event()
    in_daemon(_say, lambda: not done.is_set(), ask, "its parts")
    try:
        yield
    finally:
        done.set()


def _say(waits: Callable[[], bool], ask: Callable[[float], str | None], what: str) -> None:
    due = time.monotonic() + FIRST_NOTE
    while waits():
        if time.monotonic() > due:
            due = time.monotonic() + NOTE_INTERVAL
            # Whoever cannot be asked now may answer next time.
            with suppress(BackendError, RuntimeError, OSError):
                reason = ask(_TIMEOUT)
                if reason and waits():
                    sys.stderr.write(f"waiting for {what}: {reason}\n")
        time.sleep(_POLL)


def _waits(cluster: Any) -> bool:
    if cluster is None or status_of(cluster) in ("closing", "closed", "failed"):
        return False
    with suppress(RuntimeError):  # the loop of the cluster changes them just now
        return not cluster.plan or not cluster.plan <= cluster.observed
    return True
