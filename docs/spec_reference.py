"""Two directives that write the reference from the code, and the schemas beside it.

``spec-keys`` lists the keys of a spec, from the table in `dask_ctl.spec.keys`;
``configuration-keys`` the keys of the `ctl` namespace, from the comments of ``dask_ctl.yaml``.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import operator
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from dask_ctl.spec import schema
from dask_ctl.spec.defaults import NAMESPACE, defaults_path
from dask_ctl.spec.keys import TABLE


@dataclasses.dataclass(frozen=True)
class Key:
    """One line of the reference."""

    name: str
    type: str
    default: str
    text: str


def spec_keys() -> Iterator[Key]:
    """The keys of a spec, in the order in which messages name them."""
    for key in TABLE:
        default = "required" if key.default is ... else json.dumps(key.default)
        if key.name == "version":
            default = "required in a file"
        yield Key(key.name, key.type, default, key.description)


def configuration_keys() -> Iterator[Key]:
    """The keys of the packaged defaults, with the comments above them."""
    text = defaults_path().read_text(encoding="utf-8")
    defaults = yaml.safe_load(text)
    path: list[str] = []
    comment: list[str] = []
    for line in text[text.index(f"{NAMESPACE}:") :].splitlines():
        if found := re.match(r" *# (.*)", line):
            comment.append(found[1])
        elif found := re.match(r"( *)([\w-]+):(.*)", line):
            path = [*path[: len(found[1]) // 2], found[2]]
            if found[3]:
                default = functools.reduce(operator.getitem, path, defaults)
                shown = default if isinstance(default, str) else json.dumps(default)
                yield Key(".".join(path), "", shown, _literals(" ".join(comment)))
            comment = []


def _literals(text: str) -> str:
    """Single backticks of a comment to those of reStructuredText."""
    return re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", text)


class KeyList(Directive):
    """A definition list of keys."""

    def run(self) -> list[nodes.Node]:
        """Make the list."""
        listed = nodes.definition_list()
        for key in self.keys():
            term = nodes.term("", "", nodes.literal("", key.name), nodes.Text("  "))
            if key.type:
                term += [nodes.emphasis("", key.type), nodes.Text(", ")]
            if key.default.startswith("required"):
                term += nodes.Text(key.default)
            else:
                term += [nodes.Text("default "), nodes.literal("", key.default)]
            body = nodes.definition()
            self.state.nested_parse(StringList([key.text], "dask_ctl"), 0, body)
            listed += nodes.definition_list_item("", term, body)
        return [listed]

    def keys(self) -> Iterator[Key]:
        """What to list."""
        raise NotImplementedError


class SpecKeys(KeyList):
    """The keys of a spec."""

    def keys(self) -> Iterator[Key]:
        """What to list."""
        return spec_keys()


class ConfigurationKeys(KeyList):
    """The keys of the configuration, or those in whose name there is a word."""

    optional_arguments = 1

    def keys(self) -> Iterator[Key]:
        """What to list."""
        word = self.arguments[0] if self.arguments else ""
        return (key for key in configuration_keys() if word in key.name)


def write_schemas(app: Any, failed: Exception | None) -> None:
    """Put what ``dask cluster spec schema`` prints beside the pages."""
    if failed is None and app.builder.name == "html":
        folder = Path(app.outdir)
        (folder / "dask-cluster.json").write_text(schema.dump(schema.spec_schema()))
        (folder / "ctl.json").write_text(schema.dump(schema.namespace_schema()))


def setup(app: Any) -> dict[str, bool]:
    """Register the directives with Sphinx."""
    app.add_directive("spec-keys", SpecKeys)
    app.add_directive("configuration-keys", ConfigurationKeys)
    app.connect("build-finished", write_schemas)
    return {"parallel_read_safe": True}
