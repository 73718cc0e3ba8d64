"""``${env:NAME}`` and ``${import:module:Name}`` in a spec, replaced when a cluster is made."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from typing import Any, Final

from dask_ctl.exceptions import BackendError, InvalidSpecError
from dask_ctl.spec.located import KeyPath, Located, dotted

_ENV: Final = re.compile(r"\$\{env:(?:([A-Za-z_]\w*)(?::-([^}]*))?\}|[^}]*\}?)")
_IMPORT: Final = re.compile(r"\$\{import:([\w.]+):([\w.]+)\}")


def expand(part: Located, path: KeyPath, env: Mapping[str, str]) -> Located:
    """A part of a spec with its variables replaced; the origins stay.

    Parameters
    ----------
    part : Located
        The part.
    path : tuple
        Where it stands in the spec, for messages.
    env : mapping
        The environment.

    Raises
    ------
    InvalidSpecError
        If a variable is not set and has no default, or is written wrongly.
    BackendError
        If what ``${import:...}`` names cannot be imported.
    """
    if isinstance(part.value, dict):
        named = {key: expand(value, (*path, key), env) for key, value in part.value.items()}
        return replace(part, value=named)
    if isinstance(part.value, list):
        return replace(part, value=[expand(v, (*path, i), env) for i, v in enumerate(part.value)])
    if not isinstance(part.value, str) or "${" not in part.value:
        return part
    if "${import:" in part.value:
        return replace(part, value=_imported(part, path))
    text = _ENV.sub(lambda match: _variable(match, part, path, env), part.value)
    return replace(part, value=text)


def _variable(match: re.Match[str], part: Located, path: KeyPath, env: Mapping[str, str]) -> str:
    name, default = match[1], match[2]
    if name is None:
        raise InvalidSpecError(
            f"{match[0]!r} is not a variable",
            remedy="write ${env:NAME} or ${env:NAME:-default}",
            origin=part.origin,
            key=dotted(path),
        )
    if name in env:
        return env[name]
    if default is None:
        raise InvalidSpecError(
            f"the environment variable {name} is not set",
            remedy=f"set it, or write ${{env:{name}:-default}}",
            origin=part.origin,
            key=dotted(path),
        )
    return default


def _imported(part: Located, path: KeyPath) -> Any:
    match = _IMPORT.fullmatch(part.value)
    if match is None:
        raise InvalidSpecError(
            f"{part.value!r} is not the name of an object",
            remedy="write ${import:package.module:Name}, and nothing around it",
            origin=part.origin,
            key=dotted(path),
        )
    try:
        return reduce(getattr, match[2].split("."), importlib.import_module(match[1]))
    except Exception as error:
        raise BackendError(
            f"{part.value} cannot be imported: {error}",
            remedy="check the names, and install the package",
            origin=part.origin,
            key=dotted(path),
        ) from error
