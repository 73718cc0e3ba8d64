"""Files: locks that die with their process, and what can be done to one that is open."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

from dask_ctl._platform.system import user_id

LockState = Literal["held", "free", "unknown"]

_PATIENCE: Final = 1.0  # seconds; whoever looks at a file has it open for microseconds
_INTERVAL: Final = 0.01
# Lustre without `flock` answers ENOSYS, NFS without its lock daemon ENOLCK.
_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})


def replace(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Rename a file over another, which Windows refuses while somebody has that open.

    Parameters
    ----------
    source, target : path
        The new file, and the old one.
    """
    _patiently(os.replace, source, target)


def remove(path: str | os.PathLike[str]) -> None:
    """Remove a file, if it is there, which Windows refuses while somebody has it open.

    Parameters
    ----------
    path : path
        The file.
    """
    with suppress(FileNotFoundError):
        _patiently(os.unlink, path)


def _patiently(function: Callable[..., object], *paths: Any) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            function(*paths)
        except PermissionError:
            if user_id() is not None or time.monotonic() > deadline:
                raise
            time.sleep(_INTERVAL)
        else:
            return


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
        deadline = time.monotonic() + _PATIENCE
        while (descriptor := self._try(last=time.monotonic() > deadline)) is None:
            time.sleep(_INTERVAL)
        self._descriptor: int | None = descriptor
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.release)

    @property
    def is_replaced(self) -> bool:
        """Whether its file was removed, and another has made it anew."""
        try:
            return self._descriptor is None or not os.path.samestat(
                os.fstat(self._descriptor), os.stat(self.path)
            )
        except FileNotFoundError:
            return False

    def remove(self) -> None:
        """Let go of it for good: the file goes too."""
        try:
            os.unlink(self.path)  # before another has it
        except PermissionError:  # as of all that is open on Windows
            self.release()
            with suppress(OSError):  # another has it
                remove(self.path)
        except FileNotFoundError:
            pass
        self.release()

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
