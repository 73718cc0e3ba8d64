"""A dask-gateway server for the length of the test run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from gateway_server import Server

from tests.backends.daemons import ending_with_us, free_ports
from tests.backends.scripts import Scripts, ok, wait_until
from tests.conftest import require_package

INSTALL = "pip install dask-gateway 'dask-gateway-server[local]'"
CONFIGURATION = """
from dask_gateway_server.options import Integer, Mapping, Options

c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.DaskGateway.address = "127.0.0.1:0"
c.Proxy.address = {address!r}
c.UnsafeLocalBackend.clusters_directory = {clusters!r}
c.ClusterConfig.scheduler_cmd = ["dask", "scheduler"]
c.ClusterConfig.worker_cmd = ["dask", "worker"]

def chosen(options):
    environment = {{"HOME": {home!r}, "TMPDIR": {home!r}, **options.environment}}
    return {{"worker_cores": options.worker_cores, "environment": environment}}

c.Backend.cluster_options = Options(
    Integer("worker_cores", default=1, min=1, max=2),
    Mapping("environment", default={{}}),
    handler=chosen,
)
"""


@pytest.fixture(scope="session")
def program(require_programs: Callable[..., Mapping[str, str]]) -> Iterator[str]:
    """Find the command that starts a server, and what it starts itself."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        bin_ = str(Path(sys.executable).parent)
        monkeypatch.setenv("PATH", bin_, prepend=os.pathsep)
        require_package("dask_gateway", "dask-gateway")
        yield require_programs("dask-gateway-server", install=INSTALL)["dask-gateway-server"]


@pytest.fixture(scope="session")
def server(program: str) -> Iterator[Server]:
    """Start a server and its proxy, and stop them at the end."""
    with started(program, *free_ports(1)) as server:
        yield server


@contextmanager
def started(program: str, port: int) -> Iterator[Server]:
    """A server of its own, whose database goes with it."""
    address = f"127.0.0.1:{port}"
    folder = Path(tempfile.mkdtemp(prefix="gateway-"))
    (clusters := folder / "clusters").mkdir()
    (folder / "config.py").write_text(
        CONFIGURATION.format(address=address, clusters=str(clusters), home=str(folder))
    )
    environment = {key: os.environ[key] for key in os.environ if not key.startswith("DASK_")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ending_with_us(program, "-f", folder / "config.py"),
            env={**environment, "HOME": str(folder)},
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    server = Server(f"http://{address}", clusters)
    try:
        wait_until(lambda: process.poll() is not None or server.healthy(), "the server answers")
        assert process.poll() is None, (folder / "log").read_text()
        yield server
    finally:
        process.terminate()
        process.wait(timeout=30)
        shutil.rmtree(folder)


@pytest.fixture
def restarted(program: str, scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that has a cluster ``a`` of the command line, and then forgets it in a restart."""
    (port,) = free_ports(1)
    scripts.use_example("gateway")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__ADDRESS", f"http://127.0.0.1:{port}")
    with started(program, port):
        ok(scripts.dask_cluster("create", "--name", "a"))
    with started(program, port) as server:
        yield server


@pytest.fixture
def gateway(server: Server, scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Use the example spec with the server's address; leave nothing in the server."""
    scripts.use_example("gateway")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__ADDRESS", server.address)
    yield server
    with suppress(pytest.fail.Exception):
        wait_until(lambda: not server.left(), "nothing is left in the server", 60)
    assert server.left() == []
