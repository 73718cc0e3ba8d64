"""What a type checker makes of the verbs, as a user's program calls them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import dask_ctl
from dask_ctl.lifecycle import Cluster
from tests.conftest import ROOT, require_package

CLUSTER = "dask_ctl.lifecycle.cluster.Cluster"
ROWS = "list[dask_ctl.management.info.ClusterInfo]"
VERBS = {
    "create_cluster()": CLUSTER,
    "create_cluster(asynchronous=True)": CLUSTER,
    "create_cluster({'module': 'dask.distributed'}).scheduler_address": "str",
    "get_cluster('a')": CLUSTER,
    "list_clusters()": ROWS,
    "list_clusters('recorded')[0].workers": "int | None",
    "scale_cluster('a', 1)": None,
    "adapt_cluster('a', 1, maximum=2)": None,
    "stop_adapting('a')": "int",
    "delete_cluster('a', timeout=3)": None,
    "wait_for_workers('a', 1)": None,
    "wait_for_command('a')": "int | None",
    "get_snippet('a')": "str",
    "describe_cluster('a')": "dict[str, Any]",
    "get_logs('a')": "typing.Iterator[str]",
    "launch_cluster()": "str",
    "run_command(['true'])": "int",
    "resolve_spec()": "dask_ctl.spec.resolved.ResolvedSpec",
    "check_spec()": "list[dask_ctl.exceptions.Problem]",
    "plan_spec()": "str",
    "list_arguments()": "list[str]",
    "list_specs()": "list[dask_ctl.spec.catalogue.Entry]",
    "spec_inherited(resolve_spec())": "list[dask_ctl.spec.sections.Inherited]",
    "spec_template('slurm')": "str",
    "use_spec('a')": "pathlib.Path | None",
    "discover_cluster_names()": "typing.AsyncIterator[tuple[str, Any]]",
    "discover_clusters()": f"typing.AsyncIterator[{CLUSTER}]",
    "list_discovery_methods()": "dict[str, dict[str, Any]]",
}
# Those that can be awaited: what awaiting them gives.
LATER = {
    "create_cluster(asynchronous=True)": CLUSTER,
    "get_cluster('a', asynchronous=True)": CLUSTER,
    "list_clusters(asynchronous=True)": ROWS,
    "scale_cluster('a', 1, asynchronous=True)": None,
    "adapt_cluster('a', asynchronous=True)": None,
    "stop_adapting('a', True)": "int",
    "delete_cluster('a', True)": None,
    "wait_for_workers('a', 1, asynchronous=True)": None,
    "wait_for_command('a', asynchronous=True)": "int | None",
    "get_snippet('a', asynchronous=True)": "str",
    "describe_cluster('a', asynchronous=True)": "dict[str, Any]",
}
MISTAKES = [
    "get_snippet('a', asynchronous=True).upper()",
    "create_cluster().schedular_address",
    "create_cluster(asynchronous='yes')",
    "scale_cluster('a', 'two')",
]


def mypy(program: str, folder: Path) -> list[str]:
    """What mypy says of a program, a line each."""
    (folder / "program.py").write_text(f"from dask_ctl import *\n{program}")
    settings = ["--config-file", ROOT / "pyproject.toml", "--cache-dir", ROOT / ".mypy_cache"]
    command = [sys.executable, "-m", "mypy", *map(str, settings), "program.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    return [line for line in done.stdout.splitlines() if line.startswith("program.py:")]


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have mypy find this checkout."""
    monkeypatch.setenv("MYPYPATH", str(ROOT))


@pytest.mark.usefixtures("package")
def test_every_verb(tmp_path: Path) -> None:
    """Called as in a script, and awaited."""
    program = "".join(f"reveal_type({call})\n" for call in VERBS)
    program += "async def later() -> None:\n"
    program += "".join(f"    reveal_type(await {call})\n" for call in LATER)
    program += "    async with create_cluster(asynchronous=True) as cluster:\n"
    program += "        reveal_type(cluster)\n"
    expected = [*VERBS.values(), *LATER.values(), CLUSTER]
    said = mypy(program, tmp_path)
    found = [re.search(r'Revealed type is "(.*)"', line) for line in said]
    assert all(found), said
    revealed = [match[1].replace("builtins.", "") for match in found if match]
    assert revealed == [str(each) for each in expected]
    assert {call.partition("(")[0] for call in VERBS} == {
        each for each in dask_ctl.__all__ if each.islower()
    }


@pytest.mark.usefixtures("package")
def test_mistakes(tmp_path: Path) -> None:
    """Each is told before anything runs."""
    said = mypy("".join(f"{mistake}\n" for mistake in MISTAKES), tmp_path)
    lines = {int(line.split(":")[1]) for line in said if ": error: " in line}
    assert lines == set(range(2, 2 + len(MISTAKES))), said


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("dask.distributed.LocalCluster", "distributed"),
        ("dask_ctl.proxy.ProxyCluster", "dask-ctl"),
        ("dask_jobqueue.SLURMCluster", "dask-jobqueue"),
        ("dask_kubernetes.operator.KubeCluster", "dask-kubernetes"),
    ],
)
def test_classes_are_such_a_cluster(name: str, package: str) -> None:
    """What a checker is told that a cluster has, the classes have."""
    module, _, class_ = name.rpartition(".")
    declared = {each for each in vars(Cluster) if not each.startswith("_")} | {"__await__"}
    declared -= {"status"}  # which objects alone have
    assert {"scale", "close", "scheduler_address"} < declared
    assert declared <= set(dir(getattr(require_package(module, package), class_)))
