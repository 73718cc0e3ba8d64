"""What SECURITY.md says: what each command executes of a spec, and what records hold."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.backends.scripts import Scripts, ok
from tests.conftest import ROOT

Marks = Callable[[], set[str]]

MODULE = """
from pathlib import Path
from distributed import LocalCluster

Path(__file__).with_name("imported.yaml").touch()

class MarkCluster(LocalCluster):
    def __init__(self, *args, **kwargs):
        Path(__file__).with_name("called.yaml").touch()
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


@pytest.fixture
def marks(isolated: Path) -> Marks:
    """Write a project whose module leaves marks; gives those that are there."""
    isolated.joinpath("marks.py").write_text(MODULE)
    isolated.joinpath("dask-cluster.yaml").write_text(SPEC)
    return lambda: {path.stem for path in isolated.glob("*.yaml")} - {"dask-cluster"}


def test_every_command_of_the_table_is_tried() -> None:
    assert set(table()) == {*TYPED, "create_cluster()"}


@pytest.mark.parametrize("command", TYPED)
def test_what_a_command_executes(command: str, marks: Marks, scripts: Scripts) -> None:
    ok(scripts.dask_cluster(*command.split()[2:], *TYPED[command]))
    assert marks() == MARKS[table()[command]]
    if command.endswith("create"):
        ok(scripts.dask_cluster("delete", "marked"))


def test_create_cluster_calls(isolated: Path, marks: Marks, scripts: Scripts) -> None:
    script = isolated / "script.py"
    script.write_text("from dask_ctl import create_cluster\nwith create_cluster(): pass\n")
    ok(scripts.python(script))
    assert marks() == MARKS[table()["create_cluster()"]]


def test_records_hold_no_secret_of_env(isolated: Path, scripts: Scripts) -> None:
    isolated.joinpath("dask-cluster.yaml").write_text(
        "version: 1\nmodule: distributed\nclass: LocalCluster\nenv: {API_TOKEN: hunter2}\n"
        "kwargs: {processes: true, n_workers: 1, dashboard_address: null}\n"
    )
    ok(scripts.dask_cluster("create", "--name", "quiet"))
    written = [path for path in scripts.home.rglob("*") if path.is_file()]
    assert any(path.name.startswith("quiet") for path in written)
    assert not [path for path in written if b"hunter2" in path.read_bytes()]
    ok(scripts.dask_cluster("delete", "quiet"))
