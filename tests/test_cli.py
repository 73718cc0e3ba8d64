"""`dask cluster`: data on stdout, everything else on stderr, and the exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dask_ctl import resolve_spec
from tests.conftest import ROOT, dask_cluster

SPEC = "version: 1\nmodule: dask.distributed\nclass: LocalCluster\nkwargs:\n  n_workers: 2\n"


@pytest.fixture
def project(isolated: Path) -> Path:
    """A folder with a spec."""
    (isolated / "dask-cluster.yaml").write_text(SPEC)
    return isolated


def test_dask_knows_the_command(python: Callable[..., Any]) -> None:
    """The entry point is registered, and `dask --help` imports nothing heavy for it."""
    code = (
        "import sys; from importlib.metadata import entry_points\n"
        "(point,) = entry_points(group='dask_cli', name='cluster'); print(point.load().name)\n"
        "heavy = ('dask', 'distributed', 'dask_ctl.spec.resolve', 'rich', 'yaml')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    assert python("-c", code).stdout.splitlines() == ["cluster", "[]"]


@pytest.mark.usefixtures("project")
def test_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """The spec is valid YAML, with the origin of every leaf beside it."""
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__N_WORKERS", "40")
    shown = dask_cluster("spec", "show", "--set", "kwargs.name=mine")
    assert shown.stdout == (
        "version: 1                # file: dask-cluster.yaml:1\n"
        "module: dask.distributed  # file: dask-cluster.yaml:2\n"
        "class: LocalCluster       # file: dask-cluster.yaml:3\n"
        "kwargs:\n"
        "  n_workers: 40           # environment: DASK_CTL__CLUSTER_KWARGS__N_WORKERS\n"
        "  name: mine              # argument: --set kwargs.name\n"
    )
    assert yaml.safe_load(shown.stdout)["kwargs"] == {"n_workers": 40, "name": "mine"}
    assert (shown.stderr, shown.exit_code) == ("", 0)


def test_python_shows_the_same(project: Path) -> None:
    """A resolved spec prints as `spec show` does, and is a table in a notebook."""
    (project / "dask-cluster.yaml").write_text(SPEC + "  name: <b>\n  password: t0p\n")
    resolved = resolve_spec()
    assert f"{resolved}\n" == dask_cluster("spec", "show").stdout
    table = resolved._repr_html_()
    assert ">file: dask-cluster.yaml:5</pre></td>" in table
    assert "&lt;b&gt;" in table
    assert "t0p" not in f"{resolved}{table}"


@pytest.mark.usefixtures("project")
def test_show_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """The JSON has the shape that machines rely on."""
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__N_WORKERS", "40")
    shown = json.loads(dask_cluster("spec", "show", "--output", "json").stdout)
    assert shown["spec"] == {
        "version": 1,
        "module": "dask.distributed",
        "class": "LocalCluster",
        "args": [],
        "kwargs": {"n_workers": 40},
        "scale": None,
        "adapt": None,
    }
    assert shown["origins"] == {
        "module": {"source": "file", "where": "dask-cluster.yaml:2"},
        "class": {"source": "file", "where": "dask-cluster.yaml:3"},
        "kwargs.n_workers": {
            "source": "environment",
            "where": "DASK_CTL__CLUSTER_KWARGS__N_WORKERS",
        },
    }


def test_show_says_what_was_overridden(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that puts the project's file aside is warned of, and the file is named."""
    (project / "other.yaml").write_text(SPEC)
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC", "other.yaml")
    shown = dask_cluster("spec", "show")
    assert "class: LocalCluster       # file: other.yaml:3 (named by DASK_CTL__CLUSTER_SPEC)" in (
        shown.stdout
    )
    assert "# not used: dask-cluster.yaml: replaced by a higher source" in shown.stdout
    assert shown.stderr == (
        "warning: dask-cluster.yaml: not used: the environment variable DASK_CTL__CLUSTER_SPEC "
        "takes its place; unset DASK_CTL__CLUSTER_SPEC to use it\n"
    )


def test_secrets_are_masked(project: Path) -> None:
    """Values of keys that look secret are hidden unless asked for; variables never are."""
    (project / "dask-cluster.yaml").write_text(
        SPEC + "  api_token: t0p\n  auth: {password: [t0p, '${env:PW}'], user: me}\n"
        "  private_keys: {a: t0p}\n  secret: ${env:SECRET}\n"
    )
    for output in ("yaml", "json"):
        shown = dask_cluster("spec", "show", "--output", output).stdout
        assert "t0p" not in shown
        assert "${env:PW}" in shown
        assert "${env:SECRET}" in shown
        assert "me" in shown
        assert "t0p" in dask_cluster("spec", "show", "--output", output, "--show-secrets").stdout


