"""How the commands print: data on standard output, everything else on standard error."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import click

from dask_ctl.exceptions import plural, printable

_LINE_INTERVAL: Final = 10.0  # seconds
_BAR: Final = 20  # columns
_CLOCK: Final = len("x  0:00:00 ")
_DISPENSABLE: Final = ("ADDRESS", "DISCOVERY", "THREADS", "MEMORY", "TYPE", "AGE")  # in this order
_COLOURS: Final = {"running": "green", "dead": "red", "orphaned": "red"}


def out(text: str, *, nl: bool = True) -> None:
    """Print data on standard output.

    Raises
    ------
    click.ClickException
        If it cannot be written: what nobody has got is not done.
    """
    if sys.stdout is None:
        raise click.ClickException("standard output is closed; send it to a file")
    try:
        click.echo(text, nl=nl)
    except BrokenPipeError:  # whoever reads has enough
        raise
    except OSError as error:
        with open(os.devnull, "w") as nowhere:  # what is kept would fail again at exit
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        problem = f"standard output cannot be written: {error.strerror}; send it elsewhere"
        raise click.ClickException(problem) from None


def note(text: str) -> None:
    """Print what is no data on standard error, if that can be written."""
    with suppress(OSError):
        click.echo(text, err=True)


def say(problem: Any) -> None:
    """Print a problem on standard error."""
    colour = {"error": "red", "warning": "yellow"}[problem.severity]
    note(click.style(f"{problem.severity}: ", fg=colour) + str(problem))


def warn(text: object) -> None:
    """Print a warning on standard error."""
    note(click.style("warning: ", fg="yellow") + str(text))


def failure(error: BaseException, *, debug: object = False) -> int | None:
    """Print an error in one line, and give the exit code that it means.

    None, and nothing is printed, where its traceback is to be seen: it is not explained, or that
    was asked for.
    """
    from dask_ctl.exceptions import exit_code_of, explained

    if debug or explained(error) is None:
        return None
    note(f"Error: {explained(error)}")
    return exit_code_of(error)


def on_terminal(stream: Any) -> bool:
    """Whether a person reads it, on a terminal that moves its cursor."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under headings, every cell whole."""
    for cells in _aligned([headings, *rows]):
        out("  ".join(cells).rstrip())


def clusters(infos: Any, *, wide: bool = False) -> None:
    """Print clusters, a line each; on a terminal, without columns for which that has no room."""
    rows = [infos.HEADINGS, *(info.cells() for info in infos)]
    kept = list(range(len(infos.HEADINGS)))
    if sys.stdout is not None and sys.stdout.isatty() and not wide:
        room = shutil.get_terminal_size().columns
        widths = [max(len(row[i]) for row in rows) + 2 for i in kept]
        for heading in _DISPENSABLE:
            if sum(widths[i] for i in kept) - 2 <= room:
                break
            kept.remove(infos.HEADINGS.index(heading))
    headings, *shown = _aligned([[row[i] for i in kept] for row in rows])
    out("  ".join(headings))
    for info, (name, *cells, state) in zip(infos, shown, strict=True):
        colour = _COLOURS.get(info.status, "yellow")
        out("  ".join([_link(name, info.dashboard), *cells, click.style(state, fg=colour)]))


def _aligned(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """The same, printable, with every cell but the last as wide as the widest of its column."""
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in list(zip(*shown, strict=True))[:-1]]
    return [
        [f"{cell:<{width}}" for cell, width in zip(row, [*widths, 0], strict=True)] for row in shown
    ]


def _link(text: str, address: str | None) -> str:
    """Text that opens an address in terminals that know links (OSC 8), before its padding."""
    if address is None or not on_terminal(sys.stdout):
        return text
    name = text.rstrip()
    return f"\033]8;;{printable(address)}\033\\{name}\033]8;;\033\\{text[len(name) :]}"


