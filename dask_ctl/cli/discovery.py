"""``dask cluster discovery``: the methods by which running clusters are found."""

from __future__ import annotations

import json
from typing import Any

import click

from dask_ctl.cli import printing
from dask_ctl.cli.options import complete_method, output_option


@click.group(name="discovery")
def group() -> None:
    """List, enable and disable the ways to find clusters."""


@group.command(name="list", epilog="Example: dask cluster discovery list")
@output_option("text", "json")
def list_(*, output: str) -> None:
    """Print every discovery method; none is imported."""
    from dask_ctl import lifecycle

    found = list(lifecycle.list_discovery_methods().values())
    if output == "json":
        printing.out(json.dumps(found, indent=2))
        return
    rows = [
        (each["name"], each["package"], each["version"], _used(each),
         each["path"])
        for each in found
    ]  # fmt: skip
    printing.table(("NAME", "PACKAGE", "VERSION", "ENABLED", "PATH"), rows)


def _used(method: dict[str, Any]) -> str:
    if method["broken"]:
        return f"no: {method['broken']}"
    return "yes" if method["enabled"] else "no"


@group.command(epilog="Example: dask cluster discovery enable kubecluster")
@click.argument("name", shell_complete=complete_method)
def enable(*, name: str) -> None:
    """Use the discovery method NAME again."""
    _write(name, enabled=True)


@group.command(epilog="Example: dask cluster discovery disable kubecluster")
@click.argument("name", shell_complete=complete_method)
def disable(*, name: str) -> None:
    """Do without the discovery method NAME; it is not even imported."""
    _write(name, enabled=False)


def _write(name: str, *, enabled: bool) -> None:
    from dask_ctl import lifecycle

    path = lifecycle.set_discovery(name, enabled=enabled)
    if path is None:
        printing.note(f"{name} is {'enabled' if enabled else 'disabled'} already.")
    else:
        printing.note(f"Wrote {path}.")
