"""Two directives that write the reference from the code.

``spec-keys`` lists the keys of a spec, from `dask_ctl.spec`; ``configuration-keys`` the keys of
the `ctl` namespace, from the comments of ``dask_ctl.yaml``.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import yaml
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from numpydoc.docscrape import NumpyDocString

from dask_ctl.spec import keys as spec
from dask_ctl.spec.defaults import NAMESPACE, defaults_path

# As a file has them, not as the frozen spec does.
_TYPES = {"tuple": "list"}


@dataclasses.dataclass(frozen=True)
class Key:
    """One line of the reference."""

    name: str
    type: str
    default: str
    text: str


def spec_keys() -> Iterator[Key]:
    """The keys of a spec, in the order in which messages name them."""
    fields = {field.name: field for field in dataclasses.fields(spec.ClusterSpec)}
    documented = {
        part.name: part for part in NumpyDocString(spec.ClusterSpec.__doc__)["Parameters"]
    }
    for key in spec.KEYS:
        name = "class_" if key == "class" else key
        part = documented[name]  # a key that nobody describes fails the build
        text = " ".join(part.desc).split("; ``class``")[0].rstrip(".") + "."
        yield Key(
            key,
            _TYPES.get(kind := part.type.removesuffix(", optional"), kind),
            _default(key, fields[name]),
            text,
        )


def configuration_keys() -> Iterator[Key]:
    """The keys of the packaged defaults, with the comments above them."""
    text = defaults_path().read_text(encoding="utf-8")
    defaults = yaml.safe_load(text)[NAMESPACE]
    comment: list[str] = []
    for line in text[text.index(f"{NAMESPACE}:") :].splitlines():
        if found := re.match(r"  # (.*)", line):
            comment.append(found[1])
        elif found := re.match(r"  ([\w-]+):", line):
            default = yaml.safe_dump(defaults[found[1]]).removesuffix("...\n").strip()
            yield Key(f"{NAMESPACE}.{found[1]}", "", default, _literals(" ".join(comment)))
            comment = []


def _literals(text: str) -> str:
    """Single backticks of a comment to those of reStructuredText."""
    return re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", text)


def _default(key: str, field: dataclasses.Field[Any]) -> str:
    if key == "version":
        return "required in a file"
    if field.default_factory is not dataclasses.MISSING:
        return "{}"
    if field.default is dataclasses.MISSING:
        return "required"
    return {(): "[]", None: "null"}.get(field.default, str(field.default))


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
    """The keys of the configuration."""

    def keys(self) -> Iterator[Key]:
        """What to list."""
        return configuration_keys()


def setup(app: Any) -> dict[str, bool]:
    """Register the directives with Sphinx."""
    app.add_directive("spec-keys", SpecKeys)
    app.add_directive("configuration-keys", ConfigurationKeys)
    return {"parallel_read_safe": True}
