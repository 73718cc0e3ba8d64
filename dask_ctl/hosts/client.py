"""Calls of a host: one line of JSON there, one back, over the loopback."""

from __future__ import annotations

import json
import socket
import time
from typing import Any, Final

from dask_ctl.backends import listening
from dask_ctl.exceptions import BackendError
from dask_ctl.hosts.record import Record

MAX_LINE: Final = 2**16
TIMEOUT: Final = 30.0  # seconds
LOOPBACK: Final = ("127.0.0.1", "::1")  # the second where there is no IPv4


def call(record: Record, verb: str, *, deadline: float | None = None, **arguments: Any) -> Any:
    """Have the host of a cluster do something.

    Parameters
    ----------
    record : Record
        The record of the cluster.
    verb : {"scale", "adapt", "security", "close"}
        What to do.
    deadline : float, optional
        When to give up, as `time.monotonic` counts; by default in 30 seconds.
    **arguments
        What the verb needs.

    Raises
    ------
    BackendError
        If the host does not answer, or its cluster fails.
    """
    host = record.host
    if host is None or host.port is None:
        raise BackendError(
            f"cluster {record.name!r} is still starting",
            remedy=f"see: dask cluster logs {record.name}",
        )
    if host.elsewhere:
        raise BackendError(
            f"cluster {record.name!r} is controlled from {host.machine} only",
            remedy=f"log in to {host.machine}, and try again there",
        )
    timeout = TIMEOUT if deadline is None else max(0.1, deadline - time.monotonic())
    asked = json.dumps({"secret": host.secret, "verb": verb, "arguments": arguments})
    try:
        if record.life != "alive":
            _refuse_strangers(host.port)
        with _connected(host.port, timeout) as connection:
            answer = _answer(connection, asked)
    except (OSError, ValueError) as error:
        raise BackendError(
            f"the host of cluster {record.name!r} does not answer: {error}",
            remedy=f"see {record.log}, and whether process {host.pid} runs",
        ) from None
    if "error" in answer:
        raise BackendError(
            f"the host of cluster {record.name!r}: {answer['error']}", remedy=f"see {record.log}"
        )
    return answer["result"]


def _refuse_strangers(port: int) -> None:
    if not listening.is_trusted(f"tcp://{LOOPBACK[0]}:{port}"):
        raise OSError("another user has its port")


def _answer(connection: socket.socket, asked: str) -> dict[str, Any]:
    connection.sendall(asked.encode() + b"\n")
    with connection.makefile("rb") as answers:
        answer = json.loads(answers.readline(MAX_LINE))
    if not isinstance(answer, dict) or not {"error", "result"} & answer.keys():
        raise ValueError(f"it says {answer!r:.80}")
    return answer


def _connected(port: int, timeout: float) -> socket.socket:
    refused = []
    for address in LOOPBACK:
        try:
            return socket.create_connection((address, port), timeout=timeout)
        except OSError as error:
            refused.append(error)
            if isinstance(error, TimeoutError):
                break
    raise refused[0]
