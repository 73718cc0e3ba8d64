"""The examples of the documentation do what the documentation says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dask_ctl import resolve_spec

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = DOCS / "examples"
SPECS = sorted(EXAMPLES.glob("*.yaml"))
DOUBLED = "[0, 2, 4, 6, 8, 10, 12, 14, 16, 18]\n"

Python = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def beside(isolated: Path) -> Path:
    """The current directory, with all the scripts."""
    for script in EXAMPLES.glob("*.py"):
        shutil.copy(script, isolated)
    return isolated


def user_config() -> Path:
    folder = Path(os.environ["HOME"], ".config", "dask")
    folder.mkdir(parents=True)
    return folder


def prints(python: Python, script: str, expected: str, **env: str) -> None:
    done = python(script, env=env)
    assert (done.stdout, done.returncode) == (expected, 0), done.stderr


def test_the_script_alone_runs_on_a_local_cluster(python: Python) -> None:
    prints(python, "myscript.py", DOUBLED)


def test_the_script_runs_on_the_file_beside_it(python: Python, beside: Path) -> None:
    shutil.copy(EXAMPLES / "dask-cluster.yaml", beside)
    prints(python, "myscript.py", DOUBLED)


def test_the_origins_are_those_shown(python: Python, beside: Path) -> None:
    shutil.copy(EXAMPLES / "dask-cluster.yaml", beside)
    prints(python, "origins.py", (EXAMPLES / "origins.txt").read_text())


def test_a_variable_chooses_another_file_and_another_changes_an_argument(
    python: Python, beside: Path
) -> None:
    for name in ("dask-cluster.yaml", "hpc.yaml"):
        shutil.copy(EXAMPLES / name, beside)
    env = {"DASK_CTL__CLUSTER_SPEC": "hpc.yaml", "DASK_CTL__CLUSTER_KWARGS__CORES": "4"}
    shown = python("origins.py", env=env).stdout.splitlines()
    assert shown[0] == "dask_jobqueue.SLURMCluster"
    assert "kwargs.cores: environment, DASK_CTL__CLUSTER_KWARGS__CORES" in shown
    assert "kwargs.memory: file, hpc.yaml:6" in shown


def test_a_spec_in_the_users_folder_is_found_by_name(
    python: Python, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(os.environ["HOME"], ".config", "dask-ctl")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder.parent))
    folder.mkdir(parents=True)
    shutil.copy(EXAMPLES / "hpc.yaml", folder)
    shown = python("origins.py", env={"DASK_CTL__CLUSTER_SPEC": "hpc"}).stdout.splitlines()
    assert shown[0] == "dask_jobqueue.SLURMCluster"
    assert f"scale: file, {folder / 'hpc.yaml'}:11" in shown


def test_the_users_configuration_names_specs_and_chooses_one(python: Python) -> None:
    shutil.copy(EXAMPLES / "ctl.yaml", user_config())
    prints(python, "myscript.py", DOUBLED)
    for env, workers in ({}, 1), ({"DASK_CTL__CLUSTER_SPEC": "large"}, 4):
        code = "import dask_ctl; print(dask_ctl.resolve_spec().spec.kwargs['n_workers'])"
        assert python("-c", code, env=env).stdout == f"{workers}\n"


def test_code_chooses_before_the_configuration(python: Python) -> None:
    shutil.copy(EXAMPLES / "ctl.yaml", user_config())
    prints(python, "set_in_code.py", "4 workers\n")


def test_the_asynchronous_script_runs(python: Python, beside: Path) -> None:
    shutil.copy(EXAMPLES / "dask-cluster.yaml", beside)
    prints(python, "asynchronous.py", "6\n")


@pytest.mark.parametrize("path", [p for p in SPECS if p.name != "ctl.yaml"], ids=lambda p: p.name)
def test_every_spec_is_valid(path: Path) -> None:
    assert resolve_spec(path).origins["class"].line == 3


def test_every_example_is_on_a_page() -> None:
    pages = "".join(page.read_text() for page in DOCS.rglob("*.md"))
    included = set(re.findall(r"\{literalinclude\} (?:\.\./)?examples/(\S+)", pages))
    files = [path for path in EXAMPLES.rglob("*.*") if path.is_file() and path.suffix != ".pyc"]
    assert included == {str(path.relative_to(EXAMPLES)) for path in files}


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.rglob("*/dask-cluster.yaml")), ids=lambda path: path.parent.name
)
def test_every_backends_spec_is_valid(path: Path) -> None:
    assert "class" in resolve_spec(path).origins