def description(details: dict[str, Any]) -> Iterator[str]:
    """All there is to say of a cluster, as lines."""
    for key in (
        "name", "type", "status", "waiting", "command", "address", "dashboard", "created",
        "discovery", "log",
    ):  # fmt: skip
        if details[key] is not None:
            yield printable(f"{key + ':':<12}{details[key]}")
    if details["workers"] is not None:
        n = details["threads"]
        threads = "" if n is None else f", with {plural(n, 'thread')}"
        yield f"{'workers:':<12}{details['workers']}{threads}"
        yield f"{'memory:':<12}{_size(details['memory_used'])} of {_size(details['memory'])}"
        tasks = details["tasks"]
        counted = printable(", ".join(f"{n} {state}" for state, n in (tasks or {}).items()))
        yield f"{'tasks:':<12}{'unknown' if tasks is None else counted or 'none'}"
    if details["adapt"]:
        limits = ", ".join(f"{key} {value}" for key, value in details["adapt"].items())
        yield f"{'adapts:':<12}{limits}"
    yield from _each_worker(details["worker_info"])
    if details["jobs"]:
        yield f"{'jobs:':<12}{', '.join(details['jobs'])}"
    if details["spec"]:
        import yaml

        yield "spec:"
        shown = {key: value for key, value in details["spec"].items() if value is not None}
        for line in yaml.safe_dump(shown, sort_keys=False).splitlines():
            yield f"  {line}"
        yield "origins:"
        for key, origin in details["origins"].items():
            yield printable(f"  {key}: {origin['source']}: {origin['where']}")


def _each_worker(infos: Sequence[dict[str, Any]]) -> Iterator[str]:
    def counted(n: int | None) -> str:
        return "unknown" if n is None else str(n)

    rows = [
        (
            str(each["name"]),
            counted(each["threads"]),
            f"{_size(each['memory_used'])} of {_size(each['memory'])}",
            counted(each["executing"]),
            each["address"],
        )
        for each in infos
    ]
    if rows:
        yield "each worker:"
        for cells in _aligned([("NAME", "THREADS", "MEMORY", "EXECUTING", "ADDRESS"), *rows]):
            yield "  " + "  ".join(cells)


def _size(n: int | None) -> str:
    if n is None:
        return "unknown"
    from dask.utils import format_bytes

    return str(format_bytes(n))


@contextmanager
def going_on(name: str, goal: str) -> Iterator[None]:
    """Say at Ctrl-C what a cluster may go on with, without the command."""
    try:
        yield
    except KeyboardInterrupt:
        told = f"if {name} was told, it goes on to {goal}; to see: dask cluster list"
        note(f"interrupted: {told}")
        raise


def next_steps(name: str, *, runs: bool) -> None:
    """Tell a person at a terminal what to do with a new cluster, or with what it runs."""
    from dask_ctl import lifecycle

    if not on_terminal(sys.stdout):
        return
    verbs = {"its output": "logs -f", "its end": "wait"} if runs else {"use it": "snippet"}
    details = lifecycle.describe_cluster(name)
    dashboard = details["dashboard"] and _link(details["dashboard"], details["dashboard"])
    if details["status"] == "running" and details["address"] is None:  # forwarded to who asks
        dashboard = f"dask cluster dashboard {name}"
    steps = {
        **({"dashboard": dashboard} if dashboard else {}),
        **{what: f"dask cluster {verb} {name}" for what, verb in verbs.items()},
        "end it": f"dask cluster delete {name}",
    }
    for what, how in steps.items():
        note(click.style(f"  {what + ':':<12}", dim=True) + how)


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Say how far something is: a line that moves on a terminal, plain lines elsewhere."""
    if not on_terminal(sys.stderr):
        note(what)
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.table import Column

    console = Console(stderr=True)
    counted = [BarColumn(_BAR), TextColumn("{task.completed}/{task.total}")] if total else []
    # Where there is no room for all, the text gives way: not how far it is.
    others = _CLOCK + (_BAR + len(f" {total}/{total} ") if total else 0)
    room = Column(max_width=max(console.width - others, _CLOCK), no_wrap=True)
    text = TextColumn("{task.description}", table_column=room)
    columns = [SpinnerColumn(), text, *counted, TimeElapsedColumn()]
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(what, total=total)

        def told(n: int) -> None:
            if total:
                shown.update(task, completed=n)
            else:
                shown.update(task, description=f"{what}: {plural(n, 'worker')}")

        yield told


class _Lines:
    """How many workers there are, as a line every now and then."""

    def __init__(self) -> None:
        self.said = time.monotonic()

    def __call__(self, n: int) -> None:
        if time.monotonic() > self.said + _LINE_INTERVAL:
            self.said = time.monotonic()
            note(plural(n, "worker"))
