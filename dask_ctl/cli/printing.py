"""How the commands print: data on standard output, everything else on standard error."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import click

_LINE_INTERVAL: Final = 10.0  # seconds
_HEADINGS: Final = (
    "NAME", "TYPE", "WORKERS", "THREADS", "MEMORY", "AGE", "DISCOVERY", "ADDRESS", "STATUS",
)  # fmt: skip
_DISPENSABLE: Final = ("ADDRESS", "DISCOVERY", "THREADS", "MEMORY", "TYPE", "AGE")  # in this order
_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def say(problem: Any) -> None:
    """Print a problem on standard error."""
    colour = {"error": "red", "warning": "yellow"}[problem.severity]
    click.echo(click.style(f"{problem.severity}: ", fg=colour) + str(problem), err=True)


def warn(text: object) -> None:
    """Print a warning on standard error."""
    click.echo(click.style("warning: ", fg="yellow") + str(text), err=True)


def note(waiting: str) -> None:
    """Print what workers wait for on standard error."""
    click.echo(f"waiting for workers: {waiting}", err=True)


def failure(error: BaseException, *, debug: object = False) -> int | None:
    """Print an error in one line, and give the exit code that it means.

    None, and nothing is printed, where its traceback is to be seen: it is not explained, or that
    was asked for.
    """
    from dask_ctl.exceptions import exit_code_of, explained

    if debug or explained(error) is None:
        return None
    click.echo(f"Error: {explained(error)}", err=True)
    return exit_code_of(error)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under headings, every cell whole."""
    lines = [headings, *rows]
    widths = [max(len(row[i]) for row in lines) for i in range(len(headings) - 1)]
    for row in lines:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
        click.echo("  ".join([*cells, row[-1]]).rstrip())


def clusters(infos: Sequence[Any], *, wide: bool = False) -> None:
    """Print clusters, a line each; on a terminal, without columns for which that has no room."""
    rows = [_HEADINGS, *map(_row, infos)]
    kept = list(range(len(_HEADINGS)))
    if sys.stdout.isatty() and not wide:
        room = shutil.get_terminal_size().columns
        widths = [max(len(row[i]) for row in rows) + 2 for i in kept]
        for heading in _DISPENSABLE:
            if sum(widths[i] for i in kept) - 2 <= room:
                break
            kept.remove(_HEADINGS.index(heading))
    headings, *shown = ([row[i] for i in kept] for row in rows)
    table(headings, shown)


def age(created: str | None) -> str:
    """How long ago a time in ISO 8601 was, in its largest unit: ``5m``."""
    if created is None:
        return ""
    from datetime import UTC, datetime

    seconds = max(0, int((datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds()))
    size, unit = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    return f"{seconds // size}{unit}"


def _row(info: Any) -> tuple[str, ...]:
    def shown(value: Any) -> str:
        return "" if value is None else str(value)

    return (
        info.name,
        (info.type or "").rpartition(".")[2],
        shown(info.workers),
        shown(info.threads),
        bytes_(info.memory),
        age(info.created),
        info.discovery,
        shown(info.address),
        ", ".join(filter(None, (info.status, info.waiting))),
    )


def description(details: dict[str, Any]) -> Iterator[str]:
    """All there is to say of a cluster, as lines."""
    for key in (
        "name", "type", "status", "waiting", "address", "dashboard", "created", "discovery", "log",
    ):  # fmt: skip
        if details[key] is not None:
            yield f"{key + ':':<12}{details[key]}"
    if details["workers"] is not None:
        threads = "" if details["threads"] is None else f", with {details['threads']} threads"
        yield f"{'workers:':<12}{details['workers']}{threads}"
        used = bytes_(details["memory_used"]) or "unknown"
        yield f"{'memory:':<12}{used} of {bytes_(details['memory']) or 'unknown'}"
        tasks = details["tasks"]
        counted = ", ".join(f"{count} {state}" for state, count in (tasks or {}).items())
        yield f"{'tasks:':<12}{'unknown' if tasks is None else counted or 'none'}"
    if details["adapt"]:
        limits = ", ".join(f"{key} {value}" for key, value in details["adapt"].items())
        yield f"{'adapts:':<12}{limits}"
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
            yield f"  {key}: {origin['source']}: {origin['where']}"


def bytes_(n: int | None) -> str:
    """A number of bytes in a unit that fits; nothing if it is not known."""
    if n is None:
        return ""
    from dask.utils import format_bytes

    return str(format_bytes(n))


def workers(n: int) -> str:
    """A number of workers in words."""
    return f"{n} worker" if n == 1 else f"{n} workers"


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Say how far something is: a line that moves on a terminal, plain lines elsewhere."""
    if not sys.stderr.isatty():
        click.echo(what, err=True)
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = [SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()]
    if total:
        columns[2:2] = [BarColumn(), TextColumn("{task.completed}/{task.total}")]
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=total)
        yield lambda n: shown.update(
            task, **({"completed": n} if total else {"description": f"{what}: {workers(n)}"})
        )


class _Lines:
    """How many workers there are, as a line every now and then."""

    def __init__(self) -> None:
        self.said = time.monotonic()

    def __call__(self, n: int) -> None:
        if time.monotonic() > self.said + _LINE_INTERVAL:
            self.said = time.monotonic()
            click.echo(workers(n), err=True)
