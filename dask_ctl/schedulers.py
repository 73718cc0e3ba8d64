"""Schedulers that can be found by where they listen, and what a scheduler says of itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Final

DEFAULT_PORT: Final = 8786
_GREETING_SHARE: Final = 0.2  # of the time-out; what is silent so long is something else
# Every server of distributed says this at once to whoever connects, before it is told anything.
_GREETING: Final = b"pickle-protocol"
_GREETING_BYTES: Final = 4096


async def discover(timeout: float) -> AsyncIterator[dict[str, Any]]:
    """Find the schedulers that listen on this machine.

    Looked at are the default port, and the sockets on which Python processes of the user listen.
    Nothing is sent to a socket before it has greeted as distributed does.

    Parameters
    ----------
    timeout : float
        How long all of it may take, in seconds. What greets and then does not answer in time is
        left out.

    Yields
    ------
    identity : dict
        What a scheduler says of itself.
    """
    deadline = asyncio.get_running_loop().time() + timeout
    sockets = await asyncio.to_thread(_sockets)
    asked = [_at_socket(host, port, timeout, deadline) for host, port in sockets]
    seen = set()
    for answer in asyncio.as_completed(asked):
        identity = await answer
        if identity is not None and identity["id"] not in seen:
            seen.add(identity["id"])
            yield identity


async def identity(
    address: str, timeout: float, security: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Ask a scheduler who it is.

    Parameters
    ----------
    address : str
        Its address.
    timeout : float
        How long it may take, in seconds.
    security : mapping, optional
        The keywords of a `distributed.Security`; by default dask's configuration decides.

    Raises
    ------
    OSError
        If no scheduler answers there in time.
    """
    from distributed import Security, rpc

    connection_args = Security(**(security or {})).get_connection_args("client")
    try:
        # Of two clocks that run out together either may speak; ours shall.
        server = rpc(address, timeout=2 * timeout, connection_args=connection_args)
        try:
            found = dict(await asyncio.wait_for(server.identity(), timeout))
            if found.get("type") != "Scheduler":
                raise OSError(f"a {found.get('type')} listens there, not a scheduler")
            with suppress(OSError):
                manager = server.get_metadata(keys=["cluster-manager-info"], default={})
                found["manager"] = await asyncio.wait_for(manager, timeout)
        finally:
            await server.close_rpc()
    except TimeoutError as error:
        raise TimeoutError(str(error) or f"no answer within {timeout:g} s") from None
    except OSError:
        raise
    except Exception as error:  # what is none of distributed's may say anything
        raise OSError(f"{type(error).__name__}: {error}") from error
    return found


async def _at_socket(
    host: str, port: int, timeout: float, deadline: float
) -> dict[str, Any] | None:
    shown = f"[{host}]" if ":" in host else host
    with suppress(OSError):
        async with asyncio.timeout_at(deadline):
            if await _greets(host, port, timeout * _GREETING_SHARE):
                return await identity(f"tcp://{shown}:{port}", timeout)
    return None


async def _greets(host: str, port: int, timeout: float) -> bool:
    """Whether something of distributed listens there, found out by listening only."""
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                heard = b""
                while _GREETING not in heard and len(heard) < _GREETING_BYTES:
                    chunk = await reader.read(_GREETING_BYTES)
                    if not chunk:
                        return False
                    heard += chunk
            finally:
                writer.close()
    except OSError:
        return False
    return _GREETING in heard


def _sockets() -> list[tuple[str, int]]:
    """Where Python processes of this user listen, and the default port of a scheduler."""
    import psutil

    found = {("127.0.0.1", DEFAULT_PORT)}
    network = _network(os.getpid())
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.uids().real != os.getuid() or _network(process.pid) != network:
                continue
            if not os.path.basename(process.exe()).startswith("python"):
                continue
            connections = getattr(process, "net_connections", None) or process.connections
            for connection in connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    host, port = connection.laddr
                    found.add((_reachable(host), port))
    return sorted(found)


def _network(pid: int) -> str | None:
    """The network that a process sees: in a container, its addresses are other programs' here."""
    with suppress(FileNotFoundError):  # only Linux has this
        return os.readlink(f"/proc/{pid}/ns/net")
    return None


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
