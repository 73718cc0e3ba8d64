"""Where a spec is meant for: whether its `when` holds here, and why."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from dask_ctl.spec.located import Located


class Finding(NamedTuple):
    """Whether one of the conditions holds, and what was seen."""

    holds: bool
    seen: str


def findings(when: Located | None, env: Mapping[str, str]) -> list[Finding]:
    """What a checked `when` wants, and what there is; all of it must hold, of a list one.

    Parameters
    ----------
    when : Located or None
        The conditions; none hold everywhere.
    env : mapping
        The environment, for variables and for the PATH of commands.
    """
    given = when.value if when is not None and when.value else {}
    return [
        finding
        for key, part in given.items()
        if part.value is not None
        for finding in _BY_KEY[key](part, env)
    ]


def _host(part: Located, _: Mapping[str, str]) -> Iterator[Finding]:
    full = platform.node()
    names = {full.lower(), full.lower().partition(".")[0]}
    patterns = _texts(part)
    fits = [p for p in patterns if any(fnmatchcase(name, p.lower()) for name in names)]
    seen = f"host {full!r} is {'' if fits else 'not '}{' or '.join(fits or patterns)}"
    yield Finding(bool(fits), seen)


def _command(part: Located, env: Mapping[str, str]) -> Iterator[Finding]:
    names = _texts(part)
    path = env.get("PATH", os.defpath)
    found = [where for name in names if (where := shutil.which(name, path=path))]
    seen = f"command {found[0]}" if found else f"no command {' or '.join(names)} on PATH"
    yield Finding(bool(found), seen)


def _env(part: Located, env: Mapping[str, str]) -> Iterator[Finding]:
    """Of a list one must hold, of a mapping each name."""
    if isinstance(part.value, list):
        each = [list(_env(one, env)) for one in part.value]
        held = next((one for one in each if all(finding.holds for finding in one)), None)
        failed = (finding.seen for one in each for finding in one if not finding.holds)
        yield from held or [Finding(False, " or ".join(failed))]
    elif isinstance(part.value, dict):
        for name, patterns in part.value.items():
            given, wanted = env.get(name), _texts(patterns)
            fits = [p for p in wanted if given is not None and fnmatchcase(given, p)]
            is_not = "is not" if given is not None else "is not set to"
            seen = f"{name} {'is' if fits else is_not} {' or '.join(fits or wanted)}"
            yield Finding(bool(fits), seen)
    else:
        is_set = bool(env.get(part.value))
        yield Finding(is_set, f"{part.value} is {'' if is_set else 'not '}set")


_BY_KEY = {"host": _host, "command": _command, "env": _env}


def _texts(part: Located) -> list[str]:
    return [each.value for each in part.value] if isinstance(part.value, list) else [part.value]
