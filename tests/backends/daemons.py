"""Services on loopback that end with the tests: their ports, processes and commands."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path


def free_ports(count: int) -> list[int]:
    """Give different ports that nothing listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def ending_with_us(*command: str | Path) -> list[str]:
    """Give a command that also ends when this process is killed, before it can end anything."""
    setpriv = shutil.which("setpriv")  # of Linux
    return [*((setpriv, "--pdeathsig", "TERM") if setpriv else ()), *map(str, command)]


def start_daemon(
    at_end: ExitStack,
    *command: str | Path,
    env: Mapping[str, str] | None = None,
    grace: float = 10,
) -> None:
    """Start a daemon that stays in the foreground, so that its process is ours to end.

    Parameters
    ----------
    at_end : ExitStack
        What ends it.
    *command : str or Path
        The command.
    env : mapping, optional
        What to add to its environment.
    grace : float
        How long it may take to end, in seconds, before it is killed.
    """
    daemon = subprocess.Popen(
        ending_with_us(*command),
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    at_end.callback(_stop, daemon, grace)


def _stop(daemon: subprocess.Popen[bytes], grace: float) -> None:
    daemon.terminate()
    try:
        daemon.wait(timeout=grace)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def output(*command: str | Path) -> str:
    """Give what a command prints, or why it failed."""
    run = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return run.stdout if run.returncode == 0 else f"{command[0]} failed: {run.stderr}"
