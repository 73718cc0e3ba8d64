"""Python imports this at its start; then dask_ctl finds what there is of the system on Windows.

Its modules alone see less: what they use is Linux' own, and would not work without.
"""

from __future__ import annotations

import builtins
import errno
import glob
import os
import sys
from types import ModuleType
from typing import Any

# What typeshed knows on Linux and not on Windows, and what psutil documents so.
MISSING = {
    "os": {
        "WNOHANG", "O_NONBLOCK", "O_NOFOLLOW", "O_DIRECTORY", "O_CLOEXEC",
        "chown", "lchown", "fchown", "fchmod", "lchmod", "fork", "forkpty", "geteuid", "getegid",
        "getgid", "getgroups", "getloadavg", "getpgid", "getpgrp", "getresuid", "getsid", "getuid",
        "getxattr", "killpg", "listxattr", "mkfifo", "nice", "openpty", "posix_spawn", "pread",
        "pwrite", "register_at_fork", "sched_getaffinity", "setgid", "setpgid", "setsid", "setuid",
        "setxattr", "statvfs", "sysconf", "tcgetpgrp", "tcsetpgrp", "ttyname", "uname", "wait",
        "waitid",
    },
    "signal": {
        "SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP",
        "SIGTSTP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "alarm", "pause", "pthread_kill",
        "pthread_sigmask", "setitimer", "siginterrupt", "sigwait", "sigtimedwait",
    },
}  # fmt: skip
ABSENT = {"grp", "pty", "pwd", "resource", "termios", "tty"}


def _without(module: ModuleType) -> ModuleType:
    """A copy of a module that lacks what Windows lacks of it."""
    copy = ModuleType(module.__name__)
    missing = MISSING[module.__name__]
    copy.__dict__.update({k: v for k, v in vars(module).items() if k not in missing})
    if "name" in vars(copy):
        copy.__dict__["name"] = "nt"
    return copy


def _top(names: Any) -> str:
    """The topmost package of a module, by its globals; one run by ``-m`` is called __main__."""
    names = names or {}
    return str(names.get("__package__") or names.get("__name__")).partition(".")[0]


def _is_ours(frame: Any) -> bool:
    """Whether our code does something, by itself or by Python's own library."""
    while frame is not None and _top(frame.f_globals) in sys.stdlib_module_names:
        frame = frame.f_back
    return frame is not None and _top(frame.f_globals) == "dask_ctl"


_import = builtins.__import__
_copies = {name: _without(_import(name)) for name in MISSING}


def _imported(name: str, *args: Any, **keywords: Any) -> ModuleType:
    if _top(args[0] if args else keywords.get("globals")) == "dask_ctl":
        if name in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if name in _copies:
            return _copies[name]
    return _import(name, *args, **keywords)


def _is_open(path: Any) -> bool:
    """Whether any process has a file open; there it can neither be removed nor replaced."""
    try:
        asked = os.stat(path)
    except OSError:
        return False
    for opened in glob.iglob("/proc/[0-9]*/fd/*"):
        try:
            if os.path.samestat(os.stat(opened), asked) and not _is_tracker(opened):
                return True
        except OSError:
            continue
    return False


def _is_tracker(opened: str) -> bool:
    """Whether that is of Python's tracker of what others have shared, which Windows lacks."""
    with open(f"{opened.partition('/fd/')[0]}/cmdline", "rb") as command:
        return b"resource_tracker" in command.read()


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event == "open" and str(args[0]).startswith("/proc") and _is_ours(sys._getframe(1)):
        raise FileNotFoundError(args[0])
    removed = args[:2] if event in {"os.remove", "os.rename"} else ()
    if removed and _is_ours(sys._getframe(1)) and any(_is_open(path) for path in removed):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), args[0])


def _nowhere(*_: object, **__: object) -> str:
    raise OSError("no links")


vars(_copies["os"])["readlink"] = _nowhere  # of /proc
builtins.__import__ = _imported
sys.addaudithook(_audit)
import psutil  # noqa: E402 -- which uses them itself


def _attribute(process: psutil.Process, name: str) -> Any:
    if name in {"uids", "gids", "terminal", "num_fds"} and _is_ours(sys._getframe(1)):
        raise AttributeError(name)
    return object.__getattribute__(process, name)


psutil.Process.__getattribute__ = _attribute
