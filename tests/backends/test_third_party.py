"""A package that brings a room of its own: the one of the page on adding a backend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends.scripts import USE, Scripts, ok, refused
from tests.conftest import ROOT

ACME = ROOT / "docs" / "development" / "acme"
DASK = str(Path(sys.executable).with_name("dask"))


@pytest.fixture
def acme(scripts: Scripts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripts]:
    """A machine of Acme, where its package is installed."""
    project = tomllib.loads((ACME / "pyproject.toml").read_text())["project"]
    about = tmp_path / "site" / "acme_dask-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-dask\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
            for group, points in project["entry-points"].items()
        )
    )
    (tmp_path / "machines").mkdir()
    monkeypatch.setenv("ACME_HOME", str(tmp_path / "machines"))
    monkeypatch.setenv("ACME_TOKEN", "t0ken")
    monkeypatch.setenv("ACME_PATH", os.pathsep.join(map(str, (ROOT, ACME, about.parent))))
    yield scripts
    assert list((tmp_path / "machines").iterdir()) == []


def dask(scripts: Scripts, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``dask cluster`` by the installed script."""
    return scripts.run("env", f"PYTHONPATH={os.environ['ACME_PATH']}", DASK, "cluster", *arguments)


def test_its_spec_is_a_template_and_is_checked(acme: Scripts) -> None:
    """`spec init`, `check` and `plan` know what only its room knows."""
    ok(dask(acme, "spec", "init", "acme", "-o", "dask-cluster.yaml"))
    assert "size: 2 # workers" in (acme.cwd / "dask-cluster.yaml").read_text()
    assert ok(dask(acme, "spec", "check")) == "The spec is valid.\n"
    assert ok(dask(acme, "spec", "plan", "--set", "kwargs.flavour=big")) == (
        "2 machines of flavour big\n"
    )
    wrong = dask(acme, "spec", "check", "--set", "kwargs.flavor=big", "--set", "kwargs.size=11")
    assert wrong.returncode == 4
    assert "kwargs.flavor: AcmeCluster takes no such argument; did you mean 'flavour'?" in (
        wrong.stdout
    )
    assert "kwargs.size: Acme has ten machines; ask for fewer" in wrong.stdout


def test_its_specs_have_names(acme: Scripts) -> None:
    """A spec that the package brings is found by its name, and listed with where it stands."""
    shown = json.loads(ok(dask(acme, "spec", "show", "acme-small", "--output", "json")))
    assert (shown["spec"]["module"], shown["spec"]["kwargs"]["size"]) == ("acme_dask", 1)
    assert "acme-small.yaml" in shown["origins"]["kwargs.size"]["where"]
    listed = json.loads(ok(dask(acme, "spec", "list", "--output", "json")))["specs"]
    (entry,) = (each for each in listed if each["name"] == "acme-small")
    assert entry["where"].startswith("acme-dask")


def test_its_credentials_are_asked_for(acme: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it needs before the call is one line, and nothing is made."""
    monkeypatch.delenv("ACME_TOKEN")
    ok(dask(acme, "spec", "init", "acme", "-o", "dask-cluster.yaml"))
    refused(dask(acme, "create"), 5, "there is no token of Acme; set ACME_TOKEN")


def test_its_clusters_live_on(acme: Scripts) -> None:
    """Created, found by its service's list, used, and deleted: by every command."""
    ok(dask(acme, "spec", "init", "acme", "-o", "dask-cluster.yaml"))
    assert ok(dask(acme, "create", "--name", "a")) == "a\n"
    (row,) = json.loads(ok(dask(acme, "list", "acme", "--output", "json")))
    assert (row["name"], row["status"], row["workers"]) == ("a", "running", 2)
    assert row["type"] == "acme_dask.AcmeCluster"
    snippet = ok(dask(acme, "snippet", "a"))
    assert "from acme_dask import AcmeCluster\n" in snippet
    (acme.cwd / "use.py").write_text(snippet + USE)
    path = f"PYTHONPATH={os.environ['ACME_PATH']}"
    assert ok(acme.run("env", path, sys.executable, "use.py")) == "3\n"
    assert "== machines" in ok(dask(acme, "logs", "a"))
    refused(dask(acme, "scale", "a", "3"), 5, "acme_dask.AcmeCluster cannot scale 'a'; ")
    ok(dask(acme, "delete", "a"))
    assert json.loads(ok(dask(acme, "list", "acme", "--output", "json"))) == []


def test_a_script_uses_it(acme: Scripts) -> None:
    """`create_cluster()` in a script makes it, and ends it with the script."""
    ok(dask(acme, "spec", "init", "acme", "-o", "dask-cluster.yaml"))
    (acme.cwd / "script.py").write_text(
        "from dask_ctl import create_cluster\nfrom distributed import Client\n"
        f"with create_cluster() as cluster, Client(cluster) as client:\n    {USE}"
    )
    path = f"PYTHONPATH={os.environ['ACME_PATH']}"
    assert ok(acme.run("env", path, sys.executable, "script.py")) == "3\n"
