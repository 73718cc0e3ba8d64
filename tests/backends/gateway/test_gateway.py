"""The announcement's script on a cluster of dask-gateway."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest
from gateway_server import Server

from dask_ctl import create_cluster
from tests.backends.scripts import (
    ANSWER,
    ASYNCHRONOUS,
    SCRIPT,
    WORK_FOR_EVER,
    Scripts,
    wait_until,
)

RIGID = """
from dask_gateway import GatewayCluster

class Rigid(GatewayCluster):
    def adapt(self, **options):
        raise ValueError("no")
"""


@pytest.mark.usefixtures("gateway")
def test_runs_the_script_unchanged(scripts: Scripts) -> None:
    """The script gives its result and exit code 0, and nothing on stderr; the spec adapts."""
    run = scripts.python(SCRIPT)
    assert (run.stdout, run.stderr, run.returncode) == (ANSWER, "", 0)


@pytest.mark.usefixtures("gateway")
def test_scales(scripts: Scripts) -> None:
    """``scale`` in the spec, instead of ``adapt``, asks for that many workers."""
    path = scripts.cwd / "dask-cluster.yaml"
    path.write_text(path.read_text().partition("adapt:")[0] + "scale: 2\n")
    run = scripts.python(scripts.longer("client.wait_for_workers(2, timeout=60)\n"))
    assert (run.stdout, run.stderr, run.returncode) == (ANSWER, "", 0)


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize(
    ("end", "code", "last"), [("raise SystemExit(7)", 7, ""), ("1 / 0", 1, "ZeroDivisionError")]
)
def test_passes_on_how_the_script_ends(scripts: Scripts, end: str, code: int, last: str) -> None:
    """An exception of the script gives its exit code, and no traceback but its own."""
    run = scripts.python(scripts.longer(end))
    assert (run.stdout, run.returncode) == (ANSWER, code), run.stderr
    assert run.stderr.count("Traceback") == bool(last)
    assert last in run.stderr


@pytest.mark.usefixtures("gateway")
def test_interrupt_during_work(scripts: Scripts) -> None:
    """Ctrl-C while a task runs ends the script and its cluster."""
    run = scripts.interrupt(scripts.start(sys.executable, scripts.longer(WORK_FOR_EVER)))
    assert run.returncode == -signal.SIGINT
    assert run.stderr.rstrip().endswith("KeyboardInterrupt"), run.stderr


def test_interrupt_during_creation(gateway: Server, scripts: Scripts) -> None:
    """Ctrl-C while the server starts the cluster ends it too, as soon as it can be named."""
    process = scripts.start(sys.executable, SCRIPT)
    wait_until(gateway.clusters, "the server has accepted the cluster")
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (out, process.returncode) == ("", -signal.SIGINT)
    assert err.count("Traceback") == 1
    assert err.rstrip().endswith("KeyboardInterrupt")


@pytest.mark.usefixtures("gateway")
def test_asynchronous(scripts: Scripts) -> None:
    """``async with create_cluster(asynchronous=True)`` in a script, likewise."""
    run = scripts.python(ASYNCHRONOUS)
    assert (run.stdout, run.stderr, run.returncode) == ("6\n", "", 0)


def test_awaited(gateway: Server) -> None:
    """Inside a running loop it is awaited, is the backend's own object, and is closed there."""

    async def main() -> None:
        spec = {"module": "dask_gateway", "class": "GatewayCluster", "scale": 1}
        kwargs = {"address": gateway.address}
        cluster = await create_cluster({**spec, "kwargs": kwargs}, asynchronous=True)
        assert type(cluster).__name__ == "GatewayCluster"
        async with cluster.get_client() as client:
            assert await client.submit(sum, [1, 2]) == 3
        await cluster.close()

    asyncio.run(main())


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("asynchronous", [False, True])
def test_failure_after_construction(scripts: Scripts, *, asynchronous: bool) -> None:
    """If ``adapt`` fails, the cluster that was started is stopped, and the error says why."""
    (scripts.cwd / "mysite.py").write_text(RIGID)
    path = scripts.cwd / "dask-cluster.yaml"
    path.write_text(
        path.read_text().replace("dask_gateway\n", "mysite\n").replace("GatewayCluster", "Rigid")
    )
    (scripts.cwd / "asynchronous.py").write_text(ASYNCHRONOUS.read_text())
    run = scripts.python("asynchronous.py" if asynchronous else scripts.longer(""))
    assert (run.stdout, run.returncode) == ("", 1)
    assert "BackendError: dask-cluster.yaml:4: mysite.Rigid failed: no; " in run.stderr


@pytest.mark.usefixtures("gateway")
def test_warns_that_there_are_no_workers(scripts: Scripts) -> None:
    """A spec without ``scale`` and ``adapt`` is told that nothing would ever run."""
    path = scripts.cwd / "dask-cluster.yaml"
    path.write_text(path.read_text().partition("adapt:")[0])
    (scripts.cwd / "creates.py").write_text("import dask_ctl\ndask_ctl.create_cluster()\n")
    run = scripts.python("creates.py")
    assert run.returncode == 0
    assert "GatewayCluster starts without workers, so a script waits for ever" in run.stderr


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize(
    ("argument", "error"),
    [
        ("N_WORKERS=2", "Unknown fields ['n_workers']"),
        ("WORKER_CORES=5", "worker_cores must be <= 2"),
        ("ADDRESS=http://127.0.0.1:1", "Cannot connect to host 127.0.0.1:1"),
    ],
)
def test_refused(
    scripts: Scripts, monkeypatch: pytest.MonkeyPatch, argument: str, error: str
) -> None:
    """What the server refuses, and no server at all, is one line that says so."""
    name, _, value = argument.partition("=")
    monkeypatch.setenv(f"DASK_CTL__CLUSTER_KWARGS__{name}", value)
    run = scripts.python(SCRIPT)
    assert (run.stdout, run.returncode) == ("", 1)
    expected = f"BackendError: dask-cluster.yaml:4: dask_gateway.GatewayCluster failed: {error}"
    assert expected in run.stderr.splitlines()[-1]
