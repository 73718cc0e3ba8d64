"""Every source over every other, with every kind of value, against the words of the contract."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dask.config
import pytest

from dask_ctl import resolve_spec
from dask_ctl.exceptions import DaskClusterConfigNotFound
from tests.spec.sources import NAMED, started, write

SOURCES = ["argument", "set", "environment", "config", "cwd", "user", "system"]
IN_CODE = {"argument", "set"}
MAPPINGS: dict[str, dict[str, Any]] = {
    "full": {"module": "mod", "class": "One", "args": [1], "kwargs": {"a": {"x": 1}, "b": 1}},
    "same class": {"module": "mod", "class": "One", "kwargs": {"a": {"y": 2}, "b": 2}, "scale": 2},
    "other class": {"module": "mod", "class": "Two", "kwargs": {"c": 3}},
    "partial": {"kwargs": {"a": {"z": 4}, "b": 4}, "adapt": {"maximum": 4}},
}
KINDS = [*MAPPINGS, "path", "name", "null"]


class Setup:
    """Puts values at sources; `argument` is what to call `resolve_spec` with."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, stack: ExitStack) -> None:
        self.root, self.monkeypatch, self.stack = root, monkeypatch, stack
        self.argument: Any = None

    def put(self, source: str, kind: str) -> None:
        value: Any = MAPPINGS.get(kind)
        if kind == "path":
            value = str(write(self.root / f"{source}.yaml", {"version": 1, **NAMED}))
        elif kind == "name":
            value = f"named-{source}"
            write(
                self.root / "home" / ".config" / "dask-ctl" / f"{value}.yaml",
                {"version": 1, **NAMED},
            )
        if source == "argument":
            self.argument = value
        elif source == "set":
            self.stack.enter_context(dask.config.set({"ctl.cluster-spec": value}))
        elif source == "environment":
            text = value if isinstance(value, str) else json.dumps(value)
            self.monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC", text)
        elif source == "config":
            write(
                self.root / "home" / ".config" / "dask" / "ctl.yaml",
                {"ctl": {"cluster-spec": value}},
            )
        else:
            folder = {
                "cwd": self.root / "cwd",
                "user": self.root / "home" / ".config" / "dask-ctl",
                "system": self.root / "etc" / "xdg" / "dask-ctl",
            }[source]
            write(folder / "dask-cluster.yaml", {"version": 1, **value})


@pytest.fixture
def setup(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setup]:
    """A `Setup`, undone after the test."""
    with ExitStack() as stack:
        yield Setup(root, monkeypatch, stack)


def laid_over(lower: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    """What the contract calls a deep merge, written for the test's values alone."""
    both = {**lower, **upper}
    for key in lower.keys() & upper.keys():
        if isinstance(lower[key], dict) and isinstance(upper[key], dict):
            both[key] = laid_over(lower[key], upper[key])
    return both


def expected(high: tuple[str, str], low: tuple[str, str]) -> dict[str, Any] | None:
    """What the contract says of two sources; None where nothing is found."""
    (source, kind), (low_source, low_kind) = high, low
    low_value = NAMED if low_kind in ("path", "name") else MAPPINGS.get(low_kind)
    if kind == "null":
        if source == "argument" or low_source in ("cwd", "user", "system"):
            return low_value if low_kind != "partial" else None
        return None
    if kind in ("path", "name"):
        return NAMED
    value = MAPPINGS[kind]
    if kind == "partial":
        if low_value is None or low_kind == "partial":
            return None
        both = laid_over(low_value, value)
        both.pop("scale", None)  # a higher 'adapt' takes the place of a lower 'scale'
        return both
    if source in ("environment", "config") and low_value and low_kind in ("full", "same class"):
        if value["class"] == low_value["class"]:
            return laid_over(low_value, value)
    elif source in ("environment", "config") and low_kind == "partial":
        # A partial mapping with nothing below it names no class, so none differs.
        return laid_over(low_value or {}, value)
    return value


def may_hold(source: str, kind: str) -> bool:
    """Whether a source can hold a kind of value: files hold mappings."""
    return source in SOURCES[:4] or kind in MAPPINGS


PAIRS = [
    ((high, high_kind), (low, low_kind))
    for high, low in itertools.combinations(SOURCES, 2)
    for high_kind, low_kind in itertools.product(KINDS, KINDS)
    if may_hold(high, high_kind) and may_hold(low, low_kind)
]


@pytest.mark.parametrize("when", ["started", "refreshed", "changed"])
@pytest.mark.parametrize(("high", "low"), PAIRS, ids="-".join)
def test_two_sources(setup: Setup, high: tuple[str, str], low: tuple[str, str], when: str) -> None:
    """Every kind of value at every source does to every kind below it what the contract says.

    Whether the sources were there when the process started, when dask read them again, or came
    later, so that dask's own tree does not know them.
    """
    in_process = [pair for pair in (low, high) if pair[0] in IN_CODE]
    if ("set", "null") in in_process and when == "changed":
        return  # null over dask's null is no change that could be seen
    for pair in (low, high):
        if pair[0] not in IN_CODE:
            setup.put(*pair)
    if when == "started":
        started()
    elif when == "refreshed":
        dask.config.refresh()
    for pair in in_process:
        setup.put(*pair)
    want = expected(high, low)
    if want is None:
        with pytest.raises(DaskClusterConfigNotFound):
            resolve_spec(setup.argument)
        return
    found = resolve_spec(setup.argument).spec.as_dict()
    empty = {"version": 1, "args": [], "kwargs": {}, "scale": None, "adapt": None}
    want = {**empty, **want}
    if high[1] != "partial" and want["adapt"] and want["scale"]:
        want["adapt"] = None
    assert found == want
