"""Whatever stands in a spec: `check` says what is wrong with it, and never fails itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dask_ctl import DaskCtlError, check_spec, plan_spec
from dask_ctl.backends import Backend, room_of
from dask_ctl.creation.arguments import known_names
from dask_ctl.creation.target import load_named
from dask_ctl.lifecycle import spec_template, spec_templates
from dask_ctl.spec.keys import KEYS

VALUES: list[Any] = [
    "", " ", "1e999", "1e999GB", "1e999s", "nan", "-1", ".5s", "GB", "s", "0x10", ":x", "://", "[",
    "\0", "~", "a" * 5000, -1, 0, 1.5, float("nan"), float("inf"), True, None, [], {}, [None],
    {"": None}, {"a": [{}]}, {1: 2}, 10**30,
]  # fmt: skip
NESTED = ["scheduler_options", "worker_options", "scheduler_kwargs", "worker_kwargs"]
OF_SERVERS = [
    "idle_timeout", "dashboard_address", "memory_limit", "lifetime", "host", "port", "interface",
    "nthreads", "resources", "preload",
]  # fmt: skip
SIZES = ["n", "jobs", "memory", "minimum", "maximum", "interval", "minimum_memory", "wait_count"]


@cache
def places(name: str) -> list[tuple[str, ...]]:
    """The keys of a template and the arguments of its class; nothing if that is not installed."""
    spec = yaml.safe_load(spec_template(name))
    try:
        room = room_of(load_named(spec["module"], spec["class"], "module", "class"))
    except DaskCtlError:
        return []
    return [
        *((key,) for key in KEYS if key not in ("extends", "module", "class")),
        *(("kwargs", argument) for argument in sorted(known_names(room))),
        *(("kwargs", part, option) for part in NESTED for option in OF_SERVERS),
        *((verb, option) for verb in ("scale", "adapt") for option in SIZES),
    ]


@settings(
    max_examples=600,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data(), st.sampled_from(spec_templates()))
def test_any_value_anywhere(data: st.DataObject, name: str) -> None:
    """Of each argument of each class, and of each key: problems, or an error of ours.

    Nothing is written, not even the folder of a batch system's logs.
    """
    if not places(name):
        return
    spec = yaml.safe_load(spec_template(name))
    *above, last = data.draw(st.sampled_from(places(name)))
    value = data.draw(st.sampled_from(VALUES))
    spec.pop({"scale": "adapt", "adapt": "scale"}.get([*above, last][0]), None)
    here = spec
    for key in above:
        here[key] = {**here[key]} if isinstance(here.get(key), dict) else {}
        here = here[key]
    here[last] = value
    with suppress(DaskCtlError):
        assert all(map(str, check_spec(spec)))
    try:
        plan_spec(spec)
    except DaskCtlError:
        pass
    except Exception as error:
        # Whatever the class raises, of which our note says whose it is: a plan calls what starts
        # nothing. One without that note is a failure of ours.
        if not any(note.startswith("dask_ctl: ") for note in getattr(error, "__notes__", ())):
            raise
    assert os.listdir() == []


class Surprised(Backend):
    """The room of another package, which expects no such values."""

    classes = ("dask_ctl.proxy.ProxyCluster",)

    def _fails(self, kwargs: Any) -> Any:
        raise TypeError("not that")

    problems = refusals = doubts = _fails


def test_a_room_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs what it would have said, and no call."""
    surprised: Callable[..., Backend] = Surprised
    monkeypatch.setattr("dask_ctl.creation.check.room_of", surprised)
    spec = {"module": "dask_ctl.proxy", "class": "ProxyCluster", "args": ["tcp://127.0.0.1:1"]}
    told = "what ProxyCluster makes of its arguments (TypeError: not that)"
    notes = {(each.severity, each.summary) for each in check_spec(spec)}
    assert notes == {("note", f"not checked: {told}")}
