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
                await self._heard()  # it greets first
                self._say(_GREETING)
            self._say({"op": op, "reply": True, **arguments})
            answer = await self._heard()
            if isinstance(answer, dict) and answer.get("status") == "uncaught-error":
                raise OSError(str(answer.get("exception_text")))
            return answer

        return ask

    async def close_rpc(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()

    def _say(self, message: dict[str, Any]) -> None:
        import msgpack

        assert self._streams is not None  # noqa: S101 -- it has just been opened
        frame = msgpack.packb(message)
        lengths = map(_LENGTH.pack, (2 * _LENGTH.size + len(frame), 1, len(frame)))
        self._streams[1].write(b"".join([*lengths, frame]))

    async def _heard(self) -> Any:
        import msgpack

        (together,) = _LENGTH.unpack(await self._bytes(_LENGTH.size))
        heard = await self._bytes(together)
        (count,) = _LENGTH.unpack_from(heard)
        frames = struct.unpack_from(f"{count}Q", heard, _LENGTH.size)
        begin = _LENGTH.size * (1 + count)
        missing = sum(frames) - (len(heard) - begin)  # a large frame follows by itself
        whole = heard[begin:] + await self._bytes(max(0, missing))
        return msgpack.unpackb(
            whole[: frames[0]], object_hook=_plain, use_list=False, strict_map_key=False
        )

    async def _bytes(self, number: int) -> bytes:
        assert self._streams is not None  # noqa: S101 -- it has just been opened
        if number > _MAX_BYTES:
            raise OSError("it says more than a scheduler has to say")
        try:
            return await self._streams[0].readexactly(number)
        except asyncio.IncompleteReadError:
            raise ConnectionResetError("it has closed the connection") from None


def _plain(part: dict[Any, Any]) -> Any:
    """A part of an answer that is no plain value itself."""
    if _PICKLES & part.keys():
        raise OSError("it answers with what would have to be unpickled")
    return set(part["as-list"]) if "__Set__" in part else part
