"""Schedulers that can be found by where they listen, and what a scheduler says of itself."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Final

from dask_ctl import _platform
from dask_ctl.backends.wire import Plain

DEFAULT_PORT: Final = 8786
_GREETING_SHARE: Final = 0.2  # of the time-out; what is silent so long is something else
_GRACE: Final = 0.3  # seconds
# Every server of distributed says this at once to whoever connects, before it is told anything.
_GREETING: Final = b"pickle-protocol"
_GREETING_BYTES: Final = 4096
# Gives the processes to leave alone, with all that they have started: what is known need not be
# connected to, and who speaks TLS warns in a log of who does not.
left_alone: ContextVar[Callable[[], AbstractSet[int]]] = ContextVar("left_alone", default=set)


async def discover(timeout: float) -> AsyncIterator[dict[str, Any]]:
    """Find the schedulers that listen on this machine.

    Looked at are the sockets on which Python processes of the user listen, and the default port,
    unless another user listens there. Nothing is sent to a socket before it has greeted as
    distributed does.

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
    processes = await asyncio.to_thread(_looked_at)
    seen = set()
    asked = [_of_process(sockets, timeout, deadline) for sockets in processes]
    for answer in asyncio.as_completed(asked):
        for identity in await answer:
            if identity["id"] not in seen:
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
    try:
        server = _server(address, timeout, security)
        try:
            found = dict(await asyncio.wait_for(server.identity(), timeout))
            if found.get("type") != "Scheduler":
                raise OSError(f"a {found.get('type')} listens there, not a scheduler")
            if not all(isinstance(found.get(key), str) for key in ("id", "address")):
                raise OSError("what listens there does not say who it is, as schedulers do")
            with suppress(OSError):
                manager = server.get_metadata(keys=["cluster-manager-info"], default={})
                found["manager"] = await asyncio.wait_for(manager, timeout)
                found["idle_since"] = await asyncio.wait_for(server.check_idle(), timeout)
        finally:
            await server.close_rpc()
    except TimeoutError as error:
        raise TimeoutError(str(error) or f"no answer within {timeout:g} s") from None
    except OSError:
        raise
    except Exception as error:  # what is none of distributed's may say anything
        raise OSError(f"{type(error).__name__}: {error}") from error
    return found


def _server(address: str, timeout: float, security: Mapping[str, Any] | None) -> Any:
    """What asks a scheduler: by its certificates, or else with no trust in what it answers."""
    from distributed import Security, rpc
    from distributed.comm import get_address_host_port, parse_address

    if parse_address(address)[0] == "tcp":
        return Plain(*get_address_host_port(address))
    connection_args = Security(**(security or {})).get_connection_args("client")
    # Of two clocks that run out together either may speak; ours shall.
    return rpc(address, timeout=2 * timeout, connection_args=connection_args)


def listens(address: str, timeout: float = 1.0) -> bool:
    """Whether anything listens at the address of a scheduler, within a time in seconds.

    The system is asked first: who speaks TLS warns in a log of each connection that does not.
    """
    from distributed.comm import get_address_host_port

    try:
        host, port = get_address_host_port(address)
        ip = _ip_of(host, port)
        if _is_local(ip) and _platform.listeners(ip, port):
            return True
        with socket.create_connection((host, port), timeout=timeout):
            return True
    except (OSError, ValueError):
        return False


def is_trusted(address: str) -> bool:
    """Whether a scheduler that nobody has named just now may be used: that unpickles what it says.

    Parameters
    ----------
    address : str
        Where it listens. On this machine no other user than root may; whose another machine's
        sockets are is not known here.
    """
    from distributed.comm import get_address_host_port

    try:
        return _is_ours(*get_address_host_port(address))
    except (OSError, ValueError):  # a name that nobody knows, or of no port
        return True


def _is_ours(host: str, port: int) -> bool:
    user = _platform.user_id()
    ip = _ip_of(host, port)
    if user is None or not _is_local(ip):
        return True
    users = _platform.listeners(ip, port)
    if users is None:
        ours = _sockets(of_python=False).values()
        return any(port == number for sockets in ours for _, number in sockets)
    return users <= {user, 0}


def _ip_of(host: str, port: int) -> str:
    return str(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0])


def _is_local(host: str) -> bool:
    """Whether an address is one of this machine, which alone can be bound here."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True


async def _of_process(
    sockets: Iterable[tuple[str, int]], timeout: float, deadline: float
) -> list[dict[str, Any]]:
    """The schedulers of one process, by the sockets on which it listens."""
    patience = timeout * _GREETING_SHARE
    greetings = {
        asyncio.create_task(_greets(host, port, patience)): _address(host, port)
        for host, port in sockets
    }
    silent = set(greetings)
    found: list[str] = []
    while silent:
        # A process that has greeted at one socket would have done so at its others by now.
        heard, silent = await asyncio.wait(
            silent, timeout=_GRACE if found else None, return_when=asyncio.FIRST_COMPLETED
        )
        if not heard:
            break
        found += [greetings[task] for task in heard if task.result()]
    for task in silent:
        task.cancel()
    asked = [_identity_before(deadline, address, timeout) for address in found]
    return [each for each in await asyncio.gather(*asked) if each is not None]


async def _identity_before(deadline: float, address: str, timeout: float) -> dict[str, Any] | None:
    with suppress(OSError):
        async with asyncio.timeout_at(deadline):
            return await identity(address, timeout)
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


def _looked_at() -> list[set[tuple[str, int]]]:
    """The sockets of each Python process of this user, and the default port if that is trusted."""
    sockets, roots = _sockets(), left_alone.get()()
    alone = {pid for pid in sockets if roots and _descends(pid, roots)}
    ports = {port for pid in alone for _, port in sockets[pid]}
    default = "127.0.0.1", DEFAULT_PORT
    asked = [{default}] if DEFAULT_PORT not in ports and _is_ours(*default) else []
    return [*asked, *(each for pid, each in sockets.items() if pid not in alone)]


def _sockets(*, of_python: bool = True) -> dict[int, set[tuple[str, int]]]:
    """Where processes of this user listen, each; by default only those of Python."""
    import psutil

    try:
        # Of all processes at once: each look at the kernel's tables may take 10 ms and more.
        connections = [(each.pid, each) for each in psutil.net_connections("tcp")]
    except (psutil.Error, OSError):  # macOS tells nobody but root
        connections = list(_one_by_one())
    found: dict[int, set[tuple[str, int]]] = {}
    for pid, each in connections:
        if pid is not None and each.status == psutil.CONN_LISTEN:
            found.setdefault(pid, set()).add((_reachable(each.laddr.ip), each.laddr.port))
    return {pid: each for pid, each in found.items() if _is_looked_at(pid, of_python=of_python)}


def _one_by_one() -> Iterator[tuple[int, Any]]:
    """The connections of each process that may be asked."""
    import psutil

    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            asked = getattr(process, "net_connections", None) or process.connections
            yield from ((process.pid, each) for each in asked("tcp"))


def _is_looked_at(pid: int, *, of_python: bool) -> bool:
    import psutil

    with suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        ours = _platform.owned_by_user(process)
        return ours and (not of_python or _platform.is_python(process.exe()))
    return False


def _descends(pid: int, roots: AbstractSet[int]) -> bool:
    """Whether a process is one of some, or was started by one."""
    import psutil

    with suppress(psutil.Error, OSError):
        return not roots.isdisjoint({pid, *(each.pid for each in psutil.Process(pid).parents())})
    return False


def _address(host: str, port: int) -> str:
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
