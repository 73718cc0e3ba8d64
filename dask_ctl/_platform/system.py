"""Who this is, and on what machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


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


def group_of(pid: int) -> int | None:
    """The process group of a process; None on Windows, which has none."""
    return int(os.getpgid(pid)) if hasattr(os, "getpgid") else None
