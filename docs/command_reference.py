"""A directive that writes the reference of the command line from the commands themselves.

``command-reference`` lists a group of click, by default all of ``dask cluster``, with every command
below it: its usage, its help and its options are what ``--help`` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from docutils import nodes
from docutils.parsers.rst import Directive

from dask_ctl.cli import cluster

PROGRAM = "dask cluster"


def commands(command: click.Command, context: click.Context) -> Iterator[click.Context]:
    """The commands of a group, each as if it were called, with those of its subgroups."""
    if not isinstance(command, click.Group):
        yield context
        return
    for name in command.list_commands(context):
        if (found := command.get_command(context, name)) is not None:
            yield from commands(found, click.Context(found, context, info_name=name))


class CommandReference(Directive):
    """A section for each command."""

    def run(self) -> list[nodes.Node]:
        """Make the sections."""
        found = sorted(commands(cluster, click.Context(cluster, info_name=PROGRAM)), key=_path)
        return [self.section(context) for context in found]

    def section(self, context: click.Context) -> nodes.section:
        """One command."""
        path = _path(context)
        section = nodes.section("", nodes.title("", path.removeprefix(f"{PROGRAM} ")))
        section["ids"].append(path.replace(" ", "-"))
        self.state.document.note_explicit_target(section)
        usage = context.command.get_usage(context).removeprefix("Usage: ")
        section += nodes.literal_block(usage, " ".join(usage.split()), language="text")
        for paragraph in (context.command.help or "").split("\n\n"):
            section += nodes.paragraph("", " ".join(paragraph.split()))
        if context.command.epilog:
            example = context.command.epilog.removeprefix("Example: ")
            section += nodes.literal_block(example, example, language="text")
        options = nodes.definition_list()
        for parameter in context.command.get_params(context):
            record = parameter.get_help_record(context)
            if record is None or not record[1] or "--help" in parameter.opts:
                continue
            term, text = record
            body = nodes.definition("", nodes.paragraph("", text))
            options += nodes.definition_list_item(
                "", nodes.term("", "", nodes.literal("", term)), body
            )
        if options.children:
            section += options
        return section


def _path(context: click.Context) -> str:
    return context.command_path


def setup(app: Any) -> dict[str, bool]:
    """Register the directive with Sphinx."""
    app.add_directive("command-reference", CommandReference)
    return {"parallel_read_safe": True}
