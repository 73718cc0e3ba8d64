"""Schedulers that can be found by where they listen, and what a scheduler says of itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

DEFAULT_PORT: Final = 8786
_GREETING_TIMEOUT: Final = 1.0  # seconds
# Every server of distributed says this at once to whoever connects, before it is told anything.
_GREETING: Final = b"pickle-protocol"
_GREETING_BYTES: Final = 4096


async def discover(extra: Iterable[str], timeout: float) -> AsyncIterator[dict[str, Any]]:
    """Find the schedulers that listen on this machine, and those of some addresses.

    On this machine those of the default port are looked at, and of the sockets on which Python
    processes of the user listen. Nothing is sent to a socket before it has greeted as
    distributed does.

    Parameters
    ----------
    extra : iterable of str
        Addresses to look at besides. A scheduler that does not answer there is yielded too.
    timeout : float
        How long one may take to answer, in seconds.

    Yields
    ------
    identity : dict
        What a scheduler says of itself; for one that does not answer, ``address`` and ``problem``.
    """
    asked = [_configured(address, timeout) for address in extra]
    asked += [_at_socket(host, port, timeout) for host, port in await asyncio.to_thread(_sockets)]
    seen = set()
    for answer in asyncio.as_completed(asked):
        identity = await answer
        if identity is not None and identity.get("id", identity["address"]) not in seen:
            seen.add(identity.get("id", identity["address"]))
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
        If it does not answer in time.
    """
    from distributed import Security, rpc

    connection_args = Security(**(security or {})).get_connection_args("client")
    server = rpc(address, timeout=timeout, connection_args=connection_args)
    try:
        found = await asyncio.wait_for(server.identity(), timeout)
        if found.get("type") == "Scheduler":
            with suppress(OSError):
                manager = server.get_metadata(keys=["cluster-manager-info"], default={})
                found["manager"] = await asyncio.wait_for(manager, timeout)
    finally:
        await server.close_rpc()
    return dict(found)


async def _configured(address: str, timeout: float) -> dict[str, Any] | None:
    try:
        return await identity(address, timeout)
    except (OSError, ValueError, TypeError) as error:
        problem = " ".join(str(error).split()) or f"no answer within {timeout:g} s"
        return {"address": address, "problem": problem}


async def _at_socket(host: str, port: int, timeout: float) -> dict[str, Any] | None:
    if not await _greets(host, port):
        return None
    shown = f"[{host}]" if ":" in host else host
    try:
        found = await identity(f"tcp://{shown}:{port}", timeout)
    except (OSError, ValueError, TypeError):
        return None
    return found if found.get("type") == "Scheduler" else None


async def _greets(host: str, port: int) -> bool:
    """Whether something of distributed listens there, found out by listening only."""
    try:
        async with asyncio.timeout(_GREETING_TIMEOUT):
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
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid == os.getpid() or process.uids().real != os.getuid():
                continue
            if not os.path.basename(process.exe()).startswith("python"):
                continue
            connections = getattr(process, "net_connections", None) or process.connections
            for connection in connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    host, port = connection.laddr
                    found.add((_reachable(host), port))
    return sorted(found)


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
