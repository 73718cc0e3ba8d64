"""Where specs are: installed packages, homes that are not there, near misses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dask_ctl import resolve_spec
from dask_ctl.exceptions import DaskClusterConfigNotFound
from tests.conftest import ROOT

SPEC = "version: 1\nmodule: mod\nclass: {}\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with two specs, which must not be imported to be read."""
    site = tmp_path / "site"
    package = site / "acme"
    (package / "clusters").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')\n")
    (package / "small.yaml").write_text(SPEC.format("Small"))
    (package / "clusters" / "big-one.yaml").write_text(SPEC.format("Big"))
    info = site / "acme_dask-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-dask\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[dask_ctl.specs]\nsmall = acme\nbig = acme:clusters/big-one.yaml\nlost = acme:lost.yaml\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{site}")
    monkeypatch.syspath_prepend(site)
    return site


def test_specs_of_packages(site: Path, isolated: Path) -> None:
    """They have names, after the files, and say which package they are from."""
    assert resolve_spec("small").spec.class_ == "Small"
    assert str(resolve_spec("big").origin) == "acme-dask/clusters/big-one.yaml:3"
    with pytest.raises(Exception, match=r"^acme-dask/lost.yaml: cannot be read: "):
        resolve_spec("lost")
    with pytest.raises(DaskClusterConfigNotFound, match="did you mean 'small'"):
        resolve_spec("smal")
    (isolated / "small").write_text(SPEC.format("Exactly"))
    assert resolve_spec("small").spec.class_ == "Small"
    (isolated / "small.yaml").write_text(SPEC.format("File"))
    assert resolve_spec("small").spec.class_ == "File"


def test_they_are_listed(site: Path, isolated: Path) -> None:
    """`dask cluster spec list` shows them, and what is wrong with one."""
    command = [str(Path(sys.executable).with_name("dask")), "cluster", "spec", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert "mod.Small" in lines["small"], done.stderr
    assert "acme-dask/clusters/big-one.yaml" in lines["big"]


def test_no_home(python: Any, isolated: Path) -> None:
    """A user whom the system does not know has no folder of his own, and everything else."""
    if os.geteuid() != 0:
        pytest.skip("only root can be a user whom the system does not know")
    code = (
        "import os, platformdirs.unix, dask_ctl.spec.catalogue as catalogue\n"
        "from dask_ctl.spec.resolve import resolve\n"
        "os.setuid(54321); del os.environ['HOME']\n"  # who may not read what is not imported yet
        "print(resolve({'module': 'mod', 'class': 'One'}).spec.target)\n"
        "print([path for path, _ in catalogue.places_looked_at() if '~' in path])"
    )
    done = python("-c", code)
    assert done.stdout == "mod.One\n[]\n", done.stderr


@pytest.mark.parametrize(
    ("asked", "near"), [("hcp", "hpc"), ("HPC-Gpu", "hpc-gpu"), ("hcp.yaml", "hpc.yaml")]
)
def test_near_misses(isolated: Path, asked: str, near: str) -> None:
    """What was probably meant is said."""
    for name in ("hpc", "hpc-gpu"):
        (isolated / f"{name}.yaml").write_text(SPEC.format("One"))
    with pytest.raises(DaskClusterConfigNotFound, match=rf"; did you mean '{near}'\?$"):
        resolve_spec(asked)
