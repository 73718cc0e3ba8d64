"""``dask cluster create``, ``run``, ``list``, and what else is done to running clusters."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import click

from dask_ctl.cli.options import (
    Command,
    complete_cluster,
    complete_method,
    output_option,
    print_table,
    resolved_from,
    warn,
    with_spec,
)

_LINE_INTERVAL: Final = 10.0  # seconds

_name = click.argument("name", shell_complete=complete_cluster)


def _timeout(default: float | None, help_: str) -> Callable[[Command], Command]:
    return click.option(
        "--timeout",
        type=click.FloatRange(min=0),
        default=default,
        metavar="SECONDS",
        show_default=default is not None,
        help=help_,
    )


@click.command()
@with_spec
@click.option("--name", help="What to call the cluster.  [default: its class and a number]")
@click.option("--wait", type=click.IntRange(min=1), metavar="N", help="Wait for N workers too.")
@click.option("--no-wait", is_flag=True, help="Do not even wait for the scheduler.")
@_timeout(None, "Give up after so long, and leave nothing.")
def create(
    *,
    spec: str | None,
    file: str | None,
    settings: tuple[str, ...],
    local_fallback: bool,
    name: str | None,
    wait: int | None,
    no_wait: bool,
    timeout: float | None,
) -> None:
    """Create a cluster that lives on, and print its name.

    SPEC is a path or a name; without it, what is configured.
    """
    if wait and no_wait:
        raise click.UsageError("--wait and --no-wait exclude each other")
    from dask_ctl.hosts.launch import Launch, name_for

    deadline = None if timeout is None else time.monotonic() + timeout
    resolved = resolved_from(spec, file, settings, local_fallback=local_fallback)
    name = name or name_for(resolved)
    what = f"creating {resolved.spec.target} from {resolved.origin}"
    with _undone(), Launch(name, resolved.tree) as launch, _progress(what) as told:
        launch.until("hosted" if no_wait else "running", deadline)
        if wait:
            _wait_for(launch.found(), wait, deadline, told)
        launch.released = True
    click.echo(name)


@contextmanager
def _undone() -> Iterator[None]:
    """Undo the body also at SIGTERM and SIGHUP, and end as these would have ended the process."""
    from dask_ctl.creation.interrupts import undone_by_signals

    with undone_by_signals() as received:
        try:
            yield
        except KeyboardInterrupt:
            if not received:
                raise
            click.echo("Aborted!", err=True)
            sys.exit(128 + received[0])


class _BeforeCommand(click.Command):
    """A command whose arguments end at ``--``: what follows is another command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        rest = super().parse_args(ctx, args[:end])
        ctx.params["command"] = args[end + 1 :]
        return rest

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "-- COMMAND..."]


@click.command(cls=_BeforeCommand)
@with_spec
@click.option("--name", help="Use the running cluster NAME, and leave it running.")
def run(
    *,
    spec: str | None,
    file: str | None,
    settings: tuple[str, ...],
    local_fallback: bool,
    name: str | None,
    command: list[str],
) -> None:
    """Run COMMAND with a cluster that Client() in it finds.

    The cluster is created for it, and closed when it ends.
    """
    if not command:
        raise click.UsageError("name a COMMAND after '--': dask cluster run -- python script.py")
    from dask_ctl.management.command import create_for, require_program, run_with

    require_program(command)
    if name is not None and (spec or file or settings):
        raise click.UsageError("--name takes a running cluster as it is; leave out the spec")
    with _code_kept():
        if name is not None:
            from dask_ctl.lifecycle import get_cluster

            with _progress(f"connecting to {name}"):
                made = get_cluster(name)
        else:
            resolved = resolved_from(spec, file, settings, local_fallback=local_fallback)
            click.echo(f"creating {resolved.spec.target} from {resolved.origin}", err=True)
            with _undone():
                made = create_for(resolved)
        with _undone():
            code = run_with(made, command)
        sys.exit(code)


@contextmanager
def _code_kept() -> Iterator[None]:
    """Exit with the code of the body, whatever its threads do meanwhile."""
    from dask_ctl.creation.ending import end_process

    try:
        yield
    except SystemExit as ending:
        end_process(ending.code if isinstance(ending.code, int) else 0)


@click.command(name="list")
@click.argument("method", required=False, shell_complete=complete_method)
@output_option("text", "json")
def list_(*, method: str | None, output: str) -> None:
    """Print the clusters that run, found by every method or by METHOD alone."""
    from dask_ctl import _async as loops
    from dask_ctl.exceptions import DiscoveryError
    from dask_ctl.management import inventory

    infos, problems = loops.run(inventory.everything(method))
    for problem in problems:
        warn(problem)
    if output == "json":
        click.echo(json.dumps([info.as_dict() for info in infos], indent=2))
    elif infos:
        headings = (
            "NAME", "TYPE", "WORKERS", "THREADS", "MEMORY", "CREATED", "DISCOVERY", "ADDRESS",
            "STATUS",
        )  # fmt: skip
        print_table(headings, [_row(info) for info in infos])
    else:
        click.echo("No clusters found. To create one: dask cluster create", err=True)
    failed = [problem.exit_code for problem in problems if isinstance(problem, DiscoveryError)]
    sys.exit(failed[0] if method and failed else 0)


def _row(info: Any) -> tuple[str, ...]:
    def shown(value: Any) -> str:
        return "" if value is None else str(value)

    return (
        info.name,
        (info.type or "").rpartition(".")[2],
        shown(info.workers),
        shown(info.threads),
        _bytes(info.memory),
        shown(info.created),
        info.discovery,
        shown(info.address),
        info.status,
    )


def _bytes(n: int | None) -> str:
    if n is None:
        return ""
    from dask.utils import format_bytes

    return str(format_bytes(n))


