"""What SECURITY.md says: what each command executes of a spec, and what records hold."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dask_ctl.lifecycle import delete_cluster, launch_cluster
from tests.conftest import ROOT

MODULE = """
from pathlib import Path
from distributed import LocalCluster

Path(__file__).with_name("imported").touch()

class MarkCluster(LocalCluster):
    def __init__(self, *args, **kwargs):
        Path(__file__).with_name("called").touch()
        super().__init__(*args, **kwargs)
"""
SPEC = """
version: 1
module: marks
class: MarkCluster
kwargs: {processes: false, n_workers: 1, dashboard_address: null}
"""
# The rows of the table, by the marks that they may leave.
MARKS = {"reads": set(), "imports": {"imported"}, "calls": {"imported", "called"}}
TYPED = {
    "dask cluster spec show": [],
    "dask cluster spec list": [],
    "dask cluster spec schema": [],
    "dask cluster list": [],
    "dask cluster discovery list": [],
    "dask cluster spec check": [],
    "dask cluster spec plan": [],
    "dask cluster create": ["--name", "marked"],
    "dask cluster run": ["--", "true"],
}


def table() -> dict[str, str]:
    """Each command of the page's table, and what it does with a spec, in the row's first word."""
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*`) \| \W*(\w+)", page, re.MULTILINE)
    return {command: does for cell, does in rows for command in re.findall("`(.*?)`", cell)}


Python = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def marks(isolated: Path) -> Callable[[], set[str]]:
    """Write a project whose module leaves marks; gives those that are there."""
    isolated.joinpath("marks.py").write_text(MODULE)
    isolated.joinpath("dask-cluster.yaml").write_text(SPEC)
    return lambda: {path.name for path in isolated.iterdir() if not path.suffix} - {"__pycache__"}


def test_every_command_of_the_table_is_tried() -> None:
    assert set(table()) == {*TYPED, "create_cluster()"}


@pytest.mark.parametrize("command", TYPED)
def test_what_a_command_executes(
    command: str, marks: Callable[[], set[str]], python: Python
) -> None:
    try:
        done = python("-m", *command.split(), *TYPED[command], env=dict(os.environ))
    finally:
        if command.endswith("create"):
            delete_cluster("marked")
    assert done.returncode == 0, done.stderr
    assert marks() == MARKS[table()[command]]


def test_create_cluster_calls(marks: Callable[[], set[str]], python: Python) -> None:
    script = "from dask_ctl import create_cluster\nwith create_cluster(): pass"
    done = python("-c", script)
    assert done.returncode == 0, done.stderr
    assert marks() == MARKS[table()["create_cluster()"]]


def test_records_hold_no_secret(isolated: Path, tmp_path: Path) -> None:
    isolated.joinpath("dask-cluster.yaml").write_text(
        "version: 1\nmodule: distributed\nclass: LocalCluster\nenv: {API_TOKEN: hunter2}\n"
        "kwargs: {processes: true, n_workers: 1, dashboard_address: null}\n"
    )
    launch_cluster(name="quiet")
    try:
        written = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
        assert any(path.name.startswith("quiet") for path in written)
        assert not [path for path in written if b"hunter2" in path.read_bytes()]
    finally:
        delete_cluster("quiet")
