"""Whose code the commands import: what a spec names, and nothing that merely lies there."""

from __future__ import annotations

import sys

import pytest

from dask_ctl.hosts import store as records
from tests.backends.scripts import SPEC, Scripts, listed, ok

OWN = """
from dask.distributed import LocalCluster

class Site(LocalCluster):
    def __init__(self, *args, **kwargs):
        import neighbour
        super().__init__(*args, **kwargs)
"""


@pytest.mark.parametrize("module", ["yaml", "psutil", "platformdirs", "random"])
def test_what_lies_in_the_current_directory(scripts: Scripts, module: str) -> None:
    """A file with the name of a module that is needed is neither imported nor in the way."""
    (scripts.cwd / "dask-cluster.yaml").write_text(SPEC)
    (scripts.cwd / f"{module}.py").write_text(
        f"print('{module} was imported')\nopen('imported', 'w').close()\n"
    )
    runs = [
        scripts.dask_cluster(*command)
        for command in (
            ["spec", "check"],
            ["create", "--name", "a", "--wait", "1"],
            ["list", "recorded"],
            ["scale", "a", "2"],
        )
    ]
    log = ok(scripts.dask_cluster("logs", "a"))
    ok(scripts.dask_cluster("delete", "a"))
    said = "".join(ok(run) + run.stderr for run in runs) + log
    assert "was imported" not in said
    assert not (scripts.cwd / "imported").exists()


def test_a_module_beside_the_spec(scripts: Scripts) -> None:
    """A project's own class works in every command, as it does in the project's scripts."""
    (scripts.cwd / "mysite").mkdir()
    (scripts.cwd / "mysite" / "clusters.py").write_text(OWN)
    (scripts.cwd / "neighbour.py").write_text("")
    spec = SPEC.replace("dask.distributed", "mysite.clusters").replace("LocalCluster", "Site")
    (scripts.cwd / "dask-cluster.yaml").write_text(spec)
    ok(scripts.dask_cluster("spec", "check"))
    ok(scripts.dask_cluster("create", "--name", "a", "--wait", "1"))
    (row,) = listed(scripts)
    assert (row["type"], row["status"]) == ("mysite.clusters.Site", "running")
    ok(scripts.dask_cluster("scale", "a", "2"))
    ok(scripts.dask_cluster("delete", "a"))
    assert records.names() == []
    command = ["--", sys.executable, "-c", "from distributed import Client; Client(); print(3)"]
    assert ok(scripts.dask_cluster("run", *command)) == "3\n"
