"""Saying what a cluster waits for, on standard error, where its backend can tell."""

from __future__ import annotations

import sys
import time
import weakref
from contextlib import suppress
from typing import Any, Final

from dask_ctl._async import in_daemon
from dask_ctl.backends import Backend
from dask_ctl.creation.exits import status_of
from dask_ctl.exceptions import BackendError

FIRST_NOTE: Final = 5.0  # seconds
NOTE_INTERVAL: Final = 60.0
_POLL: Final = 0.5
_TIMEOUT: Final = 10.0


def say_meanwhile(cluster: Any, room: Backend) -> None:
    """Have a thread say what workers wait for, until they are there or the cluster is closed."""
    if type(room).waiting_for is not Backend.waiting_for:
        in_daemon(_say, weakref.ref(cluster), room)


def _say(reference: weakref.ref[Any], room: Backend) -> None:
    due = time.monotonic() + FIRST_NOTE
    while _waits(reference()):
        if time.monotonic() > due:
            due = time.monotonic() + NOTE_INTERVAL
            # Whoever cannot be asked now may answer next time.
            with suppress(BackendError, RuntimeError):
                waiting = room.waiting_for(reference(), _TIMEOUT)
                if waiting and _waits(reference()):
                    sys.stderr.write(f"waiting for workers: {waiting}\n")
        time.sleep(_POLL)


def _waits(cluster: Any) -> bool:
    if cluster is None or status_of(cluster) in ("closing", "closed", "failed"):
        return False
    with suppress(RuntimeError):  # the loop of the cluster changes them just now
        return not cluster.plan or not cluster.plan <= cluster.observed
    return True
