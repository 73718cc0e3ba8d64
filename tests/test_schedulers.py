"""The schedulers that run on a machine: real ones, and what only looks like one.

Others may run here at the same time, so nothing is said of what else is found.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask.config
import psutil
import pytest
from distributed import Client, LocalCluster, rpc

from dask_ctl import (
    BackendError,
    DaskCtlError,
    NoSuchClusterError,
    delete_cluster,
    get_cluster,
    get_snippet,
    list_clusters,
    scale_cluster,
    wait_for_workers,
)
from dask_ctl.backends import listening as schedulers
from dask_ctl.hosts import store as records
from dask_ctl.management import discovery
from dask_ctl.management.info import ClusterInfo
from tests.backends.scripts import CREATED, wait_until
from tests.conftest import ROOT, needs_root, require_package, unavailable

LISTENER = """
import json, pathlib, socket, sys, threading
greeting, report = sys.argv[1].encode(), pathlib.Path(sys.argv[2])
socket_ = socket.create_server(("127.0.0.1", 0))
def connected(connection):
    connection.sendall(greeting)
    heard = b""
    try:
        while chunk := connection.recv(4096):
            heard += chunk
    except ConnectionResetError:
        pass
    with report.open("a") as file:
        file.write(json.dumps(heard.decode("latin-1")) + "\\n")
print(socket_.getsockname()[1], flush=True)
while True:
    threading.Thread(target=connected, args=socket_.accept()[:1]).start()
