"""What each key of a spec may hold, and how a value that it may not hold is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from math import inf
from typing import Final

from dask_ctl.exceptions import InvalidSpecError
from dask_ctl.spec.located import KeyPath, Located, Origin, dotted, locate, merge
from dask_ctl.spec.secrets import looks_secret, variables
from dask_ctl.spec.values import has_placeholder

VERSIONS: Final = (1,)
NAME: Final = r"[^\W\d]\w*"
MODULE: Final = rf"{NAME}(\.{NAME})*"
VARIABLE: Final = r"[A-Za-z_][A-Za-z0-9_]*"
# A time longer than none, as dask.utils.parse_timedelta reads it.
TIME: Final = r"^(?=.*[1-9])\d+(\.\d+)? ?(s|seconds?|m|minutes?|h|hours?|d|days?|w|weeks?)?$"
CONDITIONS: Final = ("host", "command", "env")
MAX_TOLD: Final = 20  # problems of one kind; each may be worth some thinking
_SHOWN: Final = 15  # names, where there are more
_BEGINNING: Final = 3  # letters of a name that make it known


def names_target(layer: Located) -> bool:
    """Whether a checked layer is a full spec: it has both module and class."""
    return "module" in layer.value and "class" in layer.value


def is_partial(layer: Located) -> bool:
    """Whether a layer has neither module nor class, and so is for others to be laid over."""
    return "module" not in layer.value and "class" not in layer.value


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
    >>> did_you_mean("spec", ["scale", "specification"])
    "did you mean 'specification'?"
    """
    import difflib  # only a mistake pays for it

    folded = {name.casefold(): name for name in known}
    written = str(word).casefold()
    close = difflib.get_close_matches(written, list(folded), n=1, cutoff=0.6)
    if not close and len(written) >= _BEGINNING:
        close = [name for name in folded if name.startswith(written)]
    return f"did you mean {folded[close[0]]!r}?" if close else None


def suggested(word: object, known: Iterable[str]) -> str:
    """What may be meant by a word that is not known: one that is near, or what there is.

    Examples
    --------
    >>> suggested("maximun", ["maximum"]), suggested("x", ["jobs", "n"])
    ("did you mean 'maximum'?", 'known: jobs, n')
    """
    import difflib

    names = list(known)
    if near := did_you_mean(word, names):
        return near
    if (more := len(names) - _SHOWN) <= 0:
        return f"known: {', '.join(names)}"
    nearest = difflib.get_close_matches(str(word), names, n=_SHOWN, cutoff=0.0)
    return f"known: {', '.join(nearest)} and {more} more"


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


def uncounted(value: object) -> str | None:
    """What a value is that counts nothing, in words; None of a whole number of 0 or more.

    Examples
    --------
    >>> uncounted(2), uncounted(2.5), uncounted(-1), uncounted("2")
    (None, 'a fraction', '-1', 'a string')
    """
    if type(value) is int:
        return None if value >= 0 else str(value)
    return "a fraction" if isinstance(value, float) else kind(value)


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


def check_version(key: str, part: Located) -> Located:
    """A version that is known."""
    if type(part.value) is not int or part.value not in VERSIONS:
        known = ", ".join(map(str, VERSIONS))
        raise wrong((key,), part.origin, f"unknown version {part.value!r}", f"known: {known}")
    return part


def check_name(key: str, part: Located) -> Located:
    """The name of a module, or of a class in one."""
    value = part.value
    if not isinstance(value, str):
        raise wrong((key,), part.origin, f"must be a string, not {kind(value)}")
    if has_placeholder(value):
        if any(map(looks_secret, variables(value))):
            problem = "is shown wherever the cluster is, and a variable of this name holds a secret"
            raise wrong((key,), part.origin, problem, "use another variable")
        return part  # known at creation, and checked then
    if key == "class" and "." in value and re.fullmatch(MODULE, value):
        name = value.rpartition(".")[2]
        remedy = f"write 'class: {name}', and as 'module' what that is imported from"
        raise wrong((key,), part.origin, f"{value!r} is more than one name", remedy)
    if not re.fullmatch(MODULE if key == "module" else NAME, value):
        example = "dask.distributed" if key == "module" else "LocalCluster"
        remedy, imported = f"write one like {example}", value.replace("-", "_")
        if key == "module" and re.fullmatch(MODULE, imported):  # it is that of a package
            remedy = f"write it as it is imported: {imported}"
        raise wrong((key,), part.origin, f"{value!r} is not a name", remedy)
    return part


