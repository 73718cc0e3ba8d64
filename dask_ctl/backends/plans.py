"""What would be started, as text: the parts that plans of several rooms share."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from dask_ctl.exceptions import plural

_OF_JOBS: Final = ("minimum_jobs", "maximum_jobs")


def call(name: str, args: list[Any], kwargs: Mapping[str, Any]) -> str:
    """What is called, and with which arguments."""
    given = {"args": args, "kwargs": dict(kwargs)}
    return f"calls: {name}\n{listed({key: value for key, value in given.items() if value})}"


def connecting(imported: str, name: str, arguments: Mapping[str, Any]) -> tuple[str, str]:
    """The import and the call that connect to a cluster by its name, as Python."""
    module, _, called = imported.rpartition(".")
    given = "".join(f", {key}={value!r}" for key, value in arguments.items())
    return f"from {module} import {called}", f"{called}.from_name({name!r}{given})"


def listed(values: Mapping[str, Any]) -> str:
    """Values under their names, as YAML; nothing if there are none."""
    return str(yaml.safe_dump(_plain(values), sort_keys=False)) if values else ""


def _plain(value: Any) -> Any:
    """The same for YAML, which cannot say every object."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value if value is None or isinstance(value, (str, int, float)) else repr(value)


def sizes(
    n_workers: int | None,
    scale: int | Mapping[str, Any] | None,
    adapt: Mapping[str, Any] | None,
    group: int | None,
) -> Iterator[str]:
    """How many workers there would be, and in how many jobs, as comments.

    Parameters
    ----------
    n_workers, scale, adapt
        What the spec says.
    group : int or None
        How many workers one job has; None if they are in no jobs.

    Examples
    --------
    >>> list(sizes(None, 5, {"maximum": 9}, 2))
    ['# scales to: 5 workers (3 jobs)', '# adapts to: 0 to 9 workers (0 to 5 jobs)']
    """
    if group is not None and n_workers:
        yield f"# starts with: {_workers(n_workers, group)}"
    if isinstance(scale, Mapping):
        given = dict(scale)
        if group is not None and isinstance(given.get("jobs"), int):
            yield f"# scales to: {_workers(given.pop('jobs') * group, group)}"
        if given:
            yield f"# scales to: {_words(given)}"
    elif scale is not None:
        yield f"# scales to: {_workers(scale, group)}"
    if adapt is not None:
        given = dict(adapt)
        bounds = [given.pop(name, None) for name in ("minimum", "maximum")]
        jobs = [given.pop(name, None) for name in _OF_JOBS]
        fewest, most = (
            job * (group or 1) if job is not None else bound
            for bound, job in zip(bounds, jobs, strict=True)
        )
        yield f"# adapts to: {_between(fewest or 0, most, group)}"
        if given:
            yield f"# adapts with: {_words(given)}"


def _words(given: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in given.items())


def _workers(n: int, group: int | None) -> str:
    workers = plural(n, "worker")
    if group is None:
        return workers
    jobs = math.ceil(n / group)
    return f"{workers} ({plural(jobs, 'job')})"


def _between(fewest: int, most: float | None, group: int | None) -> str:
    if most is None or most == math.inf:
        return f"{fewest} workers or more"
    if group is None:
        return f"{fewest} to {most} workers"
    jobs = f"{math.ceil(fewest / group)} to {math.ceil(most / group)} jobs"
    return f"{fewest} to {most} workers ({jobs})"
