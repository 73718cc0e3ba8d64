"""``dask cluster``: prints and exits; whatever it prints was found out elsewhere.

``dask`` imports this at every command, so it imports nothing but click until it is needed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


class _Reporting(click.Group):
    """A group that ends with one line and its exit code where dask_ctl raises an error."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            code = getattr(error, "exit_code", None)
            if code is None or ctx.params.get("debug"):
                raise
            click.echo(f"Error: {error}", err=True)
            sys.exit(code)


@click.group(cls=_Reporting, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cluster(*, debug: bool) -> None:
    """Create Dask clusters from dask's configuration."""
    del debug  # read where an error is reported


@cluster.command()
def version() -> None:
    """Print the version of dask_ctl."""
    from importlib.metadata import version as installed

    click.echo(installed("dask-ctl"))


@cluster.group()
def spec() -> None:
    """Say what is configured, where it came from, and if it will work."""


def _with_spec(command: Command) -> Command:
    """Add what names a spec to a command."""
    options = [
        click.argument("name", metavar="[SPEC]", required=False),
        click.option(
            "-f",
            "--spec-file-path",
            "file",
            metavar="SPEC",
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


def _output(*kinds: str) -> Callable[[Command], Command]:
    return click.option(
        "--output",
        type=click.Choice(kinds),
        default=kinds[0],
        show_default=True,
        help="How to print.",
    )


def _spec_name(name: str | None, file: str | None) -> str | None:
    if name is not None and file is not None:
        raise click.UsageError("SPEC and --spec-file-path name the same thing; give one of them")
    return file if name is None else name


def _overrides(settings: tuple[str, ...]) -> list[Any]:
    from dask_ctl.config import override

    for setting in settings:
        if "=" not in setting or setting.startswith("="):
            raise click.BadParameter(f"{setting!r} is not KEY=VALUE", param_hint="--set")
    return [override(*setting.split("=", 1)) for setting in settings]


def _say(finding: Any) -> None:
    colour = {"error": "red", "warning": "yellow"}[finding.severity]
    click.echo(click.style(f"{finding.severity}: ", fg=colour) + str(finding), err=True)


@spec.command()
@_with_spec
@click.option("--show-secrets", is_flag=True, help="Print values that look secret.")
@_output("yaml", "json")
def show(
    *,
    name: str | None,
    file: str | None,
    settings: tuple[str, ...],
    local_fallback: bool,
    show_secrets: bool,
    output: str,
) -> None:
    """Print the spec that create_cluster() would use, and where each value came from.

    SPEC is a path or a name; without it, what is configured.
    """
    from dask_ctl.resolve import resolve
    from dask_ctl.resolved import describe

    resolved = resolve(
        _spec_name(name, file),
        local_fallback=local_fallback,
        overrides=_overrides(settings),
        asked_by="SPEC",
    )
    for finding in (*resolved.findings, *resolved.shadowed()):
        _say(finding)
    if output == "json":
        shown = resolved.as_dict(show_secrets=show_secrets)
        click.echo(json.dumps(shown, indent=2, default=str))
        return
    lines = list(resolved.lines(show_secrets=show_secrets))
    width = max(len(text) for text, _ in lines)
    for text, origin in lines:
        comment = click.style(f"  # {describe(origin)}", dim=True) if origin else ""
        click.echo(f"{text:<{width}}{comment}" if comment else text)
    for entry in resolved.overridden:
        click.echo(click.style(f"# not used: {entry}", dim=True))


@spec.command()
@_with_spec
@_output("text", "json")
def check(
    *,
    name: str | None,
    file: str | None,
    settings: tuple[str, ...],
    local_fallback: bool,
    output: str,
) -> None:
    """Find everything that is wrong with a spec, without starting anything.

    Exits with 0 if create_cluster() can try it, and with 4 if there are errors.
    """
    # A project's own module is found from where its script would be run.
    sys.path.insert(0, "")
    from dask_ctl.check import check as find

    chosen = _spec_name(name, file)
    overrides = _overrides(settings)
    findings = find(chosen, local_fallback=local_fallback, overrides=overrides, asked_by="SPEC")
    valid = all(finding.severity != "error" for finding in findings)
    if output == "json":
        diagnostics = [finding.as_dict() for finding in findings]
        click.echo(json.dumps({"valid": valid, "diagnostics": diagnostics}, indent=2))
    else:
        for finding in findings:
            click.echo(f"{finding.severity}: {finding}")
        if valid:
            click.echo("The spec is valid.")
    sys.exit(0 if valid else 4)


@spec.command(name="list")
@_output("text", "json")
def list_(*, output: str) -> None:
    """Print every spec that can be named here, and every place looked at."""
    from dask_ctl.catalogue import entries, places_looked_at

    found, places = entries(), places_looked_at()
    if output == "json":
        listed = {
            "specs": [entry.as_dict() for entry in found],
            "places": [{"path": path, "exists": exists} for path, exists in places],
        }
        click.echo(json.dumps(listed, indent=2))
        return
    rows = [
        ("*" if e.in_force else "", e.name, e.backend or f"({e.problem})", e.origin.where)
        for e in found
    ]
    if not rows:
        click.echo("No specs found. To write one: dask cluster spec init local")
    else:
        rows.insert(0, ("", "NAME", "BACKEND", "ORIGIN"))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        for row in rows:
            cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
            click.echo("  ".join([*cells, row[3]]).rstrip())
        click.echo("* in force")
    click.echo("\nPlaces looked at:")
    for path, exists in places:
        click.echo(f"  {path}{'' if exists else ' (does not exist)'}")


@spec.command()
@click.argument("backend")
@click.option(
    "-o",
    "--output-file",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file instead of standard output.",
)
@click.option("--force", is_flag=True, help="Overwrite the file.")
def init(*, backend: str, target: Path | None, force: bool) -> None:
    """Write a commented spec for BACKEND to start from.

    BACKEND is one of local, slurm, slurm-runner, mpi, sge, pbs, lsf, oar, moab, htcondor, ssh,
    kubernetes, gateway, proxy, coiled, ec2, fargate.
    """
    from dask_ctl.spec import did_you_mean
    from dask_ctl.templates import TEMPLATES, template

    if backend not in TEMPLATES:
        hint = did_you_mean(backend, TEMPLATES) or f"known: {', '.join(TEMPLATES)}"
        raise click.BadParameter(f"{backend!r} is unknown; {hint}", param_hint="BACKEND")
    text = template(backend)
    if target is None:
        click.echo(text, nl=False)
        return
    try:
        with target.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise click.UsageError(f"{target} exists; --force overwrites it") from None
    except OSError as error:
        raise click.FileError(str(target), error.strerror or str(error)) from None
    click.echo(f"Wrote {target}. To check it: dask cluster spec check {target}", err=True)


@spec.command()
@click.option(
    "--namespace", is_flag=True, help="The schema of the ctl namespace instead of a spec file."
)
def schema(*, namespace: bool) -> None:
    """Print the JSON Schema of a spec file."""
    from dask_ctl.schema import dump, namespace_schema, spec_schema

    click.echo(dump(namespace_schema() if namespace else spec_schema()), nl=False)
