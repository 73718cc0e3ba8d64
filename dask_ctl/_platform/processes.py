"""Other processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING, Any, Final

from dask_ctl._platform.system import group_of

if TYPE_CHECKING:
    import psutil

_INTERPRETERS: Final = ("python", "pypy", "graalpy")


def is_python(path: str) -> bool:
    """Whether the path of a program is that of a Python.

    Parameters
    ----------
    path : str
        The path, with either kind of separator. That of a framework build on macOS ends in
        ``Python.app/Contents/MacOS/Python``.
    """
    return PureWindowsPath(path).name.lower().startswith(_INTERPRETERS)


def owned_by_user(process: psutil.Process) -> bool:
    """Whether a process is known to be of the user of this one.

    Parameters
    ----------
    process : psutil.Process
        The process.
    """
    import psutil

    try:
        return bool(_user_of(process) == _user_of(psutil.Process()))
    except psutil.Error:
        return False


def _user_of(process: Any) -> object:
    # Of a program that runs as another user than who started it, the latter.
    return process.uids().real if hasattr(process, "uids") else process.username()


def start_resource_tracker() -> None:
    """Start the process by which `multiprocessing` counts semaphores; Windows has none."""
    if os.name == "posix":
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()


def detached() -> dict[str, Any]:
    """The keywords of `subprocess.Popen` for a process that no terminal ends.

    Windows gives it a console that nobody sees: without any, each console program that it starts
    would open a window.
    """
    keywords: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        group = subprocess.CREATE_NEW_PROCESS_GROUP
        keywords = {"creationflags": group | subprocess.CREATE_NO_WINDOW}
    return keywords


def since_boot(pid: int) -> float | None:
    """When a process was started, which no other of its id shares; None if there is none.

    Parameters
    ----------
    pid : int
        Its process id.

    Returns
    -------
    seconds : float or None
        Since this machine was started: the time of day may be set meanwhile.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        ended = process.status() == psutil.STATUS_ZOMBIE
        return None if ended else process.create_time() - psutil.boot_time()
    except psutil.Error:
        return None


def end_tree(pid: int, patience: float) -> None:
    """Ask a process and its children to end, and end by force what is left of them.

    That includes the process group that it leads, where there are such groups. Windows knows no
    asking: there the process itself is ended at once.

    Parameters
    ----------
    pid : int
        Its process id. A `subprocess.Popen` of it may no longer learn its exit code.
    patience : float
        How long to wait before there is force, in seconds.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        tree = [process, *process.children(recursive=True)]
        leads_group = group_of(pid) == pid != group_of(os.getpid())
    except (psutil.NoSuchProcess, ProcessLookupError):
        return
    for each in tree:
        with suppress(psutil.NoSuchProcess):
            each.terminate()
    _, left = psutil.wait_procs(tree, timeout=patience)
    for each in left:
        with suppress(psutil.NoSuchProcess):
            left = [*left, *each.children(recursive=True)]
    for each in left:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    if leads_group and hasattr(os, "killpg") and hasattr(signal, "SIGKILL"):
        with suppress(ProcessLookupError, PermissionError):  # macOS: EPERM if only zombies are left
            os.killpg(pid, signal.SIGKILL)
    psutil.wait_procs(left, timeout=patience)
