"""A Kubernetes with Dask's operator for the length of the test run."""

from __future__ import annotations

import importlib.util
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from kube_client import Kubernetes

from tests.backends.daemons import ending_with_us
from tests.backends.scripts import wait_until
from tests.conftest import unavailable

REAL = os.environ.get("DASK_CTL_TEST_KUBECONFIG")  # read here, since `isolated` removes DASK_*
PACKAGES = ("aiohttp", "dask_kubernetes", "kopf", "kr8s", "trustme")
INSTALL = "pip install dask-kubernetes aiohttp trustme"
OPERATOR = ("run", "--all-namespaces", "-m", "dask_kubernetes.operator.controller")
HERE = Path(__file__).parent


def require_packages() -> None:
    if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        unavailable(f"{', '.join(missing)} not found", INSTALL)


@pytest.fixture(scope="session")
def api_server() -> Iterator[Callable[[], Path]]:
    """Start API servers in memory, each with its kubeconfig; stop them at the end."""
    require_packages()
    with ExitStack() as at_end:

        def start() -> Path:
            folder = Path(at_end.enter_context(tempfile.TemporaryDirectory(prefix="kube-")))
            log = at_end.enter_context((folder / "api.log").open("w"))
            command = [sys.executable, HERE / "kube_api.py", folder]
            # With a home of its own, its pods are no processes of the test's scripts.
            environment = {**os.environ, "HOME": str(folder)}
            process = subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log
            )
            at_end.callback(process.wait, timeout=60)
            assert process.stdin is not None
            at_end.callback(process.stdin.close)
            kubeconfig = folder / "kubeconfig"
            wait_until(kubeconfig.exists, "the API server listens")
            return kubeconfig

        yield start
        # dask-kubernetes forwards ports until the process ends, and whoever looks for schedulers
        # connects to them: asyncio tells of each connection that leads nowhere by now.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Find a Kubernetes on which Dask's operator runs.

    That is the real cluster that ``DASK_CTL_TEST_KUBECONFIG`` names, where the operator and the
    namespace ``bar`` are expected to be there, or else an API server in memory.
    """
    require_packages()
    if REAL:
        yield Path(REAL)
        return
    path = request.getfixturevalue("api_server")()
    own = path.with_name("operator")  # which is answered while nobody else is
    own.write_text(path.read_text().replace("127.0.0.1", "localhost"))
    with (path.parent / "operator.log").open("w") as log:
        operator = subprocess.Popen(
            ending_with_us(sys.executable, "-m", "kopf", *OPERATOR),
            env={**os.environ, "KUBECONFIG": str(own)},
            stdout=log,
            stderr=log,
        )
        yield path
        operator.terminate()
        operator.wait(timeout=60)


@pytest.fixture
def kubernetes(
    kubeconfig: Path,
    isolated: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Kubernetes]:
    """Use Kubernetes, and leave nothing in it: no object, no process."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    # Outside of Kubernetes no Service has a name; without this the client tries for 20 seconds.
    monkeypatch.setenv("DASK_KUBERNETES__PORT_FORWARD_CLUSTER_IP", "true")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__N_WORKERS", "2")
    # A real one may be older than kr8s likes, which is not what is tested.
    monkeypatch.setenv("PYTHONWARNINGS", "ignore:Kubernetes version:UserWarning")
    kubernetes = Kubernetes(kubeconfig)
    yield kubernetes
    try:
        wait_until(lambda: not kubernetes.left(), "nothing is left", 60)
        wait_until(lambda: not kubernetes.processes(), "every process has ended", 60)
    finally:
        kubernetes.delete()
