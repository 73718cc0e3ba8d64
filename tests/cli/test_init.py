"""``dask cluster spec init`` asks at a terminal, and says what was found here."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from dask_ctl.lifecycle import spec_templates_here
from tests.backends.scripts import DASK_CLUSTER, Scripts, ok
from tests.conftest import ROOT, require_package

SCHEMA = "# yaml-language-server: $schema=https://"


@pytest.fixture
def login_node(scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> Scripts:
    """A machine that has `sbatch` and nothing else."""
    programs = scripts.cwd.parent / "programs"
    programs.mkdir()
    (programs / "sbatch").write_text("")
    (programs / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("KUBECONFIG", str(programs / "none"))
    return scripts


def answered(folder: Path, answers: str, *arguments: str) -> str:
    """What is said on standard error by a command at a terminal where that is typed."""
    ours, theirs = pty.openpty()
    os.write(ours, answers.encode())
    done = subprocess.run(
        [*DASK_CLUSTER, "spec", "init", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=folder,
        stdin=theirs,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    os.close(ours)
    os.close(theirs)
    return done.stderr


def test_it_asks(login_node: Scripts) -> None:
    """What was found here is the default, in the file that is used by itself."""
    said = answered(login_node.cwd, "\n\n")
    sbatch = login_node.cwd.parent / "programs" / "sbatch"
    assert said.startswith(f"found here: slurm ({sbatch})\n")
    written = (login_node.cwd / "dask-cluster.yaml").read_text()
    assert written.startswith(SCHEMA)
    assert "class: SLURMCluster" in written
    assert "SLURMCluster" in ok(login_node.dask_cluster("spec", "show"))
    answered(login_node.cwd, "local\n\n")
    assert "class: LocalCluster" in (login_node.cwd / "local.yaml").read_text()


def test_it_asks_for_nothing_that_was_said(login_node: Scripts) -> None:
    """A backend or a file that is given is not asked for."""
    answered(login_node.cwd, "local\n", "-o", "mine.yaml")
    assert (login_node.cwd / "mine.yaml").read_text().startswith(SCHEMA)
    ok(login_node.dask_cluster("spec", "init", "local", "-o", "other.yaml"))
    assert ok(login_node.dask_cluster("spec", "check", "other.yaml")) == "The spec is valid.\n"


def test_elsewhere_it_does_not_ask(login_node: Scripts) -> None:
    """A script that names no backend is told which there are."""
    told = login_node.dask_cluster("spec", "init")
    assert (told.returncode, told.stdout) == (2, "")
    assert "name a BACKEND: local, " in told.stderr


def test_a_command_is_found(login_node: Scripts) -> None:
    """On PATH."""
    assert spec_templates_here()["slurm"].endswith("/sbatch")


def test_a_service_is_found(login_node: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is configured, and its package is here."""
    require_package("dask_kubernetes", "dask-ctl[kubernetes]")
    kubeconfig = login_node.cwd.parent / "programs" / "kubeconfig"
    kubeconfig.write_text("apiVersion: v1\n")
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    assert spec_templates_here().get("kubernetes") == "configured"
