"""The end of what a process has: half a cluster, its clients of one, and its threads."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import Any, NoReturn

from dask_ctl import _private


def close_clients(cluster: Any) -> None:
    """Close this process's clients of `cluster`, so that none mourns it."""
    address = getattr(cluster, "scheduler_address", None)
    for client in _private.clients():
        scheduler = getattr(client.scheduler, "address", None)
        ours = client.cluster is cluster or (address and scheduler == address)
        if ours and client.status not in ("closed", "closing") and not client.asynchronous:
            client.close()


def half_built(error: BaseException) -> Any | None:
    """The cluster whose constructor `error` left, or None if nothing of it has begun.

    A constructor that raises gives its object to nobody; the traceback still holds it.
    """
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_code.co_name == "__init__":
            candidate = frame.f_locals.get("self")
            if (
                hasattr(type(candidate), "scheduler_address")
                and _private.has_loop(candidate)
                # dask-jobqueue's classes are "created" before their base class was reached.
                and status_of(candidate) not in ("", "None", "created")
            ):
                return candidate
        traceback = traceback.tb_next
    return None


def status_of(cluster: Any) -> str:
    """The status of a cluster as a word, whether its class has texts or an enumeration."""
    status = getattr(cluster, "status", "")
    return str(getattr(status, "name", status))


def end_process(code: int) -> NoReturn:
    """End the process, as `sys.exit` does but for the interpreter's own end.

    An event loop may still run in its thread, which Python then ends by force wherever it is:
    about one process in a hundred, on a busy machine, aborted with "exception not rethrown" and
    lost its exit code (Python 3.11).

    Parameters
    ----------
    code : int
        The exit code.
    """
    _private.run_exit_functions()
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # none, broken or closed
            stream.flush()
    os._exit(code)
