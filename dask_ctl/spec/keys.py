"""What a spec is: one table of its keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dask_ctl.spec import checks
from dask_ctl.spec.checks import MODULE, NAME, TIME, VARIABLE, VERSIONS
from dask_ctl.spec.located import Located
from dask_ctl.spec.values import is_placeholder

_PLACEHOLDER: Final = r"\$\{(env|text|import):"

# Of keyword arguments: any text may name one; whether the target takes it is another question.
_ARGUMENTS: Final = {"type": ["object", "null"], "propertyNames": {"minLength": 1}}


def _one_or_more(one: Mapping[str, Any], *, fewest: int = 1) -> dict[str, Any]:
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": fewest}, {"type": "null"}]}


# What says which spec is meant holds no placeholders.
_WORD: Final = {"type": "string", "pattern": r"\S", "not": {"pattern": _PLACEHOLDER}}
_TEXT: Final = {**_WORD, "type": ["string", "number"]}
_CONDITION: Final = {
    "type": ["string", "object"],
    "pattern": f"^{VARIABLE}$",
    "propertyNames": {"pattern": f"^{VARIABLE}$"},
    "additionalProperties": {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]},
}


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
    early : bool
        Whether it says which specs are meant, so that a resolved one has it no more.
    """

    name: str
    type: str
    description: str
    check: Callable[[str, Located], Located]
    schema: Mapping[str, Any]
    default: Any = None
    early: bool = False

    @property
    def attribute(self) -> str:
        """The attribute of a `ClusterSpec` that holds it."""
        return "class_" if self.name == "class" else self.name


TABLE: Final = (
    Key(
        name="version",
        type="int",
        description="The version of the format. A file must say it; an inline spec may.",
        check=checks.check_version,
        schema={"const": VERSIONS[0]} if len(VERSIONS) == 1 else {"enum": list(VERSIONS)},
        default=VERSIONS[-1],
    ),
    Key(
        name="extends",
        type="name, path or list",
        description="The specs that this one is laid over, the later over the earlier.",
        check=checks.check_extends,
        schema=_one_or_more(_WORD, fewest=0),
        early=True,
    ),
    Key(
        name="when",
        type="mapping",
        description="Where it is meant for: 'host' (patterns), 'command' (on PATH), 'env' (a "
        "variable that is set, or NAME: pattern).",
        check=checks.check_when,
        schema={
            "type": ["object", "null"],
            "additionalProperties": False,
            "properties": {
                "host": _one_or_more(_WORD),
                "command": _one_or_more(_WORD),
                "env": _one_or_more(_CONDITION),
            },
        },
        early=True,
    ),
    Key(
        name="module",
        type="str",
        description="The module to import.",
        check=checks.check_name,
        schema={"type": "string", "pattern": rf"^{MODULE}$|{_PLACEHOLDER}"},
        default=...,
    ),
    Key(
        name="class",
        type="str",
        description="The cluster class in it, or a function that returns a cluster.",
        check=checks.check_name,
        schema={"type": "string", "pattern": rf"^{NAME}$|{_PLACEHOLDER}"},
        default=...,
    ),
    Key(
        name="args",
        type="list",
        description="Positional arguments.",
        check=checks.check_args,
        schema={"type": ["array", "null"]},
        default=[],
    ),
    Key(
        name="kwargs",
        type="mapping",
        description="Keyword arguments; '-' in their names reads as '_'.",
        check=checks.check_kwargs,
        schema={**_ARGUMENTS, "properties": {"asynchronous": False}},
        default={},
    ),
    Key(
        name="scale",
        type="int or mapping",
        description="How many workers to scale to once it is up, or what cluster.scale() takes.",
        check=checks.check_scale,
        schema={**_ARGUMENTS, "type": ["integer", "object", "null"], "minimum": 0},
    ),
    Key(
        name="adapt",
        type="mapping",
        description="What cluster.adapt() takes once it is up; not together with 'scale'.",
        check=lambda key, part: part if part.value is None else checks.keyword_names(key, part),
        schema=_ARGUMENTS,
    ),
    Key(
        name="env",
        type="mapping",
        description="Environment variables of scheduler and workers.",
        check=checks.check_env,
        schema={
            "type": ["object", "null"],
            "propertyNames": {"pattern": f"^{VARIABLE}$"},
            "additionalProperties": {"type": ["string", "number"]},
        },
        default={},
    ),
    Key(
        name="config",
        type="mapping",
        description="Dask's configuration in force with this cluster, here and in its processes.",
        check=checks.check_config,
        schema={
            "type": ["object", "null"],
            "propertyNames": {"pattern": r"^(?!ctl(\.|$))[^.]+(\.[^.]+)*$"},
        },
        default={},
    ),
    Key(
        name="idle_timeout",
        type="time",
        description="End the cluster when it has had no work for so long: 30m.",
        check=checks.check_time,
        schema={"type": ["string", "number", "null"], "pattern": TIME, "exclusiveMinimum": 0},
    ),
)
LATE: Final = tuple(key for key in TABLE if not key.early)
KEYS: Final = tuple(key.name for key in TABLE)
BY_NAME: Final = {key.name: key for key in TABLE}


def checked(key: Key, part: Located) -> Located:
    """A part in its one spelling; a placeholder may become anything, and is checked then.

    Raises
    ------
    InvalidSpecError
        If it has the wrong shape.
    """
    unknown = is_placeholder(part.value) and not key.early
    return part if unknown else key.check(key.name, part)


def schema_of(key: Key) -> dict[str, Any]:
    """The JSON schema of what `checked` accepts."""
    placeholder = {"type": "string", "pattern": rf"^{_PLACEHOLDER}.*\}}$"}
    plain = key.early or key.type == "str"
    given = key.schema if plain else {"anyOf": [dict(key.schema), placeholder]}
    return {"description": key.description, **given}
