"""What differs between Linux, macOS and Windows: a function a difference, none of it elsewhere.

Names that an operating system lacks are looked for, rather than the system's own name, so that
what is done without them can be tried on a system that has them.
"""

from __future__ import annotations

import errno
import os
import platform
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    import psutil

LockState = Literal["held", "free", "unknown"]

_TAKING_TIMEOUT: Final = 1.0  # seconds; whoever looks at a lock holds it for microseconds
_TAKING_INTERVAL: Final = 0.01
# Lustre without `flock` answers ENOSYS, NFS without its lock daemon ENOLCK.
_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
_INTERPRETERS: Final = ("python", "pypy", "graalpy")


def user_id() -> int | None:
    """The number of this process's user.

    Returns
    -------
    uid : int or None
        None on Windows, whose users have no number.
    """
    if not hasattr(os, "getuid"):
        return None
    uid: int = os.getuid()
    return uid


def machine() -> str:
    """The name of this machine, as far as it knows one."""
    return platform.node()


def boot() -> str | None:
    """What names the time since this machine was last started, and no other such time.

    Returns
    -------
    boot : str or None
        None where no such name is known. Windows has none: the moment of its start moves when its
        clock is set.
    """
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    if sys.platform == "darwin":
        asked = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
        with suppress(OSError, subprocess.SubprocessError):
            answer = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=10)
            return answer.stdout.strip() or None
    return None


def network_of(pid: int) -> str | None:
    """The network that a process sees: in a container, its addresses are other programs' here.

    Parameters
    ----------
    pid : int
        Its process id.

    Returns
    -------
    network : str or None
        None where it cannot be told. Only Linux tells.
    """
    with suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/net")
    return None


# -- other processes ---------------------------------------------------------------------------


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


def end_tree(pid: int, patience: float) -> None:
    """Ask a process to end, and end by force what is left of it and its children.

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
        leads_group = _group_of(pid) == pid != _group_of(os.getpid())
        process.terminate()
    except (psutil.NoSuchProcess, ProcessLookupError):
        return
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


def _group_of(pid: int) -> int | None:
    return int(os.getpgid(pid)) if hasattr(os, "getpgid") else None


# -- signals and the terminal ------------------------------------------------------------------


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
        return bool(os.tcgetpgrp(terminal) == _group_of(os.getpid()))
    except OSError:  # it has hung up
        return False
    finally:
        os.close(terminal)


def _those_of(*names: str) -> tuple[signal.Signals, ...]:
    found = (getattr(signal, name, None) for name in names)
    return tuple(each for each in found if each is not None)


# -- a lock that dies with its process ---------------------------------------------------------


class Lock:
    """A file that one process alone holds, until it releases it or ends, however it ends.

    Neither what it starts nor what it forks holds it on. On a file system without locks nothing
    is held, and `lock_state` says there that nothing is known.

    Parameters
    ----------
    path : path
        The file; it is made if need be, for its user alone.

    Raises
    ------
    BlockingIOError
        If another has it.
    OSError
        If the file cannot be made.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        deadline = time.monotonic() + _TAKING_TIMEOUT
        while (descriptor := self._try(last=time.monotonic() > deadline)) is None:
            time.sleep(_TAKING_INTERVAL)
        self._descriptor: int | None = descriptor
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.release)

    def release(self) -> None:
        """Let others have it; in a fork, let go of the share that came with the fork."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _try(self, *, last: bool) -> int | None:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)  # not inheritable
        try:
            _take(descriptor)
            # Whoever had it may have removed the file meanwhile.
            if os.path.samestat(os.fstat(descriptor), os.stat(self.path)):
                return descriptor
        except FileNotFoundError:
            pass
        except BlockingIOError:
            if last:
                os.close(descriptor)
                raise
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return descriptor
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None


def lock_state(path: str | os.PathLike[str]) -> LockState:
    """Whether a living process has a `Lock`, as far as can be told.

    Any number of processes can look at once.

    Parameters
    ----------
    path : path
        The file of the lock.

    Returns
    -------
    state : {"held", "free", "unknown"}
        Unknown if the file is missing, cannot be read, is another user's, or lies on a file
        system without locks.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return "unknown"
    try:
        if user_id() not in (None, os.fstat(descriptor).st_uid):
            return "unknown"
        _look(descriptor)
    except BlockingIOError:
        return "held"
    except OSError:
        return "unknown"
    else:
        return "free"
    finally:
        os.close(descriptor)


# Of the libraries for this, filelock has no shared lock, and portalocker one that needs pywin32
# on Windows.
if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from None
        os.write(descriptor, b"\n")  # the byte that nobody else can read now

    def _look(descriptor: int) -> None:
        try:
            seen = os.read(descriptor, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from None
        if not seen:
            raise OSError(errno.ENODATA, "nobody has had this lock yet")

else:
    import fcntl

    # Not `lockf`, whose locks end as soon as their process closes the file anywhere.
    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _look(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
