"""``dask cluster list``, and what else is done to running clusters."""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import suppress
from typing import Any, Final

import click

from dask_ctl import _platform
from dask_ctl.cli import printing
from dask_ctl.cli.options import (
    Duration,
    complete_cluster,
    complete_method,
    output_option,
    timeout_option,
)
from dask_ctl.exceptions import plural, printable

_WATCH_INTERVAL: Final = 2.0  # seconds


def _or_the_only_one(ctx: click.Context, _: Any, name: str | None) -> str | None:
    from dask_ctl import lifecycle

    if name is not None or ctx.resilient_parsing:  # a completion does not fail for want of a name
        return name
    return lifecycle.only_cluster()


_only = click.argument(
    "name",
    metavar="[NAME]",
    required=False,
    shell_complete=complete_cluster,
    callback=_or_the_only_one,
)


@click.command(name="list", epilog="Example: dask cluster list --watch")
@click.argument("method", required=False, shell_complete=complete_method)
@output_option("text", "json", "yaml", "name")
@click.option("--wide", is_flag=True, help="Print every column, however narrow the terminal.")
@click.option("--watch", is_flag=True, help="Print them anew every other second, until Ctrl-C.")
def list_(*, method: str | None, output: str, wide: bool, watch: bool) -> None:
    """Print the clusters that run.

    Every discovery method is asked, or METHOD alone.
    """
    code = _list(method, output, wide=wide)
    with suppress(KeyboardInterrupt):
        while watch:
            time.sleep(_WATCH_INTERVAL)
            if printing.on_terminal(sys.stdout):
                click.clear()
            code = _list(method, output, wide=wide)
    sys.exit(code)


def _list(method: str | None, output: str, *, wide: bool) -> int:
    from dask_ctl import lifecycle
    from dask_ctl.exceptions import DiscoveryError

    problems: list[Exception] = []
    infos = lifecycle.list_clusters(method, failed=problems.append)
    for problem in problems:
        printing.warn(problem)
    found = [info.as_dict() for info in infos]
    if output == "json":
        printing.out(json.dumps(found, indent=2))
    elif output == "yaml":
        import yaml

        printing.out(yaml.safe_dump(found, sort_keys=False), nl=False)
    elif output == "name":
        for info in infos:
            printing.out(info.name)
    elif infos:
        printing.clusters(infos, wide=wide)
    elif not problems:
        printing.note("No clusters found. To create one: dask cluster create")
    failed = any(isinstance(problem, DiscoveryError) for problem in problems)
    return DiscoveryError.exit_code if method and failed else 0


@click.command(epilog="Example: dask cluster show mine -o json")
@_only
@output_option("text", "json")
def show(*, name: str, output: str) -> None:
    """Print all there is to say of the cluster NAME."""
    from dask_ctl import lifecycle
    from dask_ctl.exceptions import BackendError

    details = lifecycle.describe_cluster(name)
    if output == "json":
        printing.out(json.dumps(details, indent=2, default=str))
    else:
        for line in printing.description(details):
            printing.out(line)
    there = details["status"] in ("running", "starting", "closing")
    sys.exit(0 if there else BackendError.exit_code)


