"""What the commands share: the options that name a spec, and how they print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def with_spec(command: Command) -> Command:
    """Add what names a spec to a command: its `spec` is what `resolve` is called with."""
    options = [
        click.argument("spec", metavar="[SPEC]", required=False, shell_complete=_complete_spec),
        click.option(
            "-f",
            "--spec-file-path",
            "file",
            metavar="SPEC",
            shell_complete=_complete_spec,
            help="The same as SPEC; the spelling of older versions.",
        ),
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="KEY=VALUE",
            help="Lay a value over the spec: --set kwargs.n_workers=4",
        ),
        click.option(
            "--local-fallback",
            is_flag=True,
            help="Use a LocalCluster where no spec is found.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def output_option(*kinds: str) -> Callable[[Command], Command]:
    """Add ``--output`` to a command, the first of `kinds` as its default."""
    return click.option(
        "--output",
        type=click.Choice(kinds),
        default=kinds[0],
        show_default=True,
        help="How to print.",
    )


def resolved_from(
    spec: str | None, file: str | None, settings: tuple[str, ...], *, local_fallback: bool
) -> Any:
    """The resolved spec that the options of `with_spec` ask for; its warnings are printed."""
    from dask_ctl.spec.resolve import resolve

    resolved = resolve(
        spec_name(spec, file),
        local_fallback=local_fallback,
        overrides=overrides_of(settings),
        asked_by="SPEC",
    )
    for finding in (*resolved.warnings, *resolved.shadowed()):
        say(finding)
    return resolved


def spec_name(spec: str | None, file: str | None) -> str | None:
    """What names the spec, in either spelling."""
    if spec is not None and file is not None:
        raise click.UsageError("SPEC and --spec-file-path name the same thing; give one of them")
    return file if spec is None else spec


def overrides_of(settings: tuple[str, ...]) -> list[Any]:
    """The layers of ``--set``."""
    from dask_ctl.spec.config import override

    for setting in settings:
        if "=" not in setting or setting.startswith("="):
            raise click.BadParameter(f"{setting!r} is not KEY=VALUE", param_hint="--set")
    return [override(*setting.split("=", 1)) for setting in settings]


def say(finding: Any) -> None:
    """Print a finding on standard error."""
    colour = {"error": "red", "warning": "yellow"}[finding.severity]
    click.echo(click.style(f"{finding.severity}: ", fg=colour) + str(finding), err=True)


def warn(text: object) -> None:
    """Print a warning on standard error."""
    click.echo(click.style("warning: ", fg="yellow") + str(text), err=True)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under headings, every cell whole."""
    table = [headings, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(headings) - 1)]
    for row in table:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
        click.echo("  ".join([*cells, row[-1]]).rstrip())


def complete_cluster(_: Any, __: Any, incomplete: str) -> list[str]:
    """The names of clusters of the command line: no method is run while somebody types."""
    from dask_ctl.hosts.records import names

    return [name for name in names() if name.startswith(incomplete)]


def complete_method(_: Any, __: Any, incomplete: str) -> list[str]:
    """The names of discovery methods."""
    from dask_ctl.management.discovery import methods

    return [name for name in methods() if name.startswith(incomplete)]


def _complete_spec(_: Any, __: Any, incomplete: str) -> list[Any]:
    from click.shell_completion import CompletionItem

    from dask_ctl.exceptions import DaskCtlError
    from dask_ctl.spec.catalogue import entries

    try:
        found = [entry.name for entry in entries() if entry.name.startswith(incomplete)]
    except DaskCtlError:
        found = []
    return [*map(CompletionItem, found), CompletionItem(incomplete, type="file")]
