"""What the commands share: the options that name a spec, and completion."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import click

from dask_ctl.cli import printing

Command = TypeVar("Command", bound=Callable[..., Any])


def with_spec(command: Command) -> Command:
    """Add what names a spec to a command: its `spec` is what `resolve` is called with."""
    options = [
        click.argument("spec", metavar="[SPEC]", required=False, shell_complete=complete_spec),
        click.option(
            "-f",
            "--spec-file-path",
            "file",
            metavar="SPEC",
            shell_complete=complete_spec,
            help="The same as SPEC; the spelling of older versions.",
        ),
        click.option(
            "--set",
            "settings",
            multiple=True,
            callback=_pairs,
            metavar="KEY=VALUE",
            shell_complete=_complete_setting,
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
        "-o",
        "--output",
        type=click.Choice(kinds),
        default=kinds[0],
        show_default=True,
        help="How to print.",
    )


class Duration(click.ParamType):  # type: ignore[type-arg]  # it has none before click 8.2
    """A time as a number of seconds, or as dask writes one: ``90s``, ``5m``, ``2h``.

    Parameters
    ----------
    as_written : bool
        Whether it is given as it was written, rather than in seconds.
    """

    name = "duration"

    def __init__(self, *, as_written: bool = False) -> None:
        self.as_written = as_written

    def convert(self, value: Any, param: Any, ctx: Any) -> float | str:
        """Read it."""
        from dask_ctl.spec.quantities import seconds_of

        seconds = seconds_of(value)
        if seconds is None:
            self.fail(f"{value!r} is not a time; write 90, 90s, 5m or 2h", param, ctx)
        return str(value) if self.as_written else seconds


def resolved_from(
    spec: str | None, file: str | None, settings: tuple[str, ...], *, local_fallback: bool
) -> Any:
    """The resolved spec that the options of `with_spec` ask for."""
    from dask_ctl import lifecycle

    resolved = lifecycle.resolve_spec(
        spec_name(spec, file), local_fallback, settings=settings, asked_by="SPEC"
    )
    for warning in resolved.shadowed():
        printing.say(warning)
    return resolved


def spec_name(spec: str | None, file: str | None) -> str | None:
    """What names the spec, in either spelling."""
    if spec is not None and file is not None:
        raise click.UsageError("SPEC and --spec-file-path name the same thing; give one of them")
    return file if spec is None else spec


def _pairs(_: Any, __: Any, settings: tuple[str, ...]) -> tuple[str, ...]:
    for setting in settings:
        if "=" not in setting or setting.startswith("="):
            raise click.BadParameter(f"{setting!r} is not KEY=VALUE")
    return settings


def complete_cluster(ctx: click.Context, _: Any, incomplete: str) -> list[str]:
    """The clusters that are known with none asked: no method is run while somebody types."""
    from dask_ctl import lifecycle
    from dask_ctl.exceptions import DiscoveryError

    known: set[str] = set()
    with suppress(DiscoveryError):
        known.update(lifecycle.list_recorded(qualified="/" in incomplete))
        if ctx.info_name in ("logs", "wait"):  # which know those that have ended, too
            known.update(lifecycle.list_recorded(ended=True))
    return [name for name in sorted(known) if name.startswith(incomplete)]


def complete_method(_: Any, __: Any, incomplete: str) -> list[str]:
    """The names of discovery methods."""
    from dask_ctl import lifecycle

    return [name for name in lifecycle.list_discovery_methods() if name.startswith(incomplete)]


def complete_template(_: Any, __: Any, incomplete: str) -> list[str]:
    """The names of the specs to start from."""
    from dask_ctl import lifecycle

    return [name for name in lifecycle.spec_templates() if name.startswith(incomplete)]


def complete_spec(_: Any, __: Any, incomplete: str) -> list[Any]:
    """The names of specs, and files."""
    from click.shell_completion import CompletionItem

    from dask_ctl import lifecycle
    from dask_ctl.exceptions import DaskCtlError
    from dask_ctl.spec.places import is_path

    before, plus, begun = incomplete.rpartition("+")
    try:
        names = [each.name for each in lifecycle.list_specs() if each.name.startswith(begun)]
    except DaskCtlError:
        names = []
    # Those that are paths the shell knows itself.
    found = [CompletionItem(f"{before}{plus}{name}") for name in names if not is_path(name)]
    return [*found, CompletionItem(incomplete, type="file")]


def _complete_setting(ctx: click.Context, _: Any, incomplete: str) -> list[Any]:
    """The keys of a spec, and the arguments of the class that is meant."""
    from dask_ctl import lifecycle
    from dask_ctl.exceptions import DaskCtlError

    names = list(lifecycle.spec_schema()["properties"])
    if incomplete.startswith("kwargs."):
        with suppress(DaskCtlError):
            # click has read no further than to the option whose value is still typed.
            given = ctx.params.get("spec") or ctx.params.get("file") or next(iter(ctx.args), None)
            names = [f"kwargs.{name}" for name in lifecycle.list_arguments(given)]
    return [f"{name}=" for name in names if name.startswith(incomplete)]


def timeout_option(default: float | None, help_: str) -> Callable[[Command], Command]:
    """Give a command ``--timeout``."""
    return click.option(
        "--timeout",
        type=Duration(),
        default=default,
        metavar="TIME",
        show_default=default is not None,
        help=help_,
    )
