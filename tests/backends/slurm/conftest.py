"""A Slurm of two nodes for the length of the test run."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from two_nodes import (
    INSTALL,
    PROGRAMS,
    Slurm,
    cancel_all,
    munge_options,
    output,
    start_daemon,
    wait_until,
    write_configuration,
)


@pytest.fixture(scope="session")
def slurm_conf(require_programs: Callable[..., Mapping[str, str]]) -> Iterator[Path]:
    """Start munge, a controller and two nodes; export ``SLURM_CONF``; stop them at the end."""
    programs = require_programs(*PROGRAMS, install=INSTALL)
    # Not pytest's own folder: the path of a Unix socket must stay below 108 characters.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    with pytest.MonkeyPatch.context() as monkeypatch, ExitStack() as at_end:
        at_end.callback(shutil.rmtree, folder)
        for name in [name for name in os.environ if name.startswith(("SLURM_", "SRUN_"))]:
            monkeypatch.delenv(name)
        conf = folder / "slurm.conf"
        monkeypatch.setenv("SLURM_CONF", str(conf))
        write_configuration(folder, conf)
        start_daemon(at_end, programs["munged"], *munge_options(folder))
        wait_until((folder / "munge.socket").exists, "munged listens")
        start_daemon(at_end, programs["slurmctld"], "-D", "-c", "-f", conf)
        for node in ("n1", "n2"):
            start_daemon(at_end, programs["slurmd"], "-D", "-N", node, "-f", conf)
        at_end.callback(cancel_all)
        wait_until(lambda: output("sinfo", "-h", "-N", "-o", "%t").split() == ["idle"] * 2, "idle")
        yield conf


@pytest.fixture
def slurm(slurm_conf: Path, isolated: Path, tmp_path: Path) -> Iterator[Slurm]:
    """Use Slurm, and leave nothing in it: no job, no process, no scheduler file."""
    slurm = Slurm(isolated, tmp_path / "home")
    yield slurm
    try:
        wait_until(lambda: not slurm.queue(), "the queue is empty")
        wait_until(lambda: not slurm.processes(), "every process has ended")
        assert not slurm.files()
    finally:
        slurm.kill_all()
        cancel_all()
