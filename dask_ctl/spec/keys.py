"""What a spec is: one table of its keys, and what each may hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from dask_ctl.exceptions import InvalidSpecError
from dask_ctl.spec.located import KeyPath, Located, Origin, dotted, locate, merge
from dask_ctl.spec.values import has_placeholder, is_placeholder

VERSIONS: Final = (1,)
_NAME: Final = r"[^\W\d]\w*"
_MODULE: Final = rf"{_NAME}(\.{_NAME})*"
_VARIABLE: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_PLACEHOLDER: Final = r"\$\{(env|text|import):"

# Of keyword arguments: any text may name one; whether the target takes it is another question.
_ARGUMENTS: Final = {"type": ["object", "null"], "propertyNames": {"minLength": 1}}


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key of a spec.

    Parameters
    ----------
    name : str
        What it is called.
    type : str
        What it holds, in a word for the documentation.
    description : str
        What it means, in one line.
    check : callable
        ``check(key, part)`` gives the part in its one spelling, or raises `InvalidSpecError`.
    schema : mapping
        The JSON schema of what `check` accepts.
    default : object
        What it is where nothing is given; ``...`` where it must be.
    """

    name: str
    type: str
    description: str
    check: Callable[[str, Located], Located]
    schema: Mapping[str, Any]
    default: Any = None

    @property
    def attribute(self) -> str:
        """The attribute of a `ClusterSpec` that holds it."""
        return "class_" if self.name == "class" else self.name


def names_target(layer: Located) -> bool:
    """Whether a checked layer is a full spec: it has both module and class."""
    return "module" in layer.value and "class" in layer.value


def is_set(part: Located | None) -> bool:
    """Whether something is there and is not null."""
    return part is not None and part.value is not None


def did_you_mean(word: object, known: Iterable[str]) -> str | None:
    """The question that a misspelt word deserves, or None; letter case does not count.

    Examples
    --------
    >>> did_you_mean("kwarg", ["args", "kwargs"])
    "did you mean 'kwargs'?"
    >>> did_you_mean("walltime", ["WallTime", "waketime"])
    "did you mean 'WallTime'?"
    """
    import difflib  # only a mistake pays for it

    folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(str(word).casefold(), list(folded), n=1, cutoff=0.6)
    return f"did you mean {folded[close[0]]!r}?" if close else None


def wrong(
    path: KeyPath, origin: Origin, problem: str, remedy: str = "change the value"
) -> InvalidSpecError:
    """The error of a value."""
    return InvalidSpecError(problem, remedy=remedy, origin=origin, key=dotted(path))


def kind(value: object) -> str:
    """What a value is, in the words of YAML, with its article."""
    names = {
        type(None): "null",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "a mapping",
    }
    return names.get(type(value), f"a {type(value).__name__}")


def argument_name(name: str) -> str:
    """A keyword argument as Python takes it: ``-`` reads as ``_`` where that makes a name.

    Examples
    --------
    >>> argument_name("n-workers"), argument_name("cluster.n-workers")
    ('n_workers', 'cluster.n-workers')
    """
    plain = name.replace("-", "_")
    return plain if plain.isidentifier() else name


def _mapping(key: str, part: Located) -> Located:
    """What must be a mapping; null is an empty one, which takes the place of those below it."""
    if part.value is None:
        return replace(part, value={}, whole=True)
    if not isinstance(part.value, dict):
        raise wrong((key,), part.origin, f"must be a mapping, not {kind(part.value)}")
    return part


def keyword_names(key: str, part: Located) -> Located:
    """Check the names of keyword arguments, and bring them into one spelling."""
    part = _mapping(key, part)
    named: dict[str, Located] = {}
    for name, value in part.value.items():
        path = (key, str(name))
        if not isinstance(name, str) or not name:
            found = "empty" if name == "" else kind(name)
            raise wrong(path, value.origin, f"a name must be a string, not {found}")
        plain = argument_name(name)
        if plain in named:
            raise wrong(path, value.origin, f"the same as '{plain}', given beside it", "keep one")
        named[plain] = value
    return replace(part, value=named)


def _check_version(key: str, part: Located) -> Located:
    if type(part.value) is not int or part.value not in VERSIONS:
        known = ", ".join(map(str, VERSIONS))
        raise wrong((key,), part.origin, f"unknown version {part.value!r}", f"known: {known}")
    return part


def _check_name(key: str, part: Located) -> Located:
    value = part.value
    if not isinstance(value, str):
        raise wrong((key,), part.origin, f"must be a string, not {kind(value)}")
    if has_placeholder(value):
        return part  # known at creation, and checked then
    if key == "class" and "." in value and re.fullmatch(_MODULE, value):
        module, _, name = value.rpartition(".")
        raise wrong(
            (key,),
            part.origin,
            f"{value!r} is more than one name",
            f"put the dots into 'module': module: {module}, class: {name}",
        )
    if not re.fullmatch(_MODULE if key == "module" else _NAME, value):
        example = "dask.distributed" if key == "module" else "LocalCluster"
        raise wrong((key,), part.origin, f"{value!r} is not a name", f"write one like {example}")
    return part


def _check_args(key: str, part: Located) -> Located:
    if part.value is None:
        return replace(part, value=[])
    if type(part.value) is tuple:  # Python, in code or in a variable
        return locate(list(part.value), part.origin)
    if not isinstance(part.value, list):
        raise wrong((key,), part.origin, f"must be a list, not {kind(part.value)}")
    return part


