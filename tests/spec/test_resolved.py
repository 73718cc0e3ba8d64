"""A resolved spec is a value: it travels, and shows itself without its secrets."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from dask_ctl.spec.resolve import resolve
from dask_ctl.spec.resolved import ResolvedSpec

SPEC = {
    "module": "dask.distributed",
    "class": "LocalCluster",
    "kwargs": {"n_workers": 2, "security": {"token": "hush"}, "local_directory": ["a", "b"]},
    "adapt": {"minimum": 1},
}


@pytest.mark.parametrize(
    "travel", [lambda spec: pickle.loads(pickle.dumps(spec)), copy.copy, copy.deepcopy]
)
def test_it_pickles_and_copies(travel: Callable[[Any], Any]) -> None:
    """What arrives is equal, as a key of a dictionary too, and shows the same."""
    spec = resolve(SPEC)
    other: ResolvedSpec = travel(spec)
    assert other == spec
    assert {spec: "found"}[other] == "found"
    assert str(other) == str(spec)


def test_repr_is_short_and_keeps_secrets() -> None:
    """One line names the class and where it came from."""
    text = repr(resolve(SPEC))
    assert text == "<ResolvedSpec dask.distributed.LocalCluster from argument: create_cluster(...)>"
