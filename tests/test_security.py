"""What SECURITY.md says: what each command executes of a spec, and what records hold."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from dask_ctl.backends import room_of
from dask_ctl.hosts import command
from dask_ctl.spec.files import write_readable
from tests.backends.scripts import Scripts, ok, refused
from tests.conftest import ROOT, needs_root, require_package

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


def planted(path: Path, text: str = '{"address": "tcp://127.0.0.1:1"}') -> Path:
    """A file of another user."""
    path.write_text(text)
    os.chown(path, 65534, 65534)
    return path


@needs_root
def test_a_strangers_link_leads_nowhere(isolated: Path, scripts: Scripts) -> None:
    """What it would have overwritten stays as it is; a link of our own is followed."""
    precious = isolated.parent / "precious.yaml"
    precious.write_text("mine")
    (isolated / "link.yaml").symlink_to(precious)
    write_readable(isolated / "link.yaml", "new")
    os.chown(isolated / "link.yaml", 65534, 65534, follow_symlinks=False)
    said = "link.yaml cannot be written: It belongs to another user; name another file"
    refused(scripts.dask_cluster("spec", "init", "local", "--force", "-o", "link.yaml"), 1, said)
    assert precious.read_text() == "new"


@needs_root
def test_a_strangers_scheduler_file_names_no_scheduler(isolated: Path) -> None:
    """The ranks of a run find their scheduler by a file whose name others can tell."""
    mpi = require_package("dask_ctl.mpi", "dask-ctl[mpi]")
    jobqueue = require_package("dask_jobqueue.slurm", "dask-ctl[slurm]")
    runner = object.__new__(mpi.MPIRunner)
    runner.scheduler_file = planted(isolated / "scheduler-mpi-1-0.json")
    with pytest.raises(PermissionError, match="It belongs to another user"):
        asyncio.run(runner.get_scheduler_address())
    env = {"SLURM_JOB_ID": "1", "SLURM_STEP_ID": "0"}
    room = room_of(jobqueue.SLURMRunner)
    assert room.prepared({}, env, None) == {"scheduler_file": "scheduler-{job_id}-0.json"}
    planted(isolated / "scheduler-1-0.json")
    with pytest.raises(PermissionError, match="It belongs to another user"):
        room.prepared({}, env, None)


@needs_root
def test_what_others_have_left_stays(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of commands that were killed only our own temporary files are removed."""
    monkeypatch.setattr(tempfile, "tempdir", str(isolated))
    for name in ("mine", "theirs"):
        folder = isolated / f"dask-ctl-run-{name}"
        folder.mkdir()
        (folder / "lock").touch()
    os.chown(isolated / "dask-ctl-run-theirs", 65534, 65534)
    with ExitStack() as kept:
        command.write_private(kept, "a.pem", "text")
    assert [path.name for path in isolated.iterdir()] == ["dask-ctl-run-theirs"]


def test_workers_of_run_import_nothing_that_lies_here(isolated: Path, scripts: Scripts) -> None:
    """Multiprocessing would find itself in the current directory; what a task starts still may."""
    for name in ("multiprocessing", "encodings", "psutil", "dask"):
        (isolated / f"{name}.py").write_text("open('imported.txt', 'a').write(__name__)\n")
    (isolated / "mine.py").write_text("print('found')")
    (isolated / "spec.yaml").write_text(
        "version: 1\nmodule: dask.distributed\nclass: LocalCluster\n"
        "kwargs: {n_workers: 1, threads_per_worker: 1, dashboard_address: null}\n"
    )
    script = (
        "import subprocess, sys\nfrom dask.distributed import Client\n"
        "command = [sys.executable, '-m', 'mine']\n"
        "ask = lambda: subprocess.run(command, capture_output=True, text=True)\n"
        "print(Client().submit(ask).result().stdout)\n"
    )
    elsewhere = isolated.parent / "script.py"
    elsewhere.write_text(script)
    ran = scripts.dask_cluster("run", "spec.yaml", "--", sys.executable, str(elsewhere))
    assert ok(ran).split() == ["found"]
    assert not (isolated / "imported.txt").exists()


@needs_root
def test_a_strangers_preload_is_not_loaded(isolated: Path, scripts: Scripts) -> None:
    """A relative path in a spec from elsewhere may meet any file of the current directory."""
    spec = isolated.parent / "mine.yaml"
    spec.write_text(
        "version: 1\nmodule: dask.distributed\nclass: LocalCluster\n"
        "kwargs: {n_workers: 1, processes: false, preload: [before.py], dashboard_address: null}\n"
    )
    planted(isolated / "before.py")
    for words in (["spec", "check"], ["create"], ["run"]):
        end = ["--", "true"] if words == ["run"] else []
        told = scripts.dask_cluster(*words, spec, *end)
        assert told.returncode == 4
        assert "before.py: belongs to another user" in told.stdout + told.stderr
    os.chown(isolated / "before.py", os.getuid(), os.getgid())
    isolated.joinpath("before.py").write_text("")
    ok(scripts.dask_cluster("run", spec, "--", "true"))