def _check_kwargs(key: str, part: Located) -> Located:
    named = keyword_names(key, part)
    if "asynchronous" in named.value:
        raise wrong(
            (key, "asynchronous"),
            named.value["asynchronous"].origin,
            "belongs to the call, not to the spec",
            "remove it, and call create_cluster(asynchronous=True) where it is wanted",
        )
    return named


def _check_scale(key: str, part: Located) -> Located:
    if isinstance(part.value, dict):
        return keyword_names(key, part)
    if part.value is not None and (type(part.value) is not int or part.value < 0):
        found = part.value if type(part.value) is int else kind(part.value)
        raise wrong((key,), part.origin, f"must be a whole number of workers, not {found}")
    return part


def _check_env(key: str, part: Located) -> Located:
    part = _mapping(key, part)
    texts: dict[str, Located] = {}
    for name, each in part.value.items():
        path = (key, str(name))
        if not re.fullmatch(_VARIABLE, str(name)):
            remedy = "use letters, digits and '_'"
            raise wrong(path, each.origin, "is no name of an environment variable", remedy)
        # The name of a DASK_CTL__ variable tells no case, and those of variables have capitals.
        texts[name.upper() if part.folded else name] = _text(path, each)
    return replace(part, value=texts)


def _text(path: KeyPath, part: Located) -> Located:
    """The text of a variable: as it is written, so that 1.20 and 0123 stay what they are."""
    if part.written is None and type(part.value) not in (str, int, float):
        problem = f"must be text or a number, not {kind(part.value)}"
        raise wrong(path, part.origin, problem, "write it in quotes")
    return replace(
        part, value=str(part.value) if part.written is None else part.written, written=None
    )


def _check_config(key: str, part: Located) -> Located:
    part = _mapping(key, part)
    tree = replace(part, value={})
    for name, each in part.value.items():
        if not isinstance(name, str) or not all(parts := name.split(".")):
            raise wrong((key, str(name)), each.origin, "is no key of dask's configuration")
        if parts[0] == "ctl":
            remedy = "put it into dask's configuration"
            raise wrong((key, name), each.origin, "says which spec is used, so none can", remedy)
        nested = each
        for inner in reversed(parts):
            nested = Located({inner: nested}, each.origin)
        tree = replace(merge(tree, nested), origin=part.origin)
    return replace(tree, whole=part.whole)


TABLE: Final = (
    Key(
        name="version",
        type="int",
        description="The version of the format. A file must say it; an inline spec may.",
        check=_check_version,
        schema={"const": VERSIONS[0]} if len(VERSIONS) == 1 else {"enum": list(VERSIONS)},
        default=VERSIONS[-1],
    ),
    Key(
        name="module",
        type="str",
        description="The module to import.",
        check=_check_name,
        schema={"type": "string", "pattern": rf"^{_MODULE}$|{_PLACEHOLDER}"},
        default=...,
    ),
    Key(
        name="class",
        type="str",
        description="The cluster class in it, or a function that returns a cluster.",
        check=_check_name,
        schema={"type": "string", "pattern": rf"^{_NAME}$|{_PLACEHOLDER}"},
        default=...,
    ),
    Key(
        name="args",
        type="list",
        description="Positional arguments.",
        check=_check_args,
        schema={"type": ["array", "null"]},
        default=[],
    ),
    Key(
        name="kwargs",
        type="mapping",
        description="Keyword arguments; '-' in their names reads as '_'.",
        check=_check_kwargs,
        schema={**_ARGUMENTS, "properties": {"asynchronous": False}},
        default={},
    ),
    Key(
        name="scale",
        type="int or mapping",
        description="How many workers to scale to once it is up, or what cluster.scale() takes.",
        check=_check_scale,
        schema={**_ARGUMENTS, "type": ["integer", "object", "null"], "minimum": 0},
    ),
    Key(
        name="adapt",
        type="mapping",
        description="What cluster.adapt() takes once it is up; not together with 'scale'.",
        check=lambda key, part: part if part.value is None else keyword_names(key, part),
        schema=_ARGUMENTS,
    ),
    Key(
        name="env",
        type="mapping",
        description="Environment variables of scheduler and workers.",
        check=_check_env,
        schema={
            "type": ["object", "null"],
            "propertyNames": {"pattern": f"^{_VARIABLE}$"},
            "additionalProperties": {"type": ["string", "number"]},
        },
        default={},
    ),
    Key(
        name="config",
        type="mapping",
        description="Dask's configuration in force with this cluster, here and in its processes.",
        check=_check_config,
        schema={
            "type": ["object", "null"],
            "propertyNames": {"pattern": r"^(?!ctl(\.|$))[^.]+(\.[^.]+)*$"},
        },
        default={},
    ),
)
KEYS: Final = tuple(key.name for key in TABLE)
BY_NAME: Final = {key.name: key for key in TABLE}


def checked(key: Key, part: Located) -> Located:
    """A part in its one spelling; a placeholder may become anything, and is checked then.

    Raises
    ------
    InvalidSpecError
        If it has the wrong shape.
    """
    return part if is_placeholder(part.value) else key.check(key.name, part)


def schema_of(key: Key) -> dict[str, Any]:
    """The JSON schema of what `checked` accepts."""
    placeholder = {"type": "string", "pattern": rf"^{_PLACEHOLDER}.*\}}$"}
    given = key.schema if key.type == "str" else {"anyOf": [dict(key.schema), placeholder]}
    return {"description": key.description, **given}