def check_args(key: str, part: Located) -> Located:
    """A list; null is an empty one."""
    if part.value is None:
        return replace(part, value=[])
    if type(part.value) is tuple:  # Python, in code or in a variable
        return locate(list(part.value), part.origin)
    if not isinstance(part.value, list):
        raise wrong((key,), part.origin, f"must be a list, not {kind(part.value)}")
    return part


def check_kwargs(key: str, part: Located) -> Located:
    """Keyword arguments of the target, but for what belongs to the call."""
    named = keyword_names(key, part)
    if "asynchronous" in named.value:
        raise wrong(
            (key, "asynchronous"),
            named.value["asynchronous"].origin,
            "belongs to the call, not to the spec",
            "remove it, and call create_cluster(asynchronous=True) where it is wanted",
        )
    return named


def check_scale(key: str, part: Located) -> Located:
    """A number of workers, or the keyword arguments of ``cluster.scale``."""
    if isinstance(part.value, dict):
        return keyword_names(key, part)
    if part.value is not None and (found := uncounted(part.value)):
        raise wrong((key,), part.origin, f"must be a whole number of workers, not {found}")
    return part


def check_env(key: str, part: Located) -> Located:
    """Environment variables: their names, and their values as text."""
    part = _mapping(key, part)
    texts: dict[str, Located] = {}
    for name, each in part.value.items():
        path = (key, str(name))
        if not re.fullmatch(VARIABLE, str(name)):
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


def check_config(key: str, part: Located) -> Located:
    """Part of dask's configuration, with each dot in a key as a level."""
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


def check_time(key: str, part: Located) -> Located:
    """A time: a number of seconds, or a text with its unit; null is none."""
    value = part.value
    good = re.fullmatch(TIME, value) if isinstance(value, str) else type(value) in (int, float)
    if value is not None and (not good or (not isinstance(value, str) and not 0 < value < inf)):
        raise wrong((key,), part.origin, f"{value!r} is not a time", "write 90, 90s, 5m or 2h")
    return part


def check_extends(key: str, part: Located) -> Located:
    """Names or paths of specs, as a list; null is an empty one."""
    one = [] if part.value is None else [part]
    parts = part.value if isinstance(part.value, list) else one
    problem = "must be names or paths of specs"
    return replace(part, value=[_early(key, each, problem) for each in parts])


def check_when(key: str, part: Located) -> Located:
    """Conditions of where one is."""
    if part.value is None:
        return part
    conditions = _mapping(key, part).value
    for name, each in conditions.items():
        if name not in CONDITIONS:
            remedy = suggested(name, CONDITIONS)
            raise wrong((key, str(name)), each.origin, "unknown condition", remedy)
    return replace(part, value={name: _condition(name, each) for name, each in conditions.items()})


def _condition(name: str, part: Located) -> Located:
    path = f"when.{name}"
    if part.value is None:
        return part
    if isinstance(part.value, list):
        if not part.value:
            raise wrong((path,), part.origin, "is an empty list", "remove it")
        return replace(part, value=[_condition(name, each) for each in part.value])
    if name != "env":
        return _early(path, part, "must be text")
    if not isinstance(part.value, dict):
        _variable(path, part.value, part)
        return part
    patterns = {}
    for variable, each in part.value.items():
        _variable(path, variable, each)
        several = each.value if isinstance(each.value, list) else [each]
        texts = [_early(path, _text((path, variable), one), "must be text") for one in several]
        patterns[variable] = replace(each, value=texts)
    return replace(part, value=patterns)


def _variable(path: str, name: object, part: Located) -> None:
    if not re.fullmatch(VARIABLE, str(name)):
        remedy = "write NAME, or NAME: pattern"
        raise wrong((path,), part.origin, f"{name!r} is no name of a variable", remedy)


def _early(key: str, part: Located, problem: str) -> Located:
    """A text that is needed before placeholders are replaced."""
    if not isinstance(part.value, str) or not part.value.strip():
        found = "an empty one" if part.value == "" else kind(part.value)
        raise wrong((key,), part.origin, f"{problem}, not {found}")
    if has_placeholder(part.value):
        problem = "is needed before placeholders are replaced"
        raise wrong((key,), part.origin, problem, "write it out")
    return part
