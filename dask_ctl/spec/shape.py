"""The shape of a spec: its keys are known, and each holds what it may hold."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from dask_ctl.exceptions import InvalidSpecError
from dask_ctl.spec.checks import (
    MAX_TOLD,
    did_you_mean,
    is_set,
    kind,
    names_target,
    suggested,
    wrong,
)
from dask_ctl.spec.keys import BY_NAME, KEYS, checked
from dask_ctl.spec.located import Located, Origin

_SHAPE: Final = "a spec is a mapping with 'module' and 'class'"

# Top-level keys that say that a file is something else, and how to write it as a spec.
_OTHER_TOOLS: Final = {
    "cluster_class": "write 'cluster_class: package.Name' as 'module: package' and 'class: Name'",
    "cluster_kwargs": "write 'cluster_kwargs' as 'kwargs'",
    "adapt_kwargs": "write 'adapt_kwargs' as 'adapt'",
    "factory": "write the 'module', 'class', 'args' and 'kwargs' of 'factory' at the top level",
    "_target_": "write '_target_: package.Name' as 'module: package' and 'class: Name', and the "
    "other keys under 'kwargs'",
}
# What a spec cannot say, though it is asked for (dask-jobqueue 596): sizes count jobs.
_NO_KEYS: Final = {
    "local_workers": "no class adds workers of this machine to its own; start them beside it: "
    "dask cluster run --name NAME -- dask worker"
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
# What else a file of our name may be: keys that it then has, all of them.
_FOREIGN: Final = (
    ({"apiVersion", "kind"}, "a Kubernetes manifest"),
    ({"kind", "metadata"}, "a Kubernetes manifest"),
    ({"apiVersion", "name"}, "the description of a Helm chart"),
    ({"services"}, "a compose file"),
    ({"scheduler", "worker"}, "the values of a Helm chart"),
    ({"replicaCount"}, "the values of a Helm chart"),
    ({"gateway", "traefik"}, "the values of a Helm chart"),
    ({"dask-gateway"}, "the values of a Helm chart"),
    ({"channels", "dependencies"}, "a conda environment"),
)


def check_layer(layer: Located, *, in_file: bool) -> Located:
    """Check the shape of a spec, full or partial, and bring its names into one spelling.

    Parameters
    ----------
    layer : Located
        What a source gives, as written or with its placeholders replaced.
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
    if not isinstance(layer.value, dict) or (in_file and not layer.value):
        empty = not layer.value and isinstance(layer.value, dict | None)
        raise InvalidSpecError(
            "is empty" if empty else f"is {kind(layer.value)}, not a mapping",
            remedy=_SHAPE,
            origin=layer.origin,
        )
    if in_file and layer.value.keys().isdisjoint({*KEYS, *_OTHER_TOOLS, *_DASK_NAMESPACES}):
        raise InvalidSpecError(
            "is not a spec: it has no key of one",
            remedy=_SHAPE,
            origin=layer.origin,
        )
    errors: list[InvalidSpecError] = []
    parts: dict[str, Located] = {}
    for key, part in layer.value.items():
        try:
            if key not in BY_NAME:
                raise _unknown_key(key, part, layer)
            parts[key] = checked(BY_NAME[key], part)
        except InvalidSpecError as error:
            errors.append(error)
            if len(errors) == MAX_TOLD:
                break
    if in_file and "version" not in layer.value and not errors:
        remedy = "a spec file starts with 'version: 1'"
        errors.append(wrong(("version",), layer.origin, "missing", remedy))
    if is_set(parts.get("scale")) and is_set(parts.get("adapt")):
        origin = parts["adapt"].origin
        errors.append(wrong(("adapt",), origin, "'scale' and 'adapt' together", "keep one of them"))
    if errors:
        errors[0].others = tuple(error.problem for error in errors[1:])
        raise errors[0]
    return replace(layer, value=parts)


def no_mapping(part: Located, key: str, remedy: str) -> InvalidSpecError:
    """The error of something else where a mapping is meant."""
    problem = f"must be a mapping, not {kind(part.value)}"
    return InvalidSpecError(problem, remedy=remedy, origin=part.origin, key=key)


def refuse_foreign(keys: Collection[object], origin: Origin | str) -> None:
    """Refuse what is plainly the file of another tool.

    Parameters
    ----------
    keys : collection
        The keys at its top level.
    origin : Origin or str
        The file.

    Raises
    ------
    InvalidSpecError
        If it is one.
    """
    if "module" in keys or "class" in keys:
        return
    for known, what in _FOREIGN:
        if known <= set(keys):
            raise InvalidSpecError(
                f"is {what}, not a spec",
                remedy="rename it, or name the spec that is meant: create_cluster('my-spec.yaml')",
                origin=origin,
            )


def top_keys(text: str) -> list[str]:
    """The keys that seem to stand at the top level of a text that is no YAML document."""
    return re.findall(r"^([\w.-]+):", text, re.MULTILINE)


def _unknown_key(key: object, part: Located, layer: Located) -> InvalidSpecError:
    if key in _OTHER_TOOLS:
        return wrong((str(key),), part.origin, "belongs to another tool", _OTHER_TOOLS[str(key)])
    if key in _NO_KEYS:
        return wrong((str(key),), part.origin, "is not supported", _NO_KEYS[str(key)])
    if key in _DASK_NAMESPACES and not names_target(layer):
        return InvalidSpecError(
            "this is a dask configuration file, not a spec",
            remedy="put it into ~/.config/dask or name it in DASK_CONFIG; a spec has 'module' and "
            "'class' at its top level",
            origin=part.origin,
            key=str(key),
        )
    known = f"what the class takes goes under 'kwargs'; {suggested(key, KEYS)}"
    remedy = did_you_mean(key, KEYS) or known
    return wrong((str(key),), part.origin, "unknown key", remedy)
