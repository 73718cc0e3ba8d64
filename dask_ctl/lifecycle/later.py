"""Verbs that do what they say now, or give what a running loop awaits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dask_ctl._async import Later, T


def now_or_later(coroutine: Later[T], asynchronous: bool) -> T | Later[T]:
    """What a coroutine gives, or the coroutine for whoever has a loop."""
    from dask_ctl import _async
    from dask_ctl.exceptions import InBrief

    with InBrief():
        return coroutine if asynchronous else _async.run(coroutine)