def _number_for(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> Any:
    """The cluster and its number of workers; one argument alone is the number."""
    if ctx.resilient_parsing:
        return given
    if len(given) not in (1, 2):
        raise click.UsageError(
            "give the number N of workers, if need be with a NAME before it", ctx
        )
    *name, n = given
    number = click.IntRange(min=0)(n, param, ctx)
    return _or_the_only_one(ctx, param, name[0] if name else None), number


def _complete_name(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    return [] if ctx.params.get("target") else complete_cluster(ctx, param, incomplete)


@click.command(epilog="Example: dask cluster scale mine 8")
@click.argument(
    "target",
    metavar="[NAME] N",
    nargs=-1,
    shell_complete=_complete_name,
    callback=_number_for,
)
@click.option("--no-wait", is_flag=True, help="Do not wait until the workers are there.")
@timeout_option(300, "Wait no longer than this.")
def scale(*, target: tuple[str, int], no_wait: bool, timeout: float) -> None:
    """Have the cluster NAME have N workers, from now on."""
    from dask_ctl import lifecycle

    name, n = target
    deadline = time.monotonic() + timeout
    workers = plural(n, "worker")
    with printing.going_on(name, workers):
        lifecycle.scale_cluster(name, n, timeout=timeout)
        if no_wait:
            printing.note(f"{name} was told.")
            return
        with printing.progress(f"scaling {name} to {workers}", n) as told:
            left = deadline - time.monotonic()
            lifecycle.wait_for_workers(
                name, n, exactly=True, timeout=left, told=told, noted=printing.note
            )
    printing.note(f"{name} has {workers}.")


@click.command(epilog="Example: dask cluster adapt mine --minimum 1 --maximum 20")
@_only
@click.option(
    "--minimum",
    type=click.IntRange(min=0),
    help="Never fewer workers than this.  [default: 0]",
)
@click.option("--maximum", type=click.IntRange(min=1), help="Never more workers than this.")
@click.option("--off", is_flag=True, help="Adapt no more, and keep the workers that are there.")
@click.option("--no-wait", is_flag=True, help="Do not wait until the minimum is there.")
@timeout_option(300, "Wait no longer than this.")
def adapt(
    *, name: str, minimum: int | None, maximum: int | None, off: bool, no_wait: bool, timeout: float
) -> None:
    """Have the cluster NAME have as many workers as its work needs."""
    if off and (minimum, maximum) != (None, None):
        raise click.UsageError("--off excludes --minimum and --maximum")
    if not off and maximum is None:
        raise click.UsageError("give --maximum, or --off")
    from dask_ctl import lifecycle

    if maximum is None:  # with --off
        kept = lifecycle.stop_adapting(name, timeout=timeout)
        printing.note(f"{name} stays at {plural(kept, 'worker')}.")
        return
    minimum = minimum or 0
    if minimum > maximum:
        raise click.UsageError("--minimum is more than --maximum")
    deadline = time.monotonic() + timeout
    lifecycle.adapt_cluster(name, minimum, maximum, timeout=timeout)
    if minimum and not no_wait:
        with printing.progress(f"waiting for {plural(minimum, 'worker')}", minimum) as told:
            left = deadline - time.monotonic()
            lifecycle.wait_for_workers(name, minimum, timeout=left, told=told, noted=printing.note)
    printing.note(f"{name} adapts between {minimum} and {plural(maximum, 'worker')}.")


@click.command(epilog="Example: dask cluster delete mine yours")
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete_cluster)
@click.option("--all", "everything", is_flag=True, help="Every cluster of the command line.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@timeout_option(180, "Wait no longer than this for the end of each.")
def delete(*, names: tuple[str, ...], everything: bool, yes: bool, timeout: float) -> None:
    """End clusters, and wait until nothing is left of them."""
    from dask_ctl import lifecycle

    if bool(names) == everything:
        raise click.UsageError("give the names of clusters, or --all")
    names = tuple(lifecycle.list_recorded() if everything else dict.fromkeys(names))
    if not names:
        printing.note("There is none.")
        return
    if not yes and sys.stdin.isatty():
        click.confirm(f"Delete {', '.join(names)}?", abort=True, err=True)
    codes = []
    for name in names:
        try:
            with printing.going_on(name, "end"), printing.progress(f"deleting {name}"):
                lifecycle.delete_cluster(name, timeout=timeout)
        except Exception as error:
            code = None if len(names) == 1 else printing.failure(error)
            if code is None:
                raise
            codes.append(code)
        else:
            printing.note(f"Deleted {name}.")
    sys.exit(codes[0] if codes else 0)


@click.command(epilog="Example: dask cluster snippet mine > use.py")
@_only
def snippet(*, name: str) -> None:
    """Print Python code that gives a Client of the cluster NAME."""
    from dask_ctl import lifecycle

    printing.out(lifecycle.get_snippet(name), nl=False)


@click.command(epilog="Example: dask cluster logs mine -f --tail 20")
@_only
@click.option("-f", "--follow", is_flag=True, help="Go on until the cluster ends, or Ctrl-C.")
@click.option(
    "--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines of each part."
)
@click.option(
    "--since", type=Duration(), metavar="TIME", help="Only what is no older than this: 5m, 2h."
)
def logs(*, name: str, follow: bool, tail: int | None, since: float | None) -> None:
    """Print what the cluster NAME has logged."""
    from dask_ctl import lifecycle

    for text in lifecycle.get_logs(name, follow=follow, tail=tail, since=since):
        printing.out(text, nl=False)


@click.command(epilog="Example: dask cluster dashboard mine")
@_only
def dashboard(*, name: str) -> None:
    """Print where the dashboard of NAME is; at a terminal, open it.

    Where it is reached through a forwarded port, that is forwarded until Ctrl-C.
    """
    from dask_ctl import lifecycle

    with lifecycle.open_dashboard(name) as (address, is_forwarded):
        printing.out(printable(address))
        is_page = address.startswith(("http://", "https://"))
        if is_page and sys.stdout.isatty() and _platform.has_browser():
            click.launch(address)
        if is_forwarded:
            printing.note("This port is forwarded to it until Ctrl-C.")
            with suppress(KeyboardInterrupt):
                threading.Event().wait()


@click.command(epilog="Example: dask cluster wait mine --workers 4 --timeout 5m")
@_only
@click.option(
    "--workers",
    "n",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many are enough.  [default: 1]",
)
@timeout_option(None, "Wait no longer than this.")
def wait(*, name: str, n: int | None, timeout: float | None) -> None:
    """Wait until the cluster NAME has enough workers.

    If it is one of `run --detach`, and --workers is not given: until its command has ended, with
    whose exit code this ends.
    """
    from dask_ctl import lifecycle

    what = f"{plural(n, 'worker')} of {name}" if n else name
    with printing.progress(f"waiting for {what}", n) as told:
        code = None if n else lifecycle.wait_for_command(name, timeout=timeout)
        if code is None:
            lifecycle.wait_for_workers(
                name, n or 1, timeout=timeout, told=told, noted=printing.note
            )
    if code is not None:
        printing.note(f"The command of {name} has ended with exit code {code}.")
        sys.exit(code)


COMMANDS: Final = (
    list_, show, wait, scale, adapt, delete, snippet, logs, dashboard,
)  # fmt: skip