"""


@pytest.fixture(autouse=True)
def only_schedulers() -> Iterator[None]:
    """Do without what else is installed here; these are not about time, so there is enough."""
    others = [name for name in discovery.methods() if name != "schedulers"]
    with dask.config.set({"ctl.disable-discovery": others, "ctl.discovery.timeout": "20s"}):
        yield


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start processes, and kill them at the end."""
    with ExitStack() as at_end:

        def start(*command: str | Path, **env: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [*map(str, command)],
                env={**os.environ, "PYTHONPATH": str(ROOT), **env},
                cwd=tmp_path,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            at_end.callback(process.communicate)
            at_end.callback(process.kill)
            return process

        yield start


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def scheduler(start: Start, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Start ``dask scheduler``, and give its identity once it listens."""

    def run(*options: str | Path, **env: str) -> dict[str, Any]:
        file = tmp_path / f"scheduler-{len(list(tmp_path.glob('scheduler-*')))}.json"
        dashboard = ["--dashboard-address", "127.0.0.1:0", "--scheduler-file", file]
        process = start(sys.executable, "-m", "dask", "scheduler", *dashboard, *options, **env)
        wait_until(lambda: file.exists() or process.poll() is not None, "the scheduler listens", 60)
        wait_until(lambda: file.read_text().rstrip().endswith("}"), "all of its file is there")
        return {**json.loads(file.read_text()), "process": process}

    return run


Scheduler = Callable[..., dict[str, Any]]


def listed() -> dict[str, ClusterInfo]:
    """The schedulers by their name; none is there twice."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the method never fails
        infos = list_clusters("schedulers")
    assert len({info.name for info in infos}) == len(infos)
    return {info.name: info for info in infos}


def looked_at() -> set[tuple[str, int]]:
    """Where Python processes of this user listen."""
    return set().union(*schedulers._sockets().values())


def configured(*addresses: str, timeout: str = "20s") -> Any:
    return dask.config.set(
        {"ctl.discovery.schedulers": list(addresses), "ctl.discovery.timeout": timeout}
    )


def free_port(family: socket.AddressFamily = socket.AF_INET, host: str = "127.0.0.1") -> int:
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def test_a_local_cluster_of_this_process() -> None:
    """What this process itself has made is found too, by class, size and address, once."""
    with LocalCluster(
        n_workers=2, threads_per_worker=3, memory_limit=10**9, dashboard_address=":0"
    ) as cluster:
        with Client(cluster) as client:
            client.wait_for_workers(2)
        info = listed()[cluster.scheduler_address]
        assert info.type == "distributed.deploy.local.LocalCluster"
        assert (info.status, info.discovery) == ("running", "schedulers")
        assert (info.workers, info.threads, info.memory) == (2, 6, 2 * 10**9)
        assert info.address == cluster.scheduler_address
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", info.created or "")
        # Its workers and nannies listen, too, and are none.
        addresses = {worker["nanny"] for worker in cluster.scheduler_info["workers"].values()}
        addresses |= set(cluster.scheduler_info["workers"])
        assert len(addresses) == 4
        assert not addresses & set(listed())
        with get_cluster(info.name) as found, Client(found) as client:
            assert client.submit(sum, [1, 2]).result() == 3
        assert cluster.status.name == "running"
    assert info.name not in listed()


def test_a_process_that_has_the_id_of_a_host() -> None:
    """As a host in a container may say it has: what it is in truth is found."""
    record = records.Record(name="a", target="a.B", created=CREATED, host=records.Host.here())
    lock = records.add(replace(record, address="tls://127.0.0.1:1", status="running"))
    with LocalCluster(n_workers=0, processes=True, dashboard_address=None) as cluster:
        assert cluster.scheduler_address in listed()
    lock.release()


def test_workers_that_come_later() -> None:
    """A wait for them asks again, though what was found had said how many there are."""
    with LocalCluster(
        n_workers=0, protocol="tcp", processes=False, dashboard_address=":0"
    ) as cluster:
        seen: list[int] = []

        def told(n: int) -> None:
            seen.append(n)
            cluster.scale(1)

        wait_for_workers(cluster.scheduler_address, 1, timeout=60, told=told)
    assert seen == [0, 1]


def test_one_of_another_process(scheduler: Scheduler) -> None:
    """It is listed, its snippet runs, and it is neither scaled nor ended from here."""
    address = scheduler("--host", "127.0.0.1", "--port", "0")["address"]
    info = listed()[address]
    assert (info.workers, info.threads, info.memory, info.status) == (0, 0, 0, "running")
    code = get_snippet(address) + "print(client.scheduler_info()['address']); client.close()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (f"{address}\n", "")
    with pytest.raises(BackendError, match=f"ProxyCluster cannot scale '{address}'"):
        scale_cluster(address, 2)
    with pytest.raises(BackendError, match="was started by somebody else"):
        delete_cluster(address)
    assert address in listed()


def test_the_default_port(scheduler: Scheduler) -> None:
    """It is looked at, unless another user listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", schedulers.DEFAULT_PORT))
        except OSError:
            unavailable("the default port is in use", "end what listens on port 8786")
    identity = scheduler("--host", "127.0.0.1")
    assert identity["address"] == "tcp://127.0.0.1:8786"
    assert "tcp://127.0.0.1:8786" in listed()


STRANGER = """
import asyncio, os, sys
from distributed.comm import listen
from distributed.protocol.serialize import ToPickle

class Evil:
    def __reduce__(self):
        return open, (sys.argv[1], "w")

async def main():
    async def answer(comm):
        await comm.read()
        await comm.write(ToPickle(Evil()))

    async with listen("tcp://127.0.0.1:0", answer) as listener:
        print(listener.contact_address, flush=True)
        await asyncio.Event().wait()

os.setgid(65534)
os.setuid(65534)
asyncio.run(main())
"""


async def asked_as_dask_does(address: str) -> object:
    async with asyncio.timeout(20), rpc(address) as server:
        return await server.identity()


@needs_root
def test_a_stranger_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who connects to a scheduler unpickles what that says, and so runs its code."""
    evil = tmp_path / "evil"
    stranger = subprocess.Popen(
        [sys.executable, "-c", STRANGER, evil], stdout=subprocess.PIPE, text=True
    )
    try:
        assert stranger.stdout is not None
        address = stranger.stdout.readline().strip()
        monkeypatch.setattr(schedulers, "DEFAULT_PORT", int(address.rpartition(":")[2]))
        with suppress(Exception):  # what such a scheduler does to whoever asks as Dask does
            asyncio.run(asked_as_dask_does(address))
        evil.unlink()
        with pytest.raises(NoSuchClusterError, match="would have to be unpickled"):
            get_cluster(address)
        assert address not in listed()
        # Of a cluster that has ended, somebody else may have the port by now.
        port = int(address.rpartition(":")[2])
        here = replace(records.Host.here(), port=port)
        for name, host in ("dead", here), ("unknown", here), ("left", None):
            record = records.Record(name=name, target="a.B", created=CREATED, address=address)
            records.add(replace(record, status="running", host=host)).release()
        records.lock_of("unknown").unlink()  # as where a file system has no locks
        with dask.config.set({"ctl.disable-discovery": []}):
            states = {info.name: info.status for info in list_clusters("recorded")}
        assert states["dead"] == "dead"
        gone = "the scheduler of 'left' has ended, and another user has its port"
        assert states["left"] == f"unknown: {gone}"
        assert states["unknown"].startswith("unknown: neither its scheduler nor its host can be")
        for name, said in ("dead", "has ended without closing it"), ("left", gone):
            with pytest.raises(NoSuchClusterError, match=said):
                get_cluster(name)
        for call, said in (
            (lambda: get_cluster("unknown"), gone.replace("left", "unknown")),
            (lambda: scale_cluster("unknown", 1), "does not answer: another user has its port"),
            (lambda: delete_cluster("unknown"), "lives cannot be known here"),
        ):
            with pytest.raises(DaskCtlError, match=said):
                call()
        delete_cluster("dead")
        delete_cluster("left")
    finally:
        stranger.kill()
        stranger.communicate()
    assert not evil.exists()


@pytest.mark.parametrize("host", ["[::1]", "[::]", "0.0.0.0"])
def test_where_it_listens(scheduler: Scheduler, host: str) -> None:
    """IPv6, and every interface: it is found, and its name reaches it."""
    if ":" in host:
        try:
            free_port(socket.AF_INET6, "::1")
        except OSError:
            unavailable("there is no IPv6 here", "a kernel with IPv6 on its loopback")
    identity = scheduler("--host", f"tcp://{host}", "--port", "0")
    info = next(info for info in listed().values() if info.details.get("id") == identity["id"])
    with get_cluster(info.name) as cluster:
        assert cluster.scheduler_info["id"] == identity["id"]


def test_addresses_that_are_configured(scheduler: Scheduler) -> None:
    """A dead one is a row that says so; one that was found anyway is there once."""
    address = scheduler("--host", "127.0.0.1", "--port", "0")["address"]
    other = address.replace("127.0.0.1", "localhost")
    dead = f"tcp://127.0.0.1:{free_port()}"
    with configured(dead, other, "nonsense://x", address, address, timeout="4s"):
        rows = listed()
        assert rows[dead].status.startswith("unreachable: ")
        assert rows[dead].address == dead
        assert rows["nonsense://x"].status.startswith("unreachable: ")
        identities = [info.details["id"] for info in rows.values() if info.details]
        assert len(identities) == len(set(identities))
        assert {address, other} & set(rows)


def test_what_never_answers(start: Start, scheduler: Scheduler) -> None:
    """A socket that accepts and is silent, and a stopped scheduler: a row each, in time."""
    stopped = scheduler("--host", "127.0.0.1", "--port", "0")
    alive = scheduler("--host", "127.0.0.1", "--port", "0")["address"]
    stopped["process"].send_signal(signal.SIGSTOP)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hung = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with configured(hung, stopped["address"], alive, timeout="4s"):
            rows = listed()
            with pytest.raises(NoSuchClusterError, match=f"no scheduler answers at {hung}: "):
                get_cluster(hung)
    expected = "unreachable: no answer within 4 s"
    assert (rows[hung].status, rows[stopped["address"]].status) == (expected, expected)
    assert rows[alive].status == "running"


def test_what_is_no_scheduler(start: Start) -> None:
    """A worker, and a web server, are not taken for one, even if their address is configured."""
    web = start(sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1")
    assert web.stdout is not None
    found = re.search(r"port (\d+)", web.stdout.readline())
    assert found
    address = f"tcp://127.0.0.1:{found[1]}"
    with LocalCluster(n_workers=1, dashboard_address=":0") as cluster, Client(cluster) as client:
        client.wait_for_workers(1)
        (worker,) = client.scheduler_info()["workers"]
        with configured(worker, address, timeout="4s"):
            rows = listed()
        told = "unreachable: OSError: a Worker listens there, not a scheduler"
        assert rows[worker].status == told
        assert rows[address].status.startswith("unreachable: ")
        with pytest.raises(NoSuchClusterError, match="a Worker listens there, not a scheduler"):
            get_cluster(worker)


def test_tls(scheduler: Scheduler, tmp_path: Path) -> None:
    """With TLS it is found by its address; without the certificates the row says why not."""
    require_package("cryptography", "cryptography")
    sys.path.append(str(ROOT / "tests" / "backends" / "proxy"))
    try:
        from certificates import write_certificates
    finally:
        sys.path.pop()
    write_certificates(tmp_path)
    ca, cert, key = (str(tmp_path / f"{name}.pem") for name in ("ca", "client", "client-key"))
    address = scheduler(
        "--host", "tls://127.0.0.1", "--port", "0",
        "--tls-ca-file", ca, "--tls-cert", cert, "--tls-key", key,
    )["address"]  # fmt: skip
    files = {"ca-file": ca, "client.cert": cert, "client.key": key}
    tls = {f"distributed.comm.tls.{name}": file for name, file in files.items()}
    assert address.startswith("tls://")
    with configured(address):
        assert listed()[address].status.startswith("unreachable: ")
        with dask.config.set(tls):
            assert listed()[address].status == "running"
            with get_cluster(address) as cluster:
                assert cluster.scheduler_address == address
    assert address not in listed()


@pytest.mark.parametrize("greeting", ["", "220 mail\r\n", "x" * 5000, "pickle"])
def test_nothing_is_sent_to_what_is_no_scheduler(
    start: Start, tmp_path: Path, greeting: str
) -> None:
    """Whatever a socket of another Python process says, or does not, it hears not a byte."""
    report = tmp_path / "heard"
    process = start(sys.executable, "-c", LISTENER, greeting, report)
    assert process.stdout is not None
    port = int(process.stdout.readline())
    assert ("127.0.0.1", port) in looked_at()
    assert f"tcp://127.0.0.1:{port}" not in listed()
    wait_until(lambda: report.exists() and report.read_text().endswith("\n"), "it was looked at")
    assert set(map(json.loads, report.read_text().splitlines())) == {""}


def test_one_that_greets_and_never_answers(start: Start, tmp_path: Path) -> None:
    """It costs no other scheduler its row."""
    greeting = "\u0001pickle-protocol"
    process = start(sys.executable, "-c", LISTENER, greeting, tmp_path / "heard")
    assert process.stdout is not None
    port = int(process.stdout.readline())
    with LocalCluster(n_workers=0, dashboard_address=":0") as cluster, configured(timeout="4s"):
        names = set(listed())
    assert cluster.scheduler_address in names
    assert f"tcp://127.0.0.1:{port}" not in names


def test_other_programs_are_not_connected_to(start: Start, tmp_path: Path) -> None:
    """A socket on which something else than Python listens is left alone."""
    perl = shutil.which("perl")
    if perl is None:
        unavailable("perl not found", "apt-get install perl")
    code = (
        "use IO::Socket::INET; $| = 1; "
        "my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5) or die; "
        "print $s->sockport, qq(\\n); while (my $c = $s->accept) { print qq(connected\\n) }"
    )
    process = start(perl, "-e", code)
    assert process.stdout is not None
    port = int(process.stdout.readline())
    assert ("127.0.0.1", port) not in looked_at()
    listed()
    # The first connection that it says anything of is this one.
    with socket.create_connection(("127.0.0.1", port)):
        assert process.stdout.readline() == "connected\n"
    process.kill()
    assert process.stdout.read() == ""


def test_another_network_is_none_of_ours(start: Start) -> None:
    """The port of a Python process in a container may be another program's here."""
    unshare = shutil.which("unshare")
    options = ["--net"] if os.getuid() == 0 else ["--user", "--map-current-user", "--net"]
    if unshare is None or subprocess.run([unshare, *options, "true"], check=False).returncode:
        unavailable("unshare cannot make a network of its own", "apt-get install util-linux")
    code = (
        "import socket, time; s = socket.create_server(('0.0.0.0', 0))\n"
        "print(s.getsockname()[1], flush=True); time.sleep(3600)"
    )
    process = start(unshare, *options, sys.executable, "-c", code)
    assert process.stdout is not None
    port = int(process.stdout.readline())
    assert ("127.0.0.1", port) not in looked_at()


def test_whether_it_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system knows: who speaks TLS would warn of a connection that does not."""
    if not Path("/proc/net/tcp").exists():
        pytest.skip("this system does not tell who listens; run on Linux")

    def connected(*_: object, **__: object) -> None:
        pytest.fail("it was connected to")

    with socket.create_server(("127.0.0.1", 0)) as server, monkeypatch.context() as patched:
        patched.setattr(socket, "create_connection", connected)
        assert schedulers.listens(f"tls://127.0.0.1:{server.getsockname()[1]}")
    assert not schedulers.listens(f"tls://127.0.0.1:{free_port()}")


def test_where_each_process_must_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS, which tells no user of all connections at once: the same is found."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = server.getsockname()
        assert place in looked_at()

        def denied(*_: object) -> None:
            raise psutil.AccessDenied

        monkeypatch.setattr(psutil, "net_connections", denied)
        assert place in looked_at()


def test_a_name_that_is_an_address_of_nothing() -> None:
    """It is an error that says so, and not a traceback of distributed."""
    for address in (f"tcp://127.0.0.1:{free_port()}", "nonsense://x", "tcp://"):
        raises = pytest.raises(NoSuchClusterError, match="no scheduler answers at")
        with configured(timeout="1s"), raises as error:
            get_cluster(address)
        assert str(error.value).endswith("; see: dask cluster list")

    async def inside() -> None:
        with pytest.raises(NoSuchClusterError):
            await get_cluster("nonsense://x", asynchronous=True)

    asyncio.run(inside())