@pytest.mark.usefixtures("project")
def test_exit_codes() -> None:
    """Each kind of failure has its exit code and one line without a traceback."""
    assert dask_cluster("spec", "show", "nope").exit_code == 3
    assert dask_cluster("spec", "show", "--set", "nonsense").exit_code == 2
    assert dask_cluster("spec", "show", "a", "-f", "b").exit_code == 2
    assert dask_cluster("spec", "show", "--set", "kwarg.n=1").exit_code == 4
    assert dask_cluster("spec", "check", "--set", "kwargs.n_worker=1").exit_code == 4
    assert dask_cluster("spec", "check").exit_code == 0
    assert dask_cluster("spec", "show", "-f", "dask-cluster.yaml").exit_code == 0
    failed = dask_cluster("spec", "show", "nope")
    assert failed.stdout == ""
    assert failed.stderr.startswith("Error: SPEC: a spec named 'nope' does not exist")
    assert failed.stderr.count("\n") == 1
    assert dask_cluster("--debug", "spec", "show", "nope").exception is not None


def test_check_json(project: Path) -> None:
    """Diagnostics have severity, summary, detail and range."""
    (project / "dask-cluster.yaml").write_text(SPEC + "  n_worker: 1\n")
    checked = dask_cluster("spec", "check", "--output", "json")
    assert json.loads(checked.stdout) == {
        "valid": False,
        "diagnostics": [
            {
                "severity": "error",
                "summary": "kwargs.n_worker: LocalCluster takes no such argument",
                "detail": "did you mean 'n_workers'?",
                "range": {"filename": "dask-cluster.yaml", "start": {"line": 6}},
            }
        ],
    }


def test_list(project: Path) -> None:
    """Every spec that can be named is listed with its origin, and every place looked at."""
    (project / "hpc.yaml").write_text(SPEC.replace("LocalCluster", "SSHCluster"))
    (project / "unrelated.yaml").write_text("a: 1\n")
    user = Path(os.environ["HOME"]) / ".config"
    (user / "dask").mkdir(parents=True)
    (user / "dask" / "x.yaml").write_text(
        "ctl:\n  cluster-specs:\n    lab: {module: m, class: C}\n    bad: {modul: m}\n"
    )
    listed = json.loads(dask_cluster("spec", "list", "--output", "json").stdout)
    shown = {e["name"]: (e["backend"], e["source"], e["in_force"]) for e in listed["specs"]}
    assert shown == {
        "lab": ("m.C", "config", False),
        "bad": (None, "config", False),
        "dask-cluster.yaml": ("dask.distributed.LocalCluster", "file", True),
        "hpc": ("dask.distributed.SSHCluster", "file", False),
    }
    places = {place["path"]: place["exists"] for place in listed["places"]}
    assert places[str(user / "dask")] is True
    assert places[str(user / "dask-ctl")] is False
    text = dask_cluster("spec", "list").stdout
    assert "*  dask-cluster.yaml" in text
    assert f"{user / 'dask-ctl'} (does not exist)" in text


def test_init(project: Path) -> None:
    """A new spec is written, never over another without being told so."""
    assert dask_cluster("spec", "init", "local", "-o", "new.yaml").exit_code == 0
    assert dask_cluster("spec", "check", "new.yaml").exit_code == 0
    (project / "new.yaml").write_text("mine")
    refused = dask_cluster("spec", "init", "local", "-o", "new.yaml")
    assert refused.exit_code == 2
    assert "--force overwrites it" in refused.stderr
    assert (project / "new.yaml").read_text() == "mine"
    assert dask_cluster("spec", "init", "local", "-o", "new.yaml", "--force").exit_code == 0
    assert "did you mean 'slurm'?" in dask_cluster("spec", "init", "slrm").stderr


def test_tables_are_whole_in_a_pipe(project: Path) -> None:
    """Piped output is never cut to a width."""
    name = "x" * 150
    (project / f"{name}.yaml").write_text(SPEC)
    done = subprocess.run(
        [sys.executable, "-m", "dask", "cluster", "spec", "list"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "40"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert any(
        f"{name}.yaml:3" in line and line.startswith(" ") for line in done.stdout.splitlines()
    )
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("command", "form"),
    [
        ("list", "-o, --output"),
        ("show", "-o, --output"),
        ("delete", "-y, --yes"),
        ("logs", "-f, --follow"),
    ],
)
def test_short_forms(python: Callable[..., Any], command: str, form: str) -> None:
    """What is typed often has a short form, and the help names it."""
    done = python(Path(sys.executable).with_name("dask"), "cluster", command, "--help")
    assert form in done.stdout, done.stderr
