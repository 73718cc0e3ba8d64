"""Questions to a server of distributed that need no trust in it: no answer is unpickled.

`distributed.rpc` unpickles whatever a server puts into an answer, and so runs what that wants. Who
a scheduler is, it says in plain values, and so it can be asked in distributed's own words: messages
of frames, each length in front, the first frame in msgpack (``distributed/comm/tcp.py`` and
``distributed/protocol/core.py``, alike in 2025.7 and 2026.8). The tests ask real schedulers.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import Callable
from typing import Any, Final

_MAX_BYTES: Final = 1 << 26  # more than any scheduler says of itself
_LENGTH: Final = struct.Struct("Q")
_PICKLES: Final = frozenset({"__Serialized__", "__Pickled__"})
# No compression, and the least of pickle's protocols, which is not used.
_GREETING: Final = {
    "compression": None,
    "python": tuple(sys.version_info[:3]),
    "pickle-protocol": 4,
}


class Plain:
    """A connection that is used like a `distributed.rpc`: ``await server.identity()``.

    Parameters
    ----------
    host : str
        Its host.
    port : int
        Its port of TCP, without TLS.
    """

    def __init__(self, host: str, port: int) -> None:
        self._where = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def __getattr__(self, op: str) -> Callable[..., Any]:
        async def ask(**arguments: Any) -> Any:
            if self._streams is None:
                self._streams = await asyncio.open_connection(*self._where)
                await _heard(self._streams[0])  # it greets first
                self._streams[1].write(_message(_GREETING))
            reader, writer = self._streams
            writer.write(_message({"op": op, "reply": True, **arguments}))
            answer = await _heard(reader)
            if isinstance(answer, dict) and answer.get("status") == "uncaught-error":
                raise OSError(str(answer.get("exception_text")))
            return answer

        return ask

    async def close_rpc(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()


def _message(content: dict[str, Any]) -> bytes:
    import msgpack

    frame = msgpack.packb(content)
    lengths = map(_LENGTH.pack, (2 * _LENGTH.size + len(frame), 1, len(frame)))
    return b"".join([*lengths, frame])


async def _heard(reader: asyncio.StreamReader) -> Any:
    import msgpack

    (together,) = _LENGTH.unpack(await _bytes(reader, _LENGTH.size))
    heard = await _bytes(reader, together)
    (count,) = _LENGTH.unpack_from(heard)
    frames = struct.unpack_from(f"{count}Q", heard, _LENGTH.size)
    begin = _LENGTH.size * (1 + count)
    missing = sum(frames) - (len(heard) - begin)  # a large frame follows by itself
    whole = heard[begin:] + await _bytes(reader, max(0, missing))
    return msgpack.unpackb(
        whole[: frames[0]], object_hook=_plain, use_list=False, strict_map_key=False
    )


async def _bytes(reader: asyncio.StreamReader, number: int) -> bytes:
    if number > _MAX_BYTES:
        raise OSError("it says more than a scheduler has to say")
    try:
        return await reader.readexactly(number)
    except asyncio.IncompleteReadError:
        raise ConnectionResetError("it has closed the connection") from None


def _plain(part: dict[Any, Any]) -> Any:
    """A part of an answer that is no plain value itself."""
    if _PICKLES & part.keys():
        raise OSError("it answers with what would have to be unpickled")
    return set(part["as-list"]) if "__Set__" in part else part
