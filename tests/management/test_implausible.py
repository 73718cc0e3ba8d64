"""What clusters and plugins say of themselves is believed as far as it can be true, and printed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dask_ctl.management.info import (
    ClusterInfo,
    load_of,
    of_scheduler,
    plausible,
    started,
    workers_of,
)
from tests.distributions import install

# A plugin whose clusters say what no scheduler says, and one that gives names that nobody can type.
IMPLAUSIBLE = r"""
class Cluster(Cluster):
    scheduler_address = "tcp://\x1b[31mred:1\nmine  LocalCluster"
    dashboard_link = "javascript:\x1b]0;title\x07"
    said = {
        "silent": {},
        "list": {"workers": [1], "started": "soon", "services": None},
        "none": None,
        "odd": {
            "workers": {"w": {"name": "a\nb", "nthreads": "2", "metrics": [1]}},
            "idle_since": -1,
        },
    }

    @classmethod
    def from_name(cls, name, **_):
        self = cls(name)
        self.scheduler_address, self.scheduler_info = Cluster.scheduler_address, cls.said[name]
        return self


async def discover():
    for name in Cluster.said:
        yield name, Cluster
    for name in "", " ", "two\nlines", "\x1b[2J":
        yield name, Cluster
"""
WORKER = {"name": "a", "nthreads": 2, "memory_limit": 8, "metrics": {"memory": 3}}
BAD = [
    None, [], "text", {}, {"workers": None}, {"workers": [1]}, {"workers": {"w": None}},
    {"workers": {"w": {**WORKER, "nthreads": "2"}}}, {"workers": {"w": {**WORKER, "nthreads": -1}}},
    {"workers": {"w": {**WORKER, "memory_limit": "8GB"}}}, {"workers": {1: WORKER}},
    {"workers": {"w": {**WORKER, "metrics": [1]}}},
    {"workers": {"w": {**WORKER, "metrics": {"memory": "3", "task_counts": {"executing": "x"}}}}},
    {"workers": {"w": {**WORKER, "metrics": {"task_counts": 3}}}},
    {"started": 1e300, "idle_since": 1e300}, {"started": float("nan")}, {"idle_since": "x"},
    {"address": 3, "services": {"dashboard": 80}}, {"address": "no address", "services": []},
    {"address": "tcp://a:1", "services": {"dashboard": "80@elsewhere/"}}, {"dashboard": 3},
]  # fmt: skip


@pytest.mark.parametrize("said", BAD, ids=str)
def test_any_identity(said: Any) -> None:
    """Nothing that a scheduler can say fails, and a number is one."""
    told = of_scheduler(said)
    info = ClusterInfo(name="a", discovery="d", status="running", **told)
    workers = said.get("workers") if isinstance(said, dict) else None
    assert (info.workers is not None) == isinstance(workers, dict)
    for number in info.workers, info.threads, info.memory, load_of(info)["memory_used"]:
        assert number is None or number >= 0
    assert info.dashboard is None
    assert started(plausible(said)) is None
    assert info.cells()
    assert len(workers_of(info)) == (info.workers or 0)


@pytest.fixture
def implausible(packages: Path) -> None:
    install(packages, "odd", IMPLAUSIBLE)


@pytest.mark.usefixtures("implausible")
def test_what_a_class_says(shell: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """Each is one row, whose numbers are known or not there; a name is one that can be typed."""
    done = shell("list")
    assert done.returncode == 0
    _, *rows = done.stdout.splitlines()
    assert [row.split()[0] for row in rows] == ["list", "none", "odd", "silent"]
    assert all(row.endswith(r"tcp://\x1b[31mred:1\nmine  LocalCluster  running") for row in rows)
    (warning,) = done.stderr.splitlines()
    assert "it gave ('', " in warning
    found = {
        each["name"]: each["workers"] for each in json.loads(shell("list", "-o", "json").stdout)
    }
    assert found == {"list": None, "none": None, "odd": 1, "silent": None}
    shown = shell("show", "odd").stdout
    assert r"dashboard:  javascript:\x1b]0;title\x07" in shown
    assert r"a\nb  unknown  unknown of unknown  unknown" in shown
    assert shell("dashboard", "odd").stdout == "javascript:\\x1b]0;title\\x07\n"
