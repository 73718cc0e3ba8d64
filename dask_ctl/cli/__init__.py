"""``dask cluster``: prints and exits; whatever it prints was found out elsewhere.

``dask`` imports this at every command, so it imports nothing but click until it is needed.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import warnings
from collections.abc import Callable
from io import TextIOWrapper
from typing import Any

import click

from dask_ctl.cli import clusters, creating, discovery, printing, spec

_SHORT = {"ls": "list", "rm": "delete"}  # as of shells and other tools


class _Reporting(click.Group):
    """A group that ends with one line and its exit code where dask_ctl raises an error."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, _SHORT.get(cmd_name, cmd_name))

    def invoke(self, ctx: click.Context) -> Any:
        from dask_ctl.exceptions import DaskCtlWarning

        if ctx.parent:  # what dask and its plugins have loaded stays, so it is not garbage
            gc.freeze()
        if isinstance(sys.stdout, TextIOWrapper):  # as Python itself has it for standard error
            sys.stdout.reconfigure(errors="backslashreplace")
        warnings.simplefilter("always", DaskCtlWarning)
        warnings.showwarning = _warned(warnings.showwarning)
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            code = printing.failure(error, debug=ctx.params.get("debug"))
            if code is None:
                raise
            sys.exit(code)


def _warned(otherwise: Callable[..., None]) -> Callable[..., None]:
    from dask_ctl.exceptions import DaskCtlWarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, DaskCtlWarning):
            printing.warn(message)
        else:
            otherwise(message, category, *where, **more)

    return show


@click.group(cls=_Reporting, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dask-ctl", message="%(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cluster(*, debug: bool) -> None:
    """Create and manage Dask clusters."""
    if debug:  # read where an error is reported, too
        logging.getLogger("dask_ctl").setLevel(logging.DEBUG)
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        click.get_current_context().color = False


@cluster.command(epilog="Example: dask cluster version")
def version() -> None:
    """Print the version of dask_ctl."""
    from importlib.metadata import version as installed

    printing.out(installed("dask-ctl"))


for _command in (*creating.COMMANDS, *clusters.COMMANDS, spec.group, discovery.group):
    cluster.add_command(_command)
