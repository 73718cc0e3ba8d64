"""The announcement's script on a cluster of dask-gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar

import pytest
from gateway_server import Server

from dask_ctl import create_cluster
from tests.backends.claims import Scalable
from tests.backends.scripts import ASYNCHRONOUS, SCRIPT, SEEN, Moment, Scripts

RIGID = """
from dask_gateway import GatewayCluster

class Rigid(GatewayCluster):
    def adapt(self, **options):
        raise ValueError("no")
"""


class TestGateway(Scalable):
    """The server starts clusters outside of the script's terminal, all of them without workers."""

    small: ClassVar[dict[str, int]] = {}
    package = "dask-gateway"

    @pytest.fixture
    def backend(self, gateway: Server, scripts: Scripts) -> Scripts:
        """Use the example spec with the server's address."""
        return scripts

    @pytest.fixture
    def busy(self, gateway: Server) -> Callable[[], object]:
        """Whether the server still has something."""
        return gateway.left

    @pytest.fixture(params=["accepted", "running"])
    def moment(self, request: pytest.FixtureRequest, gateway: Server) -> Moment:
        """Give a moment of the creation, by the server's account."""
        reached = {"accepted": gateway.clusters, "running": lambda: gateway.clusters("running")}
        return Moment(reached[request.param])


@pytest.mark.usefixtures("gateway")
def test_hands_on_by_its_option(scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the option ``environment`` of a server that has it, once the spec names that."""
    script = scripts.carry()
    run = scripts.python(script)
    assert run.returncode == 1
    assert "add 'environment: {}' to kwargs" in run.stderr.splitlines()[-1]
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__ENVIRONMENT", "{}")
    run = scripts.python(script)
    assert (run.stdout, run.returncode) == (SEEN, 0), run.stderr


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
    assert "\ndask_ctl: dask-cluster.yaml:4: mysite.Rigid failed: no; " in run.stderr


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
    told = run.stderr.splitlines()[-1]
    # Where the value stands that the error names, or the class.
    assert told.startswith(
        (f"dask_ctl: DASK_CTL__CLUSTER_KWARGS__{name}: ", "dask_ctl: dask-cluster")
    )
    assert f"dask_gateway.GatewayCluster failed: {error}" in told
