"""An sshd on loopback, with keys of its own."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.backends.daemons import ending_with_us
from tests.backends.scripts import Scripts, wait_until
from tests.conftest import require_package

INSTALL = "apt-get install -y --no-install-recommends openssh-server openssh-client"

# What is started by SSH has this environment, so that it is found again as any other process.
SSHD_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/client_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
MaxStartups 100
SetEnv TEST_HOME={home}
"""


@pytest.fixture
def ssh(
    scripts: Scripts,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    require_programs: Callable[..., Mapping[str, str]],
) -> Iterator[Scripts]:
    """Use the example spec, with three times this machine for its hosts."""
    require_package("asyncssh", "asyncssh")
    programs = require_programs("sshd", "ssh-keygen", install=INSTALL)
    folder = tmp_path / "sshd"
    folder.mkdir()
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # root's sshd has no other place for it
    for key in ("host_key", "client_key"):
        generate = [programs["ssh-keygen"], "-q", "-t", "ed25519", "-N", "", "-f", folder / key]
        subprocess.run(generate, check=True, timeout=30)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    conf = folder / "sshd_config"
    conf.write_text(SSHD_CONFIG.format(folder=folder, port=port, home=scripts.home))
    daemon = subprocess.Popen(
        ending_with_us(programs["sshd"], "-D", "-f", conf, "-E", folder / "log"),
        env={"PATH": os.environ["PATH"]},
    )
    try:
        wait_until(lambda: _listens(port), "sshd listens")
        scripts.use_example("ssh")
        for key, value in {
            "CONNECT_OPTIONS__PORT": port,
            "CONNECT_OPTIONS__USERNAME": getpass.getuser(),
            "CONNECT_OPTIONS__CLIENT_KEYS": [str(folder / "client_key")],
            "CONNECT_OPTIONS__KNOWN_HOSTS": None,
            "WORKER_OPTIONS__HOST": "127.0.0.1",
            "SCHEDULER_OPTIONS__HOST": "127.0.0.1",
            "SCHEDULER_OPTIONS__DASHBOARD_ADDRESS": ":0",
            "REMOTE_PYTHON": sys.executable,
        }.items():
            monkeypatch.setenv(f"DASK_CTL__CLUSTER_KWARGS__{key}", str(value))
        hosts = ["127.0.0.1"] * 3
        monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC__ARGS", str([hosts]))
        yield scripts
        wait_until(lambda: not scripts.processes(), "every remote process has ended")
    finally:
        daemon.terminate()
        daemon.wait(timeout=30)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
