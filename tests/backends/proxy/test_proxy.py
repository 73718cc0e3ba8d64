"""The announcement's script on a scheduler that somebody else started."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest
from distributed import Client, LocalCluster, Security
from somebody import Somebody

from dask_ctl import BackendError, InvalidSpecError, create_cluster
from dask_ctl.backends.address import TLS
from dask_ctl.proxy import ProxyCluster
from tests.backends.claims import FixedSize
from tests.backends.scripts import ANSWER, SCRIPT, WORK_FOR_EVER, Moment, Scripts, wait_until


def spec(**kwargs: Any) -> dict[str, Any]:
    return {"module": "dask_ctl.proxy", "class": "ProxyCluster", "kwargs": kwargs}


class TestProxy(FixedSize):
    """Neither the end of a script nor Ctrl-C ends what somebody else started."""

    nowhere: ClassVar[dict[str, str]] = {"ADDRESS": "tcp://127.0.0.1:1"}
    # The worker goes on after the script, and so does its task.
    work = WORK_FOR_EVER.replace("3600", "15")

    @pytest.fixture
    def backend(self, example: Somebody, scripts: Scripts) -> Scripts:
        """Use the example spec with the scheduler's address."""
        return scripts

    @pytest.fixture
    def busy(self, somebody: Somebody) -> Callable[[], object]:
        """Whether anybody is attached."""
        return lambda: somebody.counts()["clients"]

    @pytest.fixture
    def moment(self, somebody: Somebody, scripts: Scripts) -> Iterator[Moment]:
        """Hold the scheduler, until the script has connected to it."""
        scheduler, _ = somebody.processes
        port = int(somebody.address.rpartition(":")[2])

        def connected() -> bool:
            return any(
                connection.raddr and connection.raddr.port == port
                for pid in scripts.processes()
                for connection in psutil.Process(pid).net_connections()
            )

        scheduler.send_signal(signal.SIGSTOP)
        yield Moment(connected, lambda: scheduler.send_signal(signal.SIGCONT))
        scheduler.send_signal(signal.SIGCONT)


