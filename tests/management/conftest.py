"""Packages with discovery methods, and a shell that sees no others."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import dask.config
import pytest

from dask_ctl.management import discovery
from tests.conftest import ROOT

Python = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages on the path, also of other processes; none stays imported."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    # What else is installed here, and may take its time, is not the point.
    others = [name for name in discovery.methods() if name not in ("recorded", "schedulers")]
    monkeypatch.setenv("DASK_CTL__DISABLE_DISCOVERY", json.dumps([*others, "schedulers"]))
    monkeypatch.setenv("DASK_CTL__DISCOVERY__TIMEOUT", "2s")
    dask.config.refresh()
    yield folder
    for name in [name for name in sys.modules if name.endswith("_module")]:
        del sys.modules[name]


@pytest.fixture
def shell(packages: Path, python: Python) -> Python:
    """`dask cluster` in a process of its own, with the packages."""

    def run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
        path = {"PYTHONPATH": f"{ROOT}:{packages}"}
        return python("-m", "dask", "cluster", *args, env={**path, **env}, timeout=60)

    return run
