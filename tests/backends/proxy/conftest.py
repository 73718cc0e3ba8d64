"""Schedulers that somebody else started, plain and with TLS, for the length of the test run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from certificates import write_certificates
from somebody import Somebody

from tests.backends.daemons import ending_with_us
from tests.backends.scripts import Scripts, wait_until


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder of certificates."""
    folder = tmp_path_factory.mktemp("certificates")
    write_certificates(folder)
    return folder


@pytest.fixture(scope="session", params=["proxy", "proxy-tls"])
def running(
    request: pytest.FixtureRequest, certificates: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Somebody]:
    """Start ``dask scheduler`` and ``dask worker``, and stop them at the end."""
    folder = tmp_path_factory.mktemp(request.param)
    file, secure = folder / "scheduler.json", request.param == "proxy-tls"
    ca, cert, key = (certificates / f"{name}.pem" for name in ("ca", "client", "client-key"))
    options = ["--tls-ca-file", ca, "--tls-cert", cert, "--tls-key", key] if secure else []
    scheme = "tls" if secure else "tcp"
    with ExitStack() as at_end:
        listen = ["--host", f"{scheme}://127.0.0.1", "--port", "0"]
        dashboard = ["--dashboard-address", "127.0.0.1:0"]
        scheduler = start(
            at_end, folder, "scheduler", *listen, *dashboard, "--scheduler-file", file, *options
        )
        wait_until(file.exists, "the scheduler has written its address")
        wait_until(lambda: file.read_text().rstrip().endswith("}"), "all of it")
        identity = json.loads(file.read_text())
        worker = start(
            at_end, folder, "worker", identity["address"], "--no-nanny", "--nthreads", "4",
            "--no-dashboard", *options,
        )  # fmt: skip
        somebody = Somebody(
            request.param,
            identity["address"],
            f"http://127.0.0.1:{identity['services']['dashboard']}",
            certificates,
            [scheduler, worker],
        )
        wait_until(lambda: somebody.counts()["workers"] == 1, "the worker has joined")
        yield somebody


@pytest.fixture
def somebody(running: Somebody, isolated: Path) -> Iterator[Somebody]:
    """Give what somebody else has running; it must run on afterwards, with nobody attached."""
    yield running
    assert [process.poll() for process in running.processes] == [None, None]
    wait_until(lambda: running.counts()["clients"] == 0, "no client is attached")
    assert running.counts()["workers"] == 1


@pytest.fixture
def example(somebody: Somebody, scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> Somebody:
    """Use the example spec, its address replaced, with the certificates where it names them."""
    scripts.use_example(somebody.example)
    (scripts.cwd / "certificates").symlink_to(somebody.certificates)
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__ADDRESS", somebody.address)
    return somebody


def start(at_end: ExitStack, folder: Path, *command: str | Path) -> subprocess.Popen[bytes]:
    """Start a command of ``dask`` in a home of its own."""
    environment = {key: os.environ[key] for key in os.environ if not key.startswith("DASK_")}
    with (folder / f"{command[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            ending_with_us(sys.executable, "-m", "dask", *command),
            env={**environment, "HOME": str(folder), "TMPDIR": str(folder)},
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    at_end.callback(stop, process)
    return process


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process, and see that it ends."""
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
