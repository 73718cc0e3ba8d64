"""What a spec is: its keys, their types, and the frozen value that they make."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from dask_ctl.exceptions import InvalidSpecError
from dask_ctl.spec.located import KeyPath, Located, Origin, dotted

VERSIONS: Final = (1,)
DESCRIPTIONS: Final = {
    "version": "The version of the format. A file must say it; an inline spec may.",
    "module": "The module to import.",
    "class": "The cluster class in it, or a function that returns a cluster.",
    "args": "Positional arguments.",
    "kwargs": "Keyword arguments; '-' in their names reads as '_'.",
    "scale": "The number of workers to scale to once the cluster is up.",
    "adapt": "Keyword arguments of cluster.adapt() once it is up; not together with 'scale'.",
}
KEYS: Final = tuple(DESCRIPTIONS)

# Top-level keys that say that a file is something else, and how to write it as a spec.
_OTHER_TOOLS: Final = {
    "cluster_class": "write 'cluster_class: package.Name' as 'module: package' and 'class: Name'",
    "cluster_kwargs": "write 'cluster_kwargs' as 'kwargs'",
    "adapt_kwargs": "write 'adapt_kwargs' as 'adapt'",
    "factory": "write the 'module', 'class', 'args' and 'kwargs' of 'factory' at the top level",
    "_target_": "write '_target_: package.Name' as 'module: package' and 'class: Name', and the "
    "other keys under 'kwargs'",
}
_DASK_NAMESPACES: Final = frozenset(
    {
        "ctl",
        "distributed",
        "jobqueue",
        "kubernetes",
        "gateway",
        "dataframe",
        "array",
        "optimization",
    }
)
_MODULE: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_VARIABLE: Final = re.compile(r"\$\{(env|import):")


def did_you_mean(word: object, known: Iterable[str]) -> str | None:
    """The question that a misspelt word deserves, or None.

    Examples
    --------
    >>> did_you_mean("kwarg", ["args", "kwargs"])
    "did you mean 'kwargs'?"
    """
    import difflib  # only a mistake pays for it

    close = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else None


@dataclass(frozen=True, kw_only=True)
class ClusterSpec:
    """Which cluster to make, and how: a checked, frozen spec.

    Parameters
    ----------
    module : str
        The module to import.
    class_ : str
        The cluster class in it, or a function that returns a cluster; ``class`` in a file.
    args : tuple
        Positional arguments.
    kwargs : mapping
        Keyword arguments.
    scale : int, optional
        The number of workers to scale to once the cluster is up.
    adapt : mapping, optional
        Keyword arguments of ``cluster.adapt`` once the cluster is up.
    version : int
        The version of the format.
    """

    module: str
    class_: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    scale: int | None = None
    adapt: Mapping[str, Any] | None = None
    version: int = 1

    @property
    def target(self) -> str:
        """The dotted name of what is called."""
        return f"{self.module}.{self.class_}"

    def as_dict(self) -> dict[str, Any]:
        """The spec as the mapping that a file would hold, in fresh containers."""
        return {
            "version": self.version,
            "module": self.module,
            "class": self.class_,
            "args": _thaw(self.args),
            "kwargs": _thaw(self.kwargs),
            "scale": self.scale,
            "adapt": _thaw(self.adapt),
        }


def check_layer(layer: Located, *, in_file: bool) -> Located:
    """Check the shape of a spec, full or partial, and bring its names into one spelling.

    Parameters
    ----------
    layer : Located
        What a source gives.
    in_file : bool
        Whether it is the whole of a spec file, which must say its version.

    Returns
    -------
    layer : Located
        The same, with ``-`` in the names of keyword arguments read as ``_``.

    Raises
    ------
    InvalidSpecError
        If a key is unknown, or a value of the wrong type.
    """
    if not isinstance(layer.value, dict):
        raise InvalidSpecError(
            "is empty" if layer.value is None else f"is {_kind(layer.value)}, not a mapping",
            remedy="a spec is a mapping with 'module' and 'class'",
            origin=layer.origin,
        )
    if not layer.value and in_file:
        raise InvalidSpecError(
            "is empty",
            remedy="a spec is a mapping with 'module' and 'class'",
            origin=layer.origin,
        )
    errors: list[InvalidSpecError] = []
    checked: dict[str, Located] = {}
    for key, part in layer.value.items():
        try:
            if key not in KEYS:
                raise _unknown_key(key, part, layer)
            checked[key] = _CHECKS[key](key, part)
        except InvalidSpecError as error:
            errors.append(error)
    if in_file and "version" not in layer.value and not errors:
        errors.append(
            InvalidSpecError(
                "missing",
                remedy="a spec file starts with 'version: 1'",
                origin=layer.origin,
                key="version",
            )
        )
    if is_set(checked.get("scale")) and is_set(checked.get("adapt")):
        errors.append(
            _wrong(
                ("adapt",),
                checked["adapt"].origin,
                "'scale' and 'adapt' together",
                "keep one of them",
            )
        )
    if errors:
        errors[0].others = tuple(error.problem for error in errors[1:])
        raise errors[0]
    return replace(layer, value=checked)


def is_set(part: Located | None) -> bool:
    """Whether something is there and is not null."""
    return part is not None and part.value is not None


def names_target(layer: Located) -> bool:
    """Whether a checked layer is a full spec: it has both module and class."""
    return "module" in layer.value and "class" in layer.value


def build(tree: Located) -> ClusterSpec:
    """Make the frozen spec from a checked and merged tree.

    Raises
    ------
    InvalidSpecError
        If module or class is missing.
    """
    for key in ("module", "class"):
        if key not in tree.value:
            example = "dask.distributed" if key == "module" else "LocalCluster"
            raise InvalidSpecError(
                "missing", remedy=f"add '{key}: {example}'", origin=tree.origin, key=key
            )
    plain = tree.plain()
    return ClusterSpec(
        module=plain["module"],
        class_=plain["class"],
        args=_freeze(plain.get("args") or []),
        kwargs=_freeze(plain.get("kwargs") or {}),
        scale=plain.get("scale"),
        adapt=None if plain.get("adapt") is None else _freeze(plain["adapt"]),
    )


def keyword_names(key: str, part: Located) -> Located:
    """Check the names of keyword arguments, and read ``-`` in them as ``_``."""
    if part.value is None:
        return replace(part, value={}, whole=True)
    if not isinstance(part.value, dict):
        raise _wrong((key,), part.origin, f"must be a mapping, not {_kind(part.value)}")
    named: dict[str, Located] = {}
    for name, value in part.value.items():
        path = (key, str(name))
        if not isinstance(name, str):
            raise _wrong(path, value.origin, f"a name must be a string, not {_kind(name)}")
        plain = name.replace("-", "_")
        if not plain.isidentifier() or keyword.iskeyword(plain):
            raise _wrong(path, value.origin, "cannot be the name of an argument")
        if plain in named:
            raise _wrong(path, value.origin, f"the same as '{plain}', given beside it", "keep one")
        named[plain] = value
    return replace(part, value=named)


def _check_version(key: str, part: Located) -> Located:
    if type(part.value) is not int or part.value not in VERSIONS:
        known = ", ".join(map(str, VERSIONS))
        raise _wrong((key,), part.origin, f"unknown version {part.value!r}", f"known: {known}")
    return part


def _check_name(key: str, part: Located) -> Located:
    value = part.value
    if not isinstance(value, str):
        raise _wrong((key,), part.origin, f"must be a string, not {_kind(value)}")
    if _VARIABLE.search(value):
        return part  # known at creation, and checked there
    if key == "class" and "." in value and _MODULE.fullmatch(value):
        module, _, name = value.rpartition(".")
        raise _wrong(
            (key,),
            part.origin,
            f"{value!r} is more than one name",
            f"put the dots into 'module': module: {module}, class: {name}",
        )
    pattern = _MODULE if key == "module" else re.compile(r"[^\W\d]\w*")
    if not pattern.fullmatch(value):
        example = "dask.distributed" if key == "module" else "LocalCluster"
        raise _wrong((key,), part.origin, f"{value!r} is not a name", f"write one like {example}")
    return part


def _check_args(key: str, part: Located) -> Located:
    if part.value is None:
        return replace(part, value=[])
    if isinstance(part.value, tuple):
        return Located([Located(value, part.origin) for value in part.value], part.origin)
    if not isinstance(part.value, list):
        raise _wrong((key,), part.origin, f"must be a list, not {_kind(part.value)}")
    return part


def _check_kwargs(key: str, part: Located) -> Located:
    named = keyword_names(key, part)
    if "asynchronous" in named.value:
        raise _wrong(
            (key, "asynchronous"),
            named.value["asynchronous"].origin,
            "belongs to the call, not to the spec",
            "remove it, and call create_cluster(asynchronous=True) where it is wanted",
        )
    return named


def _check_scale(key: str, part: Located) -> Located:
    if part.value is None:
        return part
    if type(part.value) is not int or part.value < 0:
        found = part.value if type(part.value) is int else _kind(part.value)
        raise _wrong((key,), part.origin, f"must be a whole number of workers, not {found}")
    return part


def _check_adapt(key: str, part: Located) -> Located:
    return part if part.value is None else keyword_names(key, part)


_CHECKS: Final = {
    "version": _check_version,
    "module": _check_name,
    "class": _check_name,
    "args": _check_args,
    "kwargs": _check_kwargs,
    "scale": _check_scale,
    "adapt": _check_adapt,
}


def _unknown_key(key: object, part: Located, layer: Located) -> InvalidSpecError:
    if key in _OTHER_TOOLS:
        return _wrong((str(key),), part.origin, "belongs to another tool", _OTHER_TOOLS[str(key)])
    if key in _DASK_NAMESPACES and not names_target(layer):
        return InvalidSpecError(
            "this is a dask configuration file, not a spec",
            remedy="put it into ~/.config/dask or name it in DASK_CONFIG; a spec has 'module' and "
            "'class' at its top level",
            origin=part.origin,
            key=str(key),
        )
    remedy = did_you_mean(key, KEYS) or f"known: {', '.join(KEYS)}"
    return _wrong((str(key),), part.origin, "unknown key", remedy)


def _wrong(
    path: KeyPath, origin: Origin, problem: str, remedy: str = "change the value"
) -> InvalidSpecError:
    return InvalidSpecError(problem, remedy=remedy, origin=origin, key=dotted(path))


def _kind(value: object) -> str:
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


def _freeze(value: Any) -> Any:
    if isinstance(value, dict):
        return MappingProxyType({key: _freeze(part) for key, part in value.items()})
    if isinstance(value, list):
        return tuple(_freeze(part) for part in value)
    return value


def _thaw(value: Any) -> Any:
    if isinstance(value, (dict, MappingProxyType)):
        return {key: _thaw(part) for key, part in value.items()}
    if type(value) is tuple:
        return [_thaw(part) for part in value]
    return value
