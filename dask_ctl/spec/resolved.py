"""A resolved spec: the frozen value, and how it is shown to people and to machines."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

import yaml

from dask_ctl import _html
from dask_ctl.exceptions import Problem
from dask_ctl.spec.cluster_spec import ClusterSpec, build
from dask_ctl.spec.keys import KEYS
from dask_ctl.spec.located import Located, Origin, Source, dotted
from dask_ctl.spec.secrets import masked
from dask_ctl.spec.shape import check_layer
from dask_ctl.spec.values import expand

_MORE: Final = ("used", "chosen", "overridden", "warnings")


@dataclass(frozen=True)
class Overridden:
    """A source that had something to say and was not heard, or only in part.

    Parameters
    ----------
    origin : Origin
        What was overridden.
    by : Origin
        What overrode it.
    reason : str
        Why.
    """

    origin: Origin
    by: Origin
    reason: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.reason} ({self.by})"


@dataclass(frozen=True, kw_only=True)
class ResolvedSpec:
    """A spec, and where every part of it came from.

    Printed, it is the spec as YAML with the origin of every leaf beside it.

    Parameters
    ----------
    spec : ClusterSpec
        What was resolved.
    origins : mapping of str to Origin
        For each leaf, by its dotted name, where it came from.
    used : tuple of Origin
        The specs and partial specs that took part, but for those that one of them extends.
    chosen : str or None
        Why this spec, if it has a `when` or was chosen from a list.
    overridden : tuple of Overridden
        The lower sources that were replaced, wholly or in part.
    warnings : tuple of Problem
        What is worth a warning.
    tree : Located
        The spec as located values.
    """

    spec: ClusterSpec
    origins: Mapping[str, Origin]
    used: tuple[Origin, ...] = ()
    chosen: str | None = None
    overridden: tuple[Overridden, ...] = ()
    warnings: tuple[Problem, ...] = ()
    tree: Located = field(repr=False, compare=False)

    @classmethod
    def of(cls, tree: Located) -> ResolvedSpec:
        """What a complete spec is, given as located values.

        Raises
        ------
        InvalidSpecError
            If it is wrong.
        """
        leaves = [(path, part) for path, part in tree.leaves() if path != ("version",)]
        origins = MappingProxyType({dotted(path): part.origin for path, part in leaves})
        return cls(spec=build(tree), origins=origins, tree=tree)

    def expanded(self, env: Mapping[str, str]) -> ResolvedSpec:
        """The same with its placeholders replaced, and checked again.

        Parameters
        ----------
        env : mapping
            The environment.

        Raises
        ------
        InvalidSpecError
            If a placeholder is wrong, or gives a value of the wrong type.
        BackendError
            If what ``${import:...}`` names cannot be imported.
        """
        tree = expand(self.tree, (), env)
        if tree is self.tree:
            return self
        return _again(check_layer(tree, in_file=False), *self._more)

    def origin_of(self, *path: str | int) -> Origin:
        """Where the value at `path` came from, or the nearest thing above it."""
        return self.tree.origin_of(path)

    def located(self, problem: Problem) -> Problem:
        """The same problem with the place of its key; without one, that of the class."""
        path = self.tree.path(problem.key or "class")
        return replace(problem, origin=self.origin_of(*path) if path else self.origin)

    @property
    def origin(self) -> Origin:
        """Where the class came from, which names the spec in messages."""
        return self.tree.origin_of(("class",))

    def lines(self, *, show_secrets: bool = False) -> Iterator[tuple[str, Origin | None]]:
        """The spec as lines of YAML, each with the origin of what it says, if it says any."""
        if "version" not in self.tree.value:
            yield f"version: {self.spec.version}", None  # an inline spec need not say it
        plain = self.tree.plain()
        shown = plain if show_secrets else masked(plain)
        for key in KEYS:
            if key in self.tree.value:
                yield from _lines(self.tree.value[key], shown[key], key, 0)

    def remarks(self) -> Iterator[str]:
        """Why this spec and no other, as comments."""
        if self.chosen:
            yield f"# chosen: {self.chosen}"
        yield from (f"# not used: {entry}" for entry in self.overridden)

    def shadowed(self, *, by_variables: bool = True) -> Iterator[Problem]:
        """Warnings of files that something puts aside of which their owner may not think.

        Of a name those in places that come later, of a project its file where a configuration of
        dask goes before it.

        Parameters
        ----------
        by_variables : bool
            Whether that something may be a variable, which somebody has just set.
        """
        for entry in self.overridden:
            if entry.origin.source is not Source.FILE or entry.origin.via is not None:
                continue
            hidden = entry.by.via is not None
            overruled = entry.by.source is Source.CONFIG and not os.path.isabs(entry.origin.place)
            variable = entry.by.source is Source.ENVIRONMENT
            if hidden or overruled or (variable and by_variables):
                yield Problem(
                    f"not used: the environment variable {entry.by} takes its place"
                    if variable
                    else f"not used: {entry.by} goes before it",
                    remedy=f"unset {entry.by} to use it"
                    if variable
                    else "name it by its path to use it",
                    origin=entry.origin,
                    severity="warning",
                )

    def as_dict(self, *, show_secrets: bool = False) -> dict[str, Any]:
        """What ``dask cluster spec show --output json`` prints.

        Parameters
        ----------
        show_secrets : bool
            Whether values that look secret are shown.
        """
        spec = self.spec.as_dict()
        return {
            "spec": _with_text_keys(spec if show_secrets else masked(spec)),
            "origins": {
                key: {"source": origin.source.label, "where": origin.where}
                for key, origin in self.origins.items()
            },
            "chosen": self.chosen,
            "overridden": [
                {
                    "source": entry.origin.source.label,
                    "where": entry.origin.where,
                    "by": entry.by.where,
                    "reason": entry.reason,
                }
                for entry in self.overridden
            ],
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.tree, *self._more)  # mapping proxies do not pickle

    @property
    def _more(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in _MORE)

    def __hash__(self) -> int:
        return hash((self.spec.target, frozenset(self.origins.items())))

    def __repr__(self) -> str:
        return f"<ResolvedSpec {self.spec.target} from {describe(self.origin)}>"

    def __str__(self) -> str:
        lines = list(self.lines())
        width = max(len(text) for text, _ in lines)
        shown = [
            f"{text:<{width}}  # {describe(origin)}" if origin else text for text, origin in lines
        ]
        return "\n".join([*shown, *self.remarks()])

    def _repr_html_(self) -> str:
        rows = [(text, describe(origin) if origin else "") for text, origin in self.lines()]
        return _html.table(("spec", "origin"), rows)


def _again(tree: Located, *more: Any) -> ResolvedSpec:
    return replace(ResolvedSpec.of(tree), **dict(zip(_MORE, more, strict=True)))


def describe(origin: Origin) -> str:
    """An origin with its kind, where the place alone does not tell it."""
    text = f"{origin.source.label}: {origin}"
    if origin.via is not None and origin.via.source is not Source.ARGUMENT:
        text += f" (named by {origin.via})"
    return text


def _with_text_keys(value: Any) -> Any:
    """The same for JSON, whose keys are text; those of YAML may be dates."""
    if isinstance(value, dict):
        return {str(key): _with_text_keys(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_text_keys(part) for part in value]
    return value


def _lines(
    part: Located, shown: Any, key: object, depth: int
) -> Iterator[tuple[str, Origin | None]]:
    """The lines of what is shown of a part, with the origins that the part knows."""
    head = f"{'  ' * depth}{one_line(key)}:"
    if isinstance(part.value, dict) and part.value:
        yield head, None
        for name, value in part.value.items():
            yield from _lines(value, shown[name], name, depth + 1)
    else:
        yield f"{head} {one_line(shown)}", part.origin


def one_line(value: Any) -> str:
    """A value as one line of YAML; an object that YAML cannot say as Python shows it."""
    try:
        text = yaml.safe_dump(
            value, default_flow_style=True, width=2**20, sort_keys=False, allow_unicode=True
        )
    except yaml.YAMLError:
        return repr(value)
    return text.removesuffix("\n").removesuffix("\n...")
