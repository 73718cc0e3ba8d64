"""Times and sizes as dask writes them."""

from __future__ import annotations

from contextlib import suppress
from math import inf


def seconds_of(value: object) -> float | None:
    """How long a time is, in seconds; None for what is none.

    Parameters
    ----------
    value : object
        Seconds, or as dask writes a time: ``90s``, ``5m``. What begins with no digit is none,
        though dask (2026.8) reads ``.5s`` as ``1.5s``.

    Examples
    --------
    >>> seconds_of("5m"), seconds_of(90), seconds_of("soon"), seconds_of(".5s")
    (300.0, 90.0, None, None)
    """
    from dask.utils import parse_timedelta

    if isinstance(value, bool) or (isinstance(value, str) and not value[:1].isdigit()):
        return None
    with suppress(TypeError, ValueError, LookupError, OverflowError, AttributeError):
        seconds = float(parse_timedelta(value, default="seconds"))
        return seconds if 0 <= seconds < inf else None
    return None


def bytes_of(value: object) -> float | None:
    """How much memory a size is, in bytes; None for what is none.

    Parameters
    ----------
    value : object
        Bytes, or as dask writes a size: ``16GB``.

    Examples
    --------
    >>> bytes_of("16GB"), bytes_of(16), bytes_of("much"), bytes_of("1e999GB")
    (16000000000.0, 16.0, None, None)
    """
    from dask.utils import parse_bytes

    with suppress(TypeError, ValueError, LookupError, OverflowError, AttributeError):
        return None if isinstance(value, bool) else float(parse_bytes(value))
    return None
