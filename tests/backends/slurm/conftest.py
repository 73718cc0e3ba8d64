"""A Slurm of two nodes for the length of the test run."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from two_nodes import INSTALL, PROGRAMS, Slurm, cancel_all, start

from tests.backends.scripts import Scripts, wait_until


@pytest.fixture(scope="session")
def slurm_conf(require_programs: Callable[..., Mapping[str, str]]) -> Iterator[Path]:
    """Start munge, a controller and two nodes, and stop them at the end; where they are told."""
    programs = require_programs(*PROGRAMS, install=INSTALL)
    # Not pytest's own folder: the path of a Unix socket must stay below 108 characters.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    with pytest.MonkeyPatch.context() as monkeypatch, ExitStack() as at_end:
        at_end.callback(shutil.rmtree, folder)
        for name in [name for name in os.environ if name.startswith(("SLURM_", "SRUN_"))]:
            monkeypatch.delenv(name)
        conf = folder / "slurm.conf"
        monkeypatch.setenv("SLURM_CONF", str(conf))
        start(at_end, folder, conf, programs)
        yield conf


@pytest.fixture
def slurm(slurm_conf: Path, scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    """Use Slurm, and leave no job in it, nor any file but the logs that a spec asks for."""
    monkeypatch.setenv("SLURM_CONF", str(slurm_conf))
    slurm = Slurm(scripts.cwd, scripts.home, scripts.tmp)
    yield slurm
    try:
        wait_until(lambda: not slurm.queue(), "the queue is empty")
        shutil.rmtree(slurm.cwd / "logs", ignore_errors=True)
    finally:
        cancel_all()
