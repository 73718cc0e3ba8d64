"""``dask cluster spec``: what is configured, where it came from, and whether it will work."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from dask_ctl.cli import printing
from dask_ctl.cli.options import (
    complete_spec,
    complete_template,
    output_option,
    resolved_from,
    spec_name,
    with_spec,
)
from dask_ctl.exceptions import printable


@click.group(name="spec")
def group() -> None:
    """Say what is configured, where from, and if it will work."""


@group.command(epilog="Example: dask cluster spec show hpc.yaml --set kwargs.cores=8")
@with_spec
@click.option("--show-secrets", is_flag=True, help="Print values that look secret.")
@output_option("yaml", "json")
def show(
    *,
    spec: str | None,
    file: str | None,
    settings: tuple[str, ...],
    local_fallback: bool,
    show_secrets: bool,
    output: str,
) -> None:
    """Print the spec in force, and where each value came from.

    SPEC is a path or a name; without it, what is configured.
    """
    from dask_ctl import lifecycle
    from dask_ctl.spec.resolved import describe, one_line

    resolved = resolved_from(spec, file, settings, local_fallback=local_fallback)
    inherited = lifecycle.spec_inherited(resolved)
    if output == "json":
        shown = resolved.as_dict(show_secrets=show_secrets)
        shown["inherited"] = {
            each.key: {
                "value": each.shown(show_secrets=show_secrets),
                "source": each.origin.source.label,
                "where": each.origin.where,
            }
            for each in inherited
        }
        printing.out(json.dumps(shown, indent=2, default=str))
        return
    lines = list(resolved.lines(show_secrets=show_secrets))
    width = max(len(text) for text, _ in lines)
    for text, origin in lines:
        comment = click.style(f"  # {describe(origin)}", dim=True) if origin else ""
        printing.out(f"{text:<{width}}{comment}" if comment else text)
    for each in inherited:
        value = one_line(each.shown(show_secrets=show_secrets))
        where = click.style(f"  # read by the backend itself: {describe(each.origin)}", dim=True)
        printing.out(f"# {each.key}: {value}{where}")
    for remark in resolved.remarks():
        printing.out(click.style(remark, dim=True))


@group.command(epilog="Example: dask cluster spec check hpc.yaml")
@with_spec
@output_option("text", "json")
def check(
    *,
    spec: str | None,
    file: str | None,
    settings: tuple[str, ...],
    local_fallback: bool,
    output: str,
) -> None:
    """Find all that is wrong with a spec; nothing is started.

    Exits with 0 if create_cluster() can try it, and with 4 if there are errors.
    """
    from dask_ctl import lifecycle

    problems = lifecycle.check_spec(
        spec_name(spec, file), local_fallback, settings=settings, asked_by="SPEC"
    )
    valid = all(problem.severity != "error" for problem in problems)
    if output == "json":
        diagnostics = [problem.as_dict() for problem in problems]
        printing.out(json.dumps({"valid": valid, "diagnostics": diagnostics}, indent=2))
    else:
        for problem in problems:
            printing.out(f"{problem.severity}: {problem}")
        if valid:
            printing.out("The spec is valid.")
    sys.exit(0 if valid else 4)


@group.command(epilog="Example: dask cluster spec plan hpc.yaml --diff gpu.yaml")
@with_spec
@click.option(
    "--diff",
    metavar="OTHER",
    shell_complete=complete_spec,
    help="Print how the plan of the spec OTHER differs.",
)
def plan(*, diff: str | None, **spec: Any) -> None:
    """Print what create_cluster() would start, with nothing started.

    SPEC is a path or a name; without it, what is configured.
    """
    from dask_ctl import lifecycle

    other = diff and lifecycle.resolve_spec(diff, spec["local_fallback"], asked_by="--diff")
    told = lifecycle.plan_spec(resolved_from(**spec), diff=other)
    if told:
        printing.out(told, nl=False)
    else:
        printing.note("Both plans are the same; what they do not tell, such as env, may differ.")


def _briefly(problem: str) -> str:
    """A problem without the places that were looked at, which are listed below."""
    return re.sub(r" \(looked at [^)]*\)", "", problem)


@group.command(name="list", epilog="Example: dask cluster spec list")
@output_option("text", "json")
def list_(*, output: str) -> None:
    """Print the specs that can be named here, and where it looked."""
    from dask_ctl import lifecycle

    found, places = lifecycle.list_specs(), lifecycle.list_spec_places()
    if output == "json":
        listed = {
            "specs": [entry.as_dict() for entry in found],
            "places": [{"path": path, "exists": exists} for path, exists in places],
        }
        printing.out(json.dumps(listed, indent=2))
        return
    rows = [
        (
            "*" if e.in_force else "",
            e.name,
            e.backend or f"({_briefly(e.problem) if e.problem else 'partial'})",
            e.origin.where + (f" (hidden by {e.hidden_by})" if e.hidden_by else ""),
        )
        for e in found
    ]
    if not rows:
        printing.out("No specs found. To write one: dask cluster spec init local")
    else:
        printing.table(("", "NAME", "BACKEND", "ORIGIN"), rows)
        named = {each.origin.via.where for each in found if each.in_force and each.origin.via}
        legend = "* in force" if any(each.in_force for each in found) else "none is in force"
        printing.out(legend + (f", named by {', '.join(named)}" if named else ""))
    printing.out("\nPlaces looked at:")
    for path, exists in places:
        printing.out(f"  {printable(str(path))}{'' if exists else ' (does not exist)'}")


@group.command(epilog="Example: dask cluster spec use hpc --local")
@click.argument("name", required=False, shell_complete=complete_spec)
@click.option("--local", is_flag=True, help="For this folder and those below it alone.")
@click.option("--unset", is_flag=True, help="Have none any more.")
def use(*, name: str | None, local: bool, unset: bool) -> None:
    """Have a spec used from now on, wherever none is named.

    NAME is a path or a name.
    """
    if (name is None) != unset:
        raise click.UsageError("give the NAME of a spec, or --unset")
    from dask_ctl import lifecycle

    path = lifecycle.use_spec(name, local=local)
    where = f" in {Path.cwd()}" if local else ""
    if path is None:
        printing.note(f"Nothing was in use{where}.")
    else:
        what = f"{name} is in use" if name else "Nothing is in use any more"
        printing.note(f"{what}{where}. Changed {path}.")


@group.command(epilog="Example: dask cluster spec init slurm -o hpc.yaml")
@click.argument("backend", required=False, shell_complete=complete_template)
@click.option(
    "-o",
    "--output-file",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file instead of standard output.",
)
@click.option("--force", is_flag=True, help="Overwrite the file.")
def init(*, backend: str | None, target: Path | None, force: bool) -> None:
    """Write a commented spec for BACKEND to start from.

    Without BACKEND it asks, on a terminal, and says what was found here.
    """
    from dask_ctl import lifecycle
    from dask_ctl.exceptions import InvalidSpecError
    from dask_ctl.spec.files import write_readable

    if backend is None:
        if not sys.stdin.isatty():
            known = ", ".join(lifecycle.spec_templates())
            raise click.UsageError(f"name a BACKEND: {known}")
        backend = _asked_backend()
        target = target or _asked_file(backend, force=force)
    try:
        text = lifecycle.spec_template(backend, for_editors=target is not None)
    except InvalidSpecError as error:
        raise click.BadParameter(str(error), param_hint="BACKEND") from None
    if target is None:
        printing.out(text, nl=False)
        return
    if os.path.lexists(target) and not force:
        raise click.UsageError(f"{target} exists; --force overwrites it")
    try:
        if target.exists() and not target.is_file():
            target.write_text(text, encoding="utf-8")  # a pipe or a device stays what it is
        else:
            write_readable(target, text)
    except OSError as error:
        problem = f"{target} cannot be written: {error.strerror}; name another file with -o"
        raise click.ClickException(problem) from None
    command = shlex.join(["dask", "cluster", "spec", "check", str(target)])
    printing.note(f"Wrote {target}. To check it: {command}")


def _asked_backend() -> str:
    from dask_ctl import lifecycle

    here, names = lifecycle.spec_templates_here(), lifecycle.spec_templates()
    for name, what in here.items():
        printing.note(f"found here: {name} ({what})")
    default = next(iter(here), names[0])
    asked: str = click.prompt("Backend", type=click.Choice(names), default=default, err=True)
    return asked


def _asked_file(backend: str, *, force: bool) -> Path:
    implicit = Path("dask-cluster.yaml")
    default = implicit if force or not implicit.exists() else Path(f"{backend}.yaml")
    asked: Path = click.prompt("File", type=click.Path(path_type=Path), default=default, err=True)
    return asked


@group.command(epilog="Example: dask cluster spec schema > schema.json")
@click.option(
    "--namespace", is_flag=True, help="The schema of the ctl namespace instead of a spec file."
)
def schema(*, namespace: bool) -> None:
    """Print the JSON Schema of a spec file."""
    from dask_ctl import lifecycle

    printing.out(json.dumps(lifecycle.spec_schema(namespace=namespace), indent=2))
