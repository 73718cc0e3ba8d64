"""Who this is, and on what machine."""

from __future__ import annotations

import ipaddress
import os
import platform
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

_LISTENING: Final = "0A"  # as /proc/net/tcp says it


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


def has_browser() -> bool:
    """Whether a page that is opened would be seen: Linux needs a display for that, or `BROWSER`.

    Windows and macOS have one of their own, as the Linux of a Windows has.
    """
    told = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME")
    return sys.platform in ("win32", "darwin") or any(map(os.environ.get, told))


def group_of(pid: int) -> int | None:
    """The process group of a process; None on Windows, which has none."""
    return int(os.getpgid(pid)) if hasattr(os, "getpgid") else None


def listeners(host: str, port: int) -> set[int] | None:
    """The users whose sockets listen at an address of this machine.

    Parameters
    ----------
    host : str
        An IP address.
    port : int
        A port of TCP.

    Returns
    -------
    uids : set of int or None
        Their numbers; None where the system does not tell (Linux does, in ``/proc/net/tcp``: see
        proc_net_tcp of its documentation).
    """
    found = set()
    asked = ipaddress.ip_address(host)
    for table in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/net", table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            if table == "tcp":
                return None
            continue  # a kernel without IPv6
        for line in lines:
            _, local, _, state, _, _, _, uid, *_ = line.split()
            address, _, number = local.partition(":")
            if state == _LISTENING and int(number, 16) == port:
                where = _address(address)
                if where == asked or where.is_unspecified:
                    found.add(int(uid))
    return found


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address as the kernel writes it: words of 32 bits, each in the order of this machine."""
    words = bytes.fromhex(text)
    if sys.byteorder == "little":
        words = b"".join(words[i : i + 4][::-1] for i in range(0, len(words), 4))
    address = ipaddress.ip_address(words)
    return getattr(address, "ipv4_mapped", None) or address