@click.command()
@_name
@output_option("text", "json")
def show(*, name: str, output: str) -> None:
    """Print all there is to say of the cluster NAME."""
    from dask_ctl import _async as loops
    from dask_ctl.management import inventory

    found, info = loops.run(inventory.details(name))
    details = inventory.described(found, info)
    if output == "json":
        click.echo(json.dumps(details, indent=2, default=str))
    else:
        for line in _lines(details):
            click.echo(line)
    sys.exit(0 if info.status in ("running", "starting") else 5)


def _lines(details: dict[str, Any]) -> Iterator[str]:
    for key in ("name", "type", "status", "address", "dashboard", "created", "discovery", "log"):
        if details.get(key) is not None:
            yield f"{key + ':':<12}{details[key]}"
    if details["workers"] is not None:
        memory = f"{_bytes(details['memory_used'])} of {_bytes(details['memory'])}"
        yield f"{'workers:':<12}{details['workers']}, with {details['threads']} threads"
        yield f"{'memory:':<12}{memory}"
        tasks = ", ".join(f"{count} {state}" for state, count in details["tasks"].items())
        yield f"{'tasks:':<12}{tasks or 'none'}"
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


@click.command()
@_name
@click.argument("n", type=click.IntRange(min=0))
@click.option("--no-wait", is_flag=True, help="Do not wait until the workers are there.")
@_timeout(300, "Wait no longer than this.")
def scale(*, name: str, n: int, no_wait: bool, timeout: float) -> None:
    """Have the cluster NAME have N workers."""
    from dask_ctl import _async as loops
    from dask_ctl.management import manage

    found = loops.run(manage.scale(name, n))
    if not no_wait:
        with _progress(f"scaling {name} to {_workers(n)}", n) as told:
            _wait_for(found, n, time.monotonic() + timeout, told, exactly=True)
    click.echo(f"{name} has {_workers(n)}." if not no_wait else f"{name} was told.", err=True)


@click.command()
@_name
@click.option("--minimum", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--maximum", type=click.IntRange(min=1), required=True)
@click.option("--no-wait", is_flag=True, help="Do not wait until the minimum is there.")
@_timeout(300, "Wait no longer than this.")
def adapt(*, name: str, minimum: int, maximum: int, no_wait: bool, timeout: float) -> None:
    """Have the cluster NAME have as many workers as its work needs."""
    if minimum > maximum:
        raise click.UsageError("--minimum is more than --maximum")
    from dask_ctl import _async as loops
    from dask_ctl.management import manage

    found = loops.run(manage.adapt(name, minimum=minimum, maximum=maximum))
    if not no_wait:
        with _progress(f"waiting for {_workers(minimum)}", minimum) as told:
            _wait_for(found, minimum, time.monotonic() + timeout, told)
    click.echo(f"{name} adapts between {minimum} and {_workers(maximum)}.", err=True)


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete_cluster)
@click.option("--all", "everything", is_flag=True, help="Every cluster of the command line.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_timeout(180, "Wait no longer than this for the end of each.")
def delete(*, names: tuple[str, ...], everything: bool, yes: bool, timeout: float) -> None:
    """End the clusters NAME..., and wait until nothing is left of them."""
    from dask_ctl import _async as loops
    from dask_ctl.exceptions import DaskCtlError
    from dask_ctl.hosts import records
    from dask_ctl.management import manage

    if bool(names) == everything:
        raise click.UsageError("give the names of clusters, or --all")
    names = tuple(records.names()) if everything else tuple(dict.fromkeys(names))
    if not names:
        click.echo("There is none.", err=True)
        return
    if not yes and sys.stdin.isatty():
        click.confirm(f"Delete {', '.join(names)}?", abort=True, err=True)
    codes = []
    for name in names:
        try:
            with _progress(f"deleting {name}"):
                loops.run(manage.delete(name, timeout))
        except DaskCtlError as error:
            if len(names) == 1:
                raise
            click.echo(f"Error: {error}", err=True)
            codes.append(error.exit_code)
        else:
            click.echo(f"Deleted {name}.", err=True)
    sys.exit(codes[0] if codes else 0)


@click.command()
@_name
def snippet(*, name: str) -> None:
    """Print Python code that gives a Client of the cluster NAME."""
    from dask_ctl.lifecycle import get_snippet

    click.echo(get_snippet(name), nl=False)


@click.command()
@_name
@click.option("--follow", is_flag=True, help="Go on until the cluster ends, or Ctrl-C.")
def logs(*, name: str, follow: bool) -> None:
    """Print what the cluster NAME has logged."""
    from dask_ctl.management import manage

    for text in manage.logs(name, follow=follow):
        click.echo(text, nl=False)


COMMANDS: Final = (create, run, list_, show, scale, adapt, delete, snippet, logs)


@contextmanager
def _progress(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
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
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda n: progress.update(
            task, **({"completed": n} if total else {"description": f"{what}: {_workers(n)}"})
        )


def _workers(n: int) -> str:
    return f"{n} worker" if n == 1 else f"{n} workers"


class _Lines:
    """How many workers there are, as a line every now and then."""

    def __init__(self) -> None:
        self.said = time.monotonic()

    def __call__(self, n: int) -> None:
        if time.monotonic() > self.said + _LINE_INTERVAL:
            self.said = time.monotonic()
            click.echo(_workers(n), err=True)


def _wait_for(
    found: Any,
    n: int,
    deadline: float | None,
    told: Callable[[int], None],
    *,
    exactly: bool = False,
) -> None:
    from dask_ctl import _async as loops
    from dask_ctl.management import manage

    end = float("inf") if deadline is None else deadline
    loops.run(manage.until_workers(found, (n.__eq__ if exactly else n.__le__), end, told))
