"""``dask cluster create``, ``run``, ``list``, and what else is done to running clusters."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import click

from dask_ctl.cli import printing
from dask_ctl.cli.options import (
    Command,
    Duration,
    complete_cluster,
    complete_method,
    output_option,
    resolved_from,
    with_spec,
)

_name = click.argument("name", shell_complete=complete_cluster)


def _or_the_only_one(ctx: click.Context, _: Any, name: str | None) -> str | None:
    from dask_ctl import lifecycle

    if name or ctx.resilient_parsing:  # a completion does not fail for want of a name
        return name
    return lifecycle.only_cluster()


_only = click.argument(
    "name",
    metavar="[NAME]",
    required=False,
    shell_complete=complete_cluster,
    callback=_or_the_only_one,
)


def _timeout(default: float | None, help_: str) -> Callable[[Command], Command]:
    return click.option(
        "--timeout",
        type=Duration(),
        default=default,
        metavar="TIME",
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
    *, name: str | None, wait: int | None, no_wait: bool, timeout: float | None, **spec: Any
) -> None:
    """Create a cluster that lives on, and print its name.

    SPEC is a path or a name; without it, what is configured.
    """
    if wait and no_wait:
        raise click.UsageError("--wait and --no-wait exclude each other")
    from dask_ctl import lifecycle
    from dask_ctl.exceptions import BackendError

    resolved = resolved_from(**spec)
    what = f"creating {resolved.spec.target} from {resolved.origin}"
    workers = None if no_wait else wait or 0
    with _ending():
        with _undone(), printing.progress(what) as told:
            name = lifecycle.launch_cluster(
                resolved, name, wait=workers, timeout=timeout, told=told, noted=printing.note
            )
        try:
            click.echo(name)
        except OSError as error:  # a full disk, a closed pipe: nobody has learnt the name
            lifecycle.delete_cluster(name)
            raise BackendError(
                f"the name of the cluster cannot be printed: {error.strerror}",
                remedy=f"{name!r} was deleted again; create it with another standard output",
            ) from None


@contextmanager
def _ending() -> Iterator[None]:
    """End the process where the body exits or fails, whatever threads and streams do then."""
    from dask_ctl.backends.ending import end_process

    context = click.get_current_context().parent
    try:
        yield
    except SystemExit as ending:
        end_process(int(ending.code or 0))
    except Exception as error:
        code = printing.failure(error, debug=context and context.params.get("debug"))
        if code is None:
            raise
        end_process(code)


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
def run(*, name: str | None, command: list[str], **spec: Any) -> None:
    """Run COMMAND with a cluster that Client() in it finds.

    The cluster is created for it, and closed when it ends.
    """
    if not command:
        raise click.UsageError("name a COMMAND after '--': dask cluster run -- python script.py")
    if name is not None and (spec["spec"] or spec["file"] or spec["settings"]):
        raise click.UsageError("--name takes a running cluster as it is; leave out the spec")
    from dask_ctl import lifecycle

    resolved = None if name else resolved_from(**spec)
    target = resolved and f"creating {resolved.spec.target} from {resolved.origin}"
    click.echo(target or f"connecting to {name}", err=True)
    with _ending(), _undone():
        sys.exit(lifecycle.run_command(command, resolved, name=name))


@click.command(name="list")
@click.argument("method", required=False, shell_complete=complete_method)
@output_option("text", "json", "name")
@click.option("--wide", is_flag=True, help="Print every column, however narrow the terminal.")
def list_(*, method: str | None, output: str, wide: bool) -> None:
    """Print the clusters that run, found by every method or by METHOD alone."""
    from dask_ctl import lifecycle
    from dask_ctl.exceptions import DiscoveryError

    problems: list[Exception] = []
    infos = lifecycle.list_clusters(method, failed=problems.append)
    for problem in problems:
        printing.warn(problem)
    if output == "json":
        click.echo(json.dumps([info.as_dict() for info in infos], indent=2))
    elif output == "name":
        for info in infos:
            click.echo(info.name)
    elif infos:
        printing.clusters(infos, wide=wide)
    else:
        click.echo("No clusters found. To create one: dask cluster create", err=True)
    failed = any(isinstance(problem, DiscoveryError) for problem in problems)
    sys.exit(DiscoveryError.exit_code if method and failed else 0)


@click.command()
@_only
@output_option("text", "json")
def show(*, name: str, output: str) -> None:
    """Print all there is to say of the cluster NAME."""
    from dask_ctl import lifecycle
    from dask_ctl.exceptions import BackendError

    details = lifecycle.describe_cluster(name)
    if output == "json":
        click.echo(json.dumps(details, indent=2, default=str))
    else:
        for line in printing.description(details):
            click.echo(line)
    there = details["status"] in ("running", "starting", "closing")
    sys.exit(0 if there else BackendError.exit_code)


@click.command()
@_name
@click.argument("n", type=click.IntRange(min=0))
@click.option("--no-wait", is_flag=True, help="Do not wait until the workers are there.")
@_timeout(300, "Wait no longer than this.")
def scale(*, name: str, n: int, no_wait: bool, timeout: float) -> None:
    """Have the cluster NAME have N workers, from now on."""
    from dask_ctl import lifecycle

    deadline = time.monotonic() + timeout
    lifecycle.scale_cluster(name, n, timeout=timeout)
    if no_wait:
        click.echo(f"{name} was told.", err=True)
        return
    workers = printing.workers(n)
    with printing.progress(f"scaling {name} to {workers}", n) as told:
        left = deadline - time.monotonic()
        lifecycle.wait_for_workers(
            name, n, exactly=True, timeout=left, told=told, noted=printing.note
        )
    click.echo(f"{name} has {workers}.", err=True)


@click.command()
@_only
@click.option("--minimum", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--maximum", type=click.IntRange(min=1))
@click.option("--off", is_flag=True, help="Adapt no more, and keep the workers that are there.")
@click.option("--no-wait", is_flag=True, help="Do not wait until the minimum is there.")
@_timeout(300, "Wait no longer than this.")
def adapt(
    *, name: str, minimum: int, maximum: int | None, off: bool, no_wait: bool, timeout: float
) -> None:
    """Have the cluster NAME have as many workers as its work needs."""
    if off == (maximum is not None):
        raise click.UsageError("give --maximum, or --off")
    from dask_ctl import lifecycle

    if maximum is None:
        kept = lifecycle.stop_adapting(name, timeout=timeout)
        click.echo(f"{name} stays at {printing.workers(kept)}.", err=True)
        return
    if minimum > maximum:
        raise click.UsageError("--minimum is more than --maximum")
    deadline = time.monotonic() + timeout
    lifecycle.adapt_cluster(name, minimum, maximum, timeout=timeout)
    if not no_wait:
        with printing.progress(f"waiting for {printing.workers(minimum)}", minimum) as told:
            left = deadline - time.monotonic()
            lifecycle.wait_for_workers(name, minimum, timeout=left, told=told, noted=printing.note)
    click.echo(f"{name} adapts between {minimum} and {printing.workers(maximum)}.", err=True)


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete_cluster)
@click.option("--all", "everything", is_flag=True, help="Every cluster of the command line.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@_timeout(180, "Wait no longer than this for the end of each.")
def delete(*, names: tuple[str, ...], everything: bool, yes: bool, timeout: float) -> None:
    """End the clusters NAME..., and wait until nothing is left of them."""
    from dask_ctl import lifecycle

    if bool(names) == everything:
        raise click.UsageError("give the names of clusters, or --all")
    names = tuple(lifecycle.list_recorded() if everything else dict.fromkeys(names))
    if not names:
        click.echo("There is none.", err=True)
        return
    if not yes and sys.stdin.isatty():
        click.confirm(f"Delete {', '.join(names)}?", abort=True, err=True)
    codes = []
    for name in names:
        try:
            with printing.progress(f"deleting {name}"):
                lifecycle.delete_cluster(name, timeout=timeout)
        except Exception as error:
            code = None if len(names) == 1 else printing.failure(error)
            if code is None:
                raise
            codes.append(code)
        else:
            click.echo(f"Deleted {name}.", err=True)
    sys.exit(codes[0] if codes else 0)


@click.command()
@_only
def snippet(*, name: str) -> None:
    """Print Python code that gives a Client of the cluster NAME."""
    from dask_ctl import lifecycle

    click.echo(lifecycle.get_snippet(name), nl=False)


@click.command()
@_only
@click.option("-f", "--follow", is_flag=True, help="Go on until the cluster ends, or Ctrl-C.")
def logs(*, name: str, follow: bool) -> None:
    """Print what the cluster NAME has logged."""
    from dask_ctl import lifecycle

    for text in lifecycle.get_logs(name, follow=follow):
        click.echo(text, nl=False)


@click.command()
@_only
def dashboard(*, name: str) -> None:
    """Print the address of the dashboard of the cluster NAME; on a terminal, open it too."""
    from dask_ctl import lifecycle
    from dask_ctl.exceptions import BackendError

    details = lifecycle.describe_cluster(name)
    if (address := details["dashboard"]) is None:
        raise BackendError(
            f"no dashboard of cluster {name!r} is known; it is {details['status']}",
            remedy="give it one (kwargs.dashboard_address), and have bokeh installed",
        )
    click.echo(address)
    if sys.stdout.isatty():
        click.launch(address)


@click.command()
@_only
@click.option(
    "--workers",
    "n",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="How many are enough.",
)
@_timeout(None, "Wait no longer than this.")
def wait(*, name: str, n: int, timeout: float | None) -> None:
    """Wait until the cluster NAME has enough workers."""
    from dask_ctl import lifecycle

    with printing.progress(f"waiting for {printing.workers(n)} of {name}", n) as told:
        lifecycle.wait_for_workers(name, n, timeout=timeout, told=told, noted=printing.note)


COMMANDS: Final = (
    create, run, list_, show, wait, scale, adapt, delete, snippet, logs, dashboard,
)  # fmt: skip
