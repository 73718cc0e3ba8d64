"""Coroutines run from code that has no loop, or has one running already."""

from __future__ import annotations

import asyncio
import inspect
import queue
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")
Later: TypeAlias = Coroutine[Any, Any, T]


def run(coroutine: Later[T]) -> T:
    """Run a coroutine to its end, also where a loop is running already."""
    return in_daemon(_run_alone, coroutine).result() if _loop_runs() else _run_alone(coroutine)


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _run_alone(coroutine: Later[T]) -> T:
    with asyncio.Runner() as runner:
        # Ctrl-C does not wait for what waits in a thread.
        runner.get_loop().set_default_executor(Daemons())
        try:
            return runner.run(coroutine)
        except KeyboardInterrupt as interrupted:  # not while a cancelled task was handled
            raise interrupted from None


def iterate(pieces: AsyncIterator[T]) -> Iterator[T]:
    """What an asynchronous iterator gives, piece by piece, also where a loop is running already."""
    news: queue.SimpleQueue[list[T]] = queue.SimpleQueue()

    async def listen() -> None:
        async for piece in pieces:
            news.put([piece])

    listening = in_daemon(asyncio.run, listen())
    listening.add_done_callback(lambda _: news.put([]))
    while piece := news.get():
        yield from piece
    listening.result()


async def settled(result: Any) -> Any:
    """What a call has given, awaited if it is to be: the methods of a cluster do either."""
    return await result if inspect.isawaitable(result) else result


def in_daemon(function: Callable[..., T], *args: Any) -> Future[T]:
    """Run a function in a thread of its own, which does not keep the process from ending."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # from now on nobody can

    def target() -> None:
        try:
            future.set_result(function(*args))
        except BaseException as error:  # noqa: BLE001 -- whoever awaits it gets it
            future.set_exception(error)

    threading.Thread(target=target, daemon=True).start()
    return future


class Loop:
    """A loop in a daemon thread, for what lives longer than one coroutine."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(Daemons())
        in_daemon(self._loop.run_forever)

    def start(self, coroutine: Later[T]) -> Future[T]:
        """Run a coroutine in it; cancelling the future cancels that."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def stop(self) -> None:
        """End it, whatever still runs in it."""
        self._loop.call_soon_threadsafe(self._loop.stop)


class Daemons(ThreadPoolExecutor):
    """Threads that do not keep a process from ending, unlike those of asyncio's own executor."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run a function in a thread of its own."""
        return in_daemon(lambda: fn(*args, **kwargs))
