"""Ctrl-C while a cluster is being made."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dask_ctl import _platform

logger = logging.getLogger("dask_ctl")


@contextmanager
def undone_by_signals() -> Iterator[list[int]]:
    """Have what ends a process raise ``KeyboardInterrupt`` in the body, so that it is undone.

    Yields
    ------
    received : list of int
        The signals that came, if Ctrl-C is not what ended the body.
    """
    received: list[int] = []

    def interrupt(signalnum: int, _: object) -> None:
        received.append(signalnum)
        signal.raise_signal(signal.SIGINT)

    heeded = [
        number
        for number in _platform.ending_signals()
        if signal.getsignal(number) is signal.SIG_DFL
    ]
    for number in heeded:
        signal.signal(number, interrupt)
    try:
        yield received
    finally:
        for number in heeded:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def deferred(what: str) -> Iterator[Callable[[], bool]]:
    """Hold a first Ctrl-C back until the body is done; a second one is raised at once.

    distributed answers a ``KeyboardInterrupt`` in the constructor of a cluster by cancelling
    its start, wherever that is: processes and jobs that nobody can name any more may be left.
    A cluster that has started can be closed.

    Parts of the cluster in processes of the same terminal get the Ctrl-C as well, and end. If that
    fails the start, the error is the interrupt.

    Parameters
    ----------
    what : str
        What goes on, for the message.

    Yields
    ------
    interrupted : callable
        Whether Ctrl-C was pressed.
    """
    pressed = threading.Event()
    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if not ours:
        yield pressed.is_set
        return

    def hold(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        pressed.set()
        logger.warning("interrupted: %s; interrupt again to stop at once", what)

    signal.signal(signal.SIGINT, hold)
    try:
        yield pressed.is_set
    except Exception as error:
        if not pressed.is_set():
            raise
        # Its traceback holds what there is of the cluster.
        raise KeyboardInterrupt().with_traceback(error.__traceback__) from None
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
