"""What `--help` prints is whole, and shows how each command is used."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click
import pytest

from dask_ctl.cli import cluster

WIDTH = 80


def contexts(context: click.Context) -> Iterator[click.Context]:
    """Every command and group, as if it were called."""
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            assert command is not None
            yield from contexts(click.Context(command, context, info_name=name))


EVERY = list(contexts(click.Context(cluster, info_name="dask cluster", terminal_width=WIDTH)))


@pytest.mark.parametrize("context", EVERY, ids=lambda context: context.command_path)
def test_nothing_is_cut(context: click.Context) -> None:
    """Every line fits a narrow terminal, and none ends in dots."""
    lines = context.get_help().splitlines()
    assert [line for line in lines if line.endswith("...") and not line.startswith("Usage")] == []
    assert max(map(len, lines)) <= WIDTH


@pytest.mark.parametrize(
    "context",
    [context for context in EVERY if not isinstance(context.command, click.Group)],
    ids=lambda context: context.command_path,
)
def test_every_command_has_an_example(context: click.Context) -> None:
    """The command itself understands it."""
    begin = f"Example: {context.command_path}"
    example = context.command.epilog
    assert example is not None
    assert example.startswith(begin)
    words = shlex.split(example.removeprefix(begin).partition(" > ")[0])
    context.command.make_context(context.info_name, words, context.parent)
