"""A Grid Engine of one node for the length of the test run."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from grid_engine import INSTALL, LIB, GridEngine, cancel_all, configure, prepare

from tests.backends.daemons import free_ports, output, start_daemon
from tests.backends.scripts import Scripts, wait_until
from tests.conftest import unavailable


@pytest.fixture(scope="session")
def grid_engine(
    require_programs: Callable[..., Mapping[str, str]],
) -> Iterator[Mapping[str, str]]:
    """Start a qmaster and one node, and stop them at the end; the variables that lead to them."""
    require_programs("sge_qmaster", "sge_execd", "qconf", "qdel", "qstat", "qsub", install=INSTALL)
    try:
        socket.gethostbyname(socket.gethostname())
    except OSError:
        unavailable("this machine's own name has no address", "add it to /etc/hosts")
    # Not pytest's own folder, which is closed to others.
    folder = Path(tempfile.mkdtemp(prefix="sge-"))
    with pytest.MonkeyPatch.context() as monkeypatch, ExitStack() as at_end:
        at_end.callback(shutil.rmtree, folder)
        for name in [name for name in os.environ if name.startswith("SGE_")]:
            monkeypatch.delenv(name)
        qmaster, execd = free_ports(2)
        where = {
            "SGE_ROOT": str(folder),
            "SGE_CELL": "default",
            "SGE_QMASTER_PORT": str(qmaster),
            "SGE_EXECD_PORT": str(execd),
        }
        for name, value in where.items():
            monkeypatch.setenv(name, value)
        prepare(folder)
        # It takes its time to save what goes with its folder.
        start_daemon(at_end, LIB / "sge_qmaster", env={"SGE_ND": "1"}, grace=0)
        wait_until(lambda: "failed" not in output("qconf", "-sh"), "qmaster answers")
        configure(folder)
        start_daemon(at_end, LIB / "sge_execd", env={"SGE_ND": "1"})
        at_end.callback(cancel_all)
        wait_until(lambda: "-NA-" not in output("qstat", "-f"), "the node has reported")
        yield where


@pytest.fixture
def batch(
    grid_engine: Mapping[str, str], scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GridEngine]:
    """Use the example spec, on this machine's loopback; leave no job, nor a file but logs."""
    for name, value in grid_engine.items():
        monkeypatch.setenv(name, value)
    sge = GridEngine(scripts.cwd, scripts.home, scripts.tmp)
    sge.use_example("sge")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__INTERFACE", "lo")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__SCHEDULER_OPTIONS__DASHBOARD_ADDRESS", ":0")
    yield sge
    try:
        wait_until(lambda: not sge.queue(), "the queue is empty")
        shutil.rmtree(sge.cwd / "logs", ignore_errors=True)
        wait_until(
            lambda: not list(Path(grid_engine["SGE_ROOT"], "tmp").iterdir()),
            "no job's folder is left",
        )
    finally:
        cancel_all()
