"""Signals, and the terminal."""

from __future__ import annotations

import os
import signal

from dask_ctl._platform.system import group_of


def ending_signals() -> tuple[signal.Signals, ...]:
    """The signals by which others end a process in order; Ctrl-C is not among them.

    ``SIGBREAK`` is how a process on Windows learns that its console closes.
    """
    return _those_of("SIGTERM", "SIGHUP", "SIGBREAK")


def forwarded_signals() -> tuple[signal.Signals, ...]:
    """The signals that a process passes on to the command that it runs."""
    return _those_of("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK")


def sent_to_all(signalnum: int) -> bool:
    """Whether a signal comes from the keyboard, so that this process's children have it as well.

    Parameters
    ----------
    signalnum : int
        The signal that this process has received.
    """
    return signalnum in _those_of("SIGINT", "SIGQUIT", "SIGBREAK") and in_foreground()


def in_foreground() -> bool:
    """Whether Ctrl-C in the terminal reaches this process, and its children with it.

    Windows has no other Ctrl-C than the console's, which all of its processes get.
    """
    if not hasattr(os, "tcgetpgrp"):
        return True
    try:
        # Not standard input, which may be a pipe although there is a terminal.
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:  # there is none
        return False
    try:
        return bool(os.tcgetpgrp(terminal) == group_of(os.getpid()))
    except OSError:  # it has hung up
        return False
    finally:
        os.close(terminal)


def _those_of(*names: str) -> tuple[signal.Signals, ...]:
    found = (getattr(signal, name, None) for name in names)
    return tuple(each for each in found if each is not None)