def test_a_scheduler_that_was_handed_out_is_what_a_script_falls_back_to(
    somebody: Somebody, scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nothing configured; the script leaves it running."""
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", somebody.address)
    for name, variable in TLS.items():
        if name in somebody.tls:
            monkeypatch.setenv(variable, somebody.tls[name])
    script = scripts.cwd / "script.py"
    script.write_text(
        "from dask_ctl import create_cluster\nfrom distributed import Client\n"
        "with create_cluster(local_fallback=True) as cluster, Client(cluster) as client:\n"
        "    print(client.submit(sum, [1, 2]).result())\n"
    )
    run = scripts.python(script)
    assert (run.stdout, run.returncode) == ("3\n", 0), run.stderr
    assert f"to the scheduler {somebody.address}" in run.stderr
    assert somebody.counts()["workers"] == 1


@pytest.mark.usefixtures("example")
def test_closed_by_everyone_in_turn(scripts: Scripts) -> None:
    """Neither the client's ``shutdown`` nor ``close``, once or twice, ends what is not ours."""
    run = scripts.python(scripts.longer("client.shutdown()\ncluster.close()\ncluster.close()\n"))
    assert (run.stdout, run.stderr, run.returncode) == (ANSWER, "", 0)


def test_tls_from_the_configuration_of_dask(
    example: Somebody, scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without ``security`` the certificates are those of ``distributed.comm.tls``."""
    scripts.use_example("proxy")
    names = {"ca_file": "CA_FILE", "client_cert": "CLIENT__CERT", "client_key": "CLIENT__KEY"}
    for name, variable in names.items():
        if value := example.tls.get(f"tls_{name}"):
            monkeypatch.setenv(f"DASK_DISTRIBUTED__COMM__TLS__{variable}", value)
    run = scripts.python(SCRIPT)
    assert (run.stdout, run.stderr, run.returncode) == (ANSWER, "", 0)


def test_security_of_the_users_own(example: Somebody, scripts: Scripts) -> None:
    """``${import:...}`` hands over a ``Security`` of a module beside the script."""
    scripts.use_example("proxy")
    (scripts.cwd / "mysite.py").write_text(
        f"from distributed import Security\nsecurity = Security(**{example.tls!r})\n"
    )
    path = scripts.cwd / "dask-cluster.yaml"
    path.write_text(path.read_text() + "  security: ${import:mysite:security}\n")
    run = scripts.python(scripts.longer(""))
    assert (run.stdout, run.stderr, run.returncode) == (ANSWER, "", 0)


def test_shows_what_runs(somebody: Somebody) -> None:
    """The cluster shows workers and dashboard, and its address is enough to find it again."""
    kwargs = {"address": somebody.address, "security": Security(**somebody.tls)}
    with create_cluster(spec(**kwargs)) as cluster, Client(cluster) as client:
        assert type(cluster) is ProxyCluster
        assert cluster.dashboard_link == f"{somebody.dashboard}/status"
        assert [w["nthreads"] for w in cluster.scheduler_info["workers"].values()] == [4]
        assert f"{somebody.address!r}, workers=1, threads=4" in repr(cluster)
        assert "Workers" in cluster._repr_html_()
        assert client.submit(sum, [1, 2]).result() == 3
        with ProxyCluster.from_name(cluster.name, security=somebody.tls) as again:
            assert again == cluster
    assert cluster.status.name == "closed"


def test_awaited(somebody: Somebody) -> None:
    """Inside a running loop it is awaited, used and closed there."""

    async def main() -> None:
        kwargs = {"address": somebody.address, "security": somebody.tls}
        cluster = await create_cluster(spec(**kwargs), asynchronous=True)
        async with Client(cluster, asynchronous=True) as client:
            assert await client.submit(sum, [1, 2]) == 3
        await cluster.close()
        assert cluster.status.name == "closed"

    asyncio.run(main())


@pytest.mark.parametrize(("key", "size"), [("scale", {"n": 2}), ("adapt", {"maximum": 2})])
def test_cannot_scale(somebody: Somebody, key: str, size: dict[str, int]) -> None:
    """The object refuses what its spec may not ask for."""
    kwargs = {"address": somebody.address, "security": somebody.tls}
    with ProxyCluster(**kwargs) as cluster, pytest.raises(BackendError, match="cannot be"):
        getattr(cluster, key)(**size)


def test_the_owner_still_sees_its_workers() -> None:
    """Attaching takes nothing from the cluster that owns the scheduler: both see a new worker."""
    local = {"n_workers": 1, "processes": False, "dashboard_address": ":0", "name": "owner"}
    with LocalCluster(**local) as owner, ProxyCluster(owner.scheduler_address) as proxy:
        owner.scale(2)
        for cluster in (owner, proxy):
            seen = cluster.scheduler_info
            wait_until(lambda: len(cluster.scheduler_info["workers"]) == 2, f"two of {seen}")  # noqa: B023
        proxy.close()
        assert owner.name == "owner"
        with Client(owner) as client:
            assert client.submit(sum, [1, 2]).result() == 3


@pytest.mark.parametrize("listens", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_nobody_answers(*, listens: bool, asynchronous: bool) -> None:
    """Without a scheduler there is one line, in time: whether nobody listens, or never answers."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        if listens:
            nobody.listen()
        address = f"tcp://127.0.0.1:{nobody.getsockname()[1]}"

        async def create() -> None:
            made = create_cluster(
                spec(address=address, timeout="500 ms"), asynchronous=asynchronous
            )
            await made

        started = time.monotonic()
        with pytest.raises(BackendError) as caught:
            asyncio.run(create())
    assert time.monotonic() - started < 10
    assert f"no scheduler can be reached at {address}: " in str(caught.value)
    assert "0.5 s" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_wrong_kind_of_connection(somebody: Somebody) -> None:
    """TCP to a scheduler with TLS, or the other way about, is an error that says so."""
    scheme, _, place = somebody.address.partition("://")
    address = f"{'tls' if scheme == 'tcp' else 'tcp'}://{place}"
    with pytest.raises(BackendError, match="whether it wants TLS"):
        ProxyCluster(address, security=somebody.tls, timeout=2)


@pytest.mark.parametrize(
    ("security", "error"),
    [
        ({"tls_cafile": "ca.pem"}, r"\): kwargs.security: Unknown parameters: \['tls_cafile'\]"),
        ({"tls_ca_file": "nix.pem"}, r"\): kwargs.security.tls_ca_file: there is no file 'nix.pem"),
        ("tls", r"\): kwargs.security: .* must be a mapping"),
    ],
)
def test_bad_security(isolated: Path, security: object, error: str) -> None:
    """What is wrong with ``security`` is said before anything is called, with its key."""
    assert not (isolated / "nix.pem").exists()
    with pytest.raises(InvalidSpecError, match=error):
        create_cluster(spec(address="tcp://127.0.0.1:1", security=security))
