"""``dask cluster create`` and ``dask cluster run``."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import click

from dask_ctl.cli import printing
from dask_ctl.cli.options import (
    Duration,
    complete_cluster,
    resolved_from,
    timeout_option,
    with_spec,
)


@click.command(epilog="Example: dask cluster create hpc.yaml --name mine --wait 2")
@with_spec
@click.option("--name", help="What to call the cluster.  [default: its class and a number]")
@click.option("--wait", type=click.IntRange(min=1), metavar="N", help="Wait for N workers too.")
@click.option("--no-wait", is_flag=True, help="Do not even wait for the scheduler.")
@click.option("--secure", is_flag=True, help="Give it TLS, by credentials made for it.")
@click.option(
    "--idle-timeout",
    type=Duration(as_written=True),
    metavar="TIME",
    help="End it when it has had no work for so long.",
)
@timeout_option(None, "Give up after so long, and leave nothing.")
def create(
    *,
    name: str | None,
    wait: int | None,
    no_wait: bool,
    secure: bool,
    idle_timeout: str | None,
    timeout: float | None,
    **spec: Any,
) -> None:
    """Create a cluster that lives on, and print its name.

    SPEC is a path or a name; without it, what is configured.
    """
    if wait and no_wait:
        raise click.UsageError("--wait and --no-wait exclude each other")
    _launch(
        resolved_from(**spec),
        name,
        wait=None if no_wait else wait or 0,
        timeout=timeout,
        secure=secure,
        idle_timeout=idle_timeout,
    )


def _launch(resolved: Any, name: str | None, **options: Any) -> None:
    """Create a cluster that lives on, and print its name; leave none that nobody can name."""
    from dask_ctl import lifecycle
    from dask_ctl.exceptions import BackendError

    with _ending():
        with _undone(), printing.progress(_creating(resolved), options.get("wait")) as told:
            name = lifecycle.launch_cluster(
                resolved, name, **options, told=told, noted=printing.note
            )
        try:
            printing.out(name)
        except (OSError, click.ClickException) as error:  # nobody has learnt the name
            lifecycle.delete_cluster(name)
            raise BackendError(
                f"the name of the cluster cannot be printed: {getattr(error, 'strerror', error)}",
                remedy=f"{name!r} was deleted again; create it with another standard output",
            ) from None
        printing.next_steps(name, runs="command" in options)


def _creating(resolved: Any) -> str:
    return f"creating {resolved.spec.target} from {resolved.origin}"


@contextmanager
def _ending() -> Iterator[None]:
    """End the process where the body exits or fails, whatever threads and streams do then."""
    from dask_ctl.backends.ending import end_process

    context = click.get_current_context().parent
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and not isinstance(error.code, str):
            end_process(error.code or 0)
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
            printing.note("Aborted!")
            sys.exit(128 + received[0])


class _BeforeCommand(click.Command):
    """A command whose arguments end at ``--``: what follows is another command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        command = args[end + 1 :]
        try:
            rest = super().parse_args(ctx, args[:end])
        except click.UsageError as error:
            raise _forgotten(args, ctx) or error from None
        if not command and not ctx.resilient_parsing:
            example = "name a COMMAND after '--': dask cluster run -- python script.py"
            raise _forgotten(args, ctx) or click.UsageError(example, ctx)
        ctx.params["command"] = command
        return rest

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "-- COMMAND..."]


def _forgotten(args: list[str], ctx: click.Context) -> click.UsageError | None:
    """Say where ``--`` belongs, if it was left out before a program, or a script of Python."""
    if "--" in args:
        return None
    for at, word in enumerate(args):
        program = shutil.which(word) is not None
        if program or (word.endswith(".py") and os.path.isfile(word)):
            command = args[at:] if program else ["python", *args[at:]]
            meant = shlex.join(["dask", "cluster", "run", *args[:at], "--", *command])
            return click.UsageError(f"'--' is missing before the command; write: {meant}", ctx)
    return None


@click.command(cls=_BeforeCommand, epilog="Example: dask cluster run hpc.yaml -- python script.py")
@with_spec
@click.option(
    "--name",
    shell_complete=complete_cluster,
    help="Use the running cluster NAME, and leave it running; with --detach, call the new one so.",
)
@click.option("--detach", is_flag=True, help="Return once it runs, and print its name.")
def run(*, name: str | None, detach: bool, command: list[str], **spec: Any) -> None:
    """Run COMMAND with a cluster that Client() in it finds.

    The cluster is created for it, and closed when it ends.
    """
    if detach:
        _launch(resolved_from(**spec), name, command=command)
        return
    if name is not None and (spec["spec"] or spec["file"] or spec["settings"]):
        raise click.UsageError("--name takes a running cluster as it is; leave out the spec")
    from dask_ctl import lifecycle

    resolved = resolved_from(**spec) if name is None else None
    printing.note(_creating(resolved) if name is None else f"connecting to {name}")
    with _ending(), _undone():
        sys.exit(lifecycle.run_command(command, resolved, name=name, noted=printing.note))


COMMANDS: Final = (create, run)
