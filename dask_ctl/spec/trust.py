"""Whose files are obeyed: a spec is code, and so is a module that one names.

What lies in the current directory may have been put there by anybody who can write to it. Such a
file counts if it belongs to the user, to root or to the owner of the running script, and if not
everybody can write to it, nor put another in its place. A group is trusted with what it may write,
as git does. Windows has no such owners, and nothing is checked there.
"""

from __future__ import annotations

import os
import shlex
import stat
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

from dask_ctl import _platform
from dask_ctl.exceptions import InvalidSpecError

_MAX_LINKS: Final = 40  # as Linux has it
_found: set[str] = set()  # the modules of a folder in which specs may name code
# A POSIX ACL as an attribute: a version, then entries of tag, permissions and id, all of them
# little-endian (include/uapi/linux/posix_acl_xattr.h of Linux).
_ACL: Final = "system.posix_acl_access"
_ENTRY: Final = struct.Struct("<HHI")
_USER, _MASK, _WRITE = 0x02, 0x10, 0x02
_NO_OTHERS, _NO_LIST = "chmod o-w", "setfacl -b"


def owners() -> frozenset[int]:
    """The user ids that are trusted: this user's, root's, that of the running script's owner."""
    user = _platform.user_id()
    if user is None:
        return frozenset()
    trusted = {user, 0}
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    with suppress(OSError, TypeError):
        trusted.add(os.stat(script).st_uid)  # type: ignore[arg-type]
    return frozenset(trusted)


class Doubt(NamedTuple):
    """Why a file is not obeyed, and the command by which this user can mend that."""

    reason: str
    command: str | None = None

    def or_else(self, remedy: str) -> str:
        """What to do: the command, if there is one, or something else."""
        return f"{self.command}, or {remedy}" if self.command else remedy


def distrust(path: Path, trusted: frozenset[int], descriptor: int | None = None) -> Doubt | None:
    """Why a file is not to be obeyed, or None if it is.

    Parameters
    ----------
    path : Path
        The file or folder, which may be a link: both ends of it count.
    trusted : frozenset of int
        The user ids that are trusted.
    descriptor : int, optional
        The file as it was opened, which is what is then read.
    """
    if _platform.user_id() is None:
        return None
    if doubt := _led_astray(path, trusted):
        return doubt
    here = path
    for _ in range(_MAX_LINKS):
        status = os.lstat(here)
        if status.st_uid not in trusted:
            return Doubt(f"belongs to another user (uid {status.st_uid})")
        if doubt := _replaceable(here, trusted):
            return doubt
        if not stat.S_ISLNK(status.st_mode):
            break
        here = here.parent / os.readlink(here)
    if descriptor is not None:
        opened = os.fstat(descriptor)
        if (opened.st_dev, opened.st_ino) != (status.st_dev, status.st_ino):
            return Doubt("was changed while it was read")
    closing = _open_to(here if descriptor is None else descriptor, status, trusted)
    if closing is None:
        return None
    by_list = "other users, by its ACL"
    reason = f"is writable by {by_list if closing == _NO_LIST else 'everybody'}"
    return Doubt(reason, _mending(closing, here, status))


def _led_astray(path: Path, trusted: frozenset[int]) -> Doubt | None:
    """Why others could choose what is found below the current directory at a path."""
    here = Path.cwd()
    if path.parent == here or not path.is_relative_to(here):
        return None
    for part in path.parent.relative_to(here).parts:
        here /= part
        status = os.lstat(here)
        if stat.S_ISLNK(status.st_mode) and status.st_uid not in trusted:
            return Doubt(f"lies behind a link of another user (uid {status.st_uid})")
        if doubt := _replaceable(here, trusted):
            return doubt
    return None


def _replaceable(path: Path, trusted: frozenset[int]) -> Doubt | None:
    """Why others could put something of theirs in the place of a file."""
    folder = os.stat(path.parent)
    closing = _open_to(path.parent, folder, trusted)
    if closing is None or folder.st_mode & stat.S_ISVTX:
        return None
    reason = "lies in a folder in which everybody can replace it"
    return Doubt(reason, _mending(closing, path.parent, folder))


def _mending(command: str, file: Path, status: os.stat_result) -> str | None:
    """The whole command, for who may give it."""
    may = _platform.user_id() in (0, status.st_uid)
    return f"{command} {shlex.quote(os.path.relpath(file))}" if may else None


@contextmanager
def code_from(folder: Path | None = None) -> Iterator[None]:
    """Let modules be imported from a folder, after all other places and if they are trusted.

    Parameters
    ----------
    folder : Path, optional
        By default the current directory.

    Raises
    ------
    InvalidSpecError
        If what is imported lies there and is not to be trusted.
    """
    try:
        finder = _Finder(Path.cwd() if folder is None else folder)
    except FileNotFoundError:  # the directory was deleted under us
        yield
        return
    within = _Within(finder)
    sys.meta_path.insert(0, within)
    sys.meta_path.append(finder)
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in finder.refused:
            raise
        raise finder.refused[error.name] from error
    finally:
        sys.meta_path.remove(within)
        sys.meta_path.remove(finder)


def code_of(target: object) -> AbstractContextManager[None]:
    """The same while a class or function runs that lies there: it may import its neighbours."""
    root = str(getattr(target, "__module__", None)).partition(".")[0]
    return code_from() if root in _found else nullcontext()


class _Finder:
    """Finds in one folder what is found nowhere else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.refused: dict[str | None, InvalidSpecError] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return self.found(name, [str(self.folder)], target) if path is None else None

    def found(self, name: str, path: Sequence[str], target: Any) -> ModuleSpec | None:
        """The module, unless somebody else may have written it or its compiled form."""
        spec = PathFinder.find_spec(name, path, target)
        if spec is None:
            return None
        trusted = owners()
        compiled = [spec.cached, os.path.dirname(spec.cached)] if spec.cached else []
        for file in (spec.origin, *compiled, *(spec.submodule_search_locations or ())):
            if file is None or not os.path.exists(file):
                continue
            if doubt := distrust(Path(file), trusted):
                self.refused[name] = InvalidSpecError(
                    f"{doubt.reason}, and a spec may name code",
                    remedy=doubt.or_else("run in a folder of your own, or install the module"),
                    origin=file,
                )
                return None
        _found.add(name)
        return spec


class _Within:
    """Finds the modules of packages that any `_Finder` has found, so that they are looked at."""

    def __init__(self, finder: _Finder) -> None:
        self.finder = finder

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is None or name.rpartition(".")[0] not in _found:
            return None
        spec = self.finder.found(name, path, target)
        if spec is None and name in self.finder.refused:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return spec


def _open_to(file: int | Path, status: os.stat_result, trusted: frozenset[int]) -> str | None:
    """What ends that everybody, or a named user who is not trusted, may write; None if none may."""
    if status.st_mode & stat.S_IWOTH:
        return _NO_OTHERS
    # Where there is a list, the permissions of the group are its mask, the most that it gives.
    # Only Linux keeps it there.
    if not status.st_mode & stat.S_IWGRP or not hasattr(os, "getxattr"):
        return None
    try:
        acl = os.getxattr(file, _ACL)
    except OSError:  # none, or none on this file system
        return None
    entries = list(_ENTRY.iter_unpack(acl[4:])) if len(acl) % _ENTRY.size == 4 else []  # noqa: PLR2004
    mask = next((allowed for tag, allowed, _ in entries if tag == _MASK), _WRITE)
    for tag, allowed, uid in entries:
        if tag == _USER and allowed & mask & _WRITE and uid not in trusted:
            return _NO_LIST
    return None
