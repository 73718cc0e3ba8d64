"""The script of the announcement on KubeCluster: its own client and operator, unmodified."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from kube_client import Kubernetes, wait_until

from tests.conftest import ROOT

EXAMPLES = ROOT / "docs" / "examples"
SCRIPT = EXAMPLES / "myscript.py"
SPEC = EXAMPLES / "kubernetes" / "dask-cluster.yaml"
ANSWER = "[0, 2, 4, 6, 8, 10, 12, 14, 16, 18]\n"
LEFT_RUNNING = (
    "dask-cluster.yaml:3: dask_kubernetes.operator.KubeCluster connected to 'foo', which was there "
    "before, so it is left running; for a cluster of its own, choose another name"
)
pytestmark = pytest.mark.timeout(300)
Python = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def spec(isolated: Path) -> Path:
    """The example's spec beside the script."""
    return Path(shutil.copy(SPEC, isolated))


def prints_the_answer(done: subprocess.CompletedProcess[str]) -> bool:
    # Before it comes the panel in which KubeCluster shows its progress.
    return done.stdout.endswith(ANSWER) and done.returncode == 0 and "Traceback" not in done.stderr


def test_what_is_asked_of_kubernetes(
    python: Python, api_server: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The spec as it stands arrives; without an operator, one error says so and nothing is left."""
    kubeconfig = api_server()
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    done = python(SCRIPT, env={"DASK_KUBERNETES__RESOURCE_TIMEOUT": "1"})
    assert done.returncode == 1
    assert (
        "BackendError: dask-cluster.yaml:3: dask_kubernetes.operator.KubeCluster failed: "
        "Dask Cluster resource not actioned after 1 seconds, is the Dask Operator running?"
    ) in done.stderr.strip().splitlines()[-1]
    server = json.loads(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    clusters = f"{server}/apis/kubernetes.dask.org/v1/namespaces/bar/daskclusters"
    with urlopen(f"{clusters}?watch=true&timeoutSeconds=1") as response:
        added, deleted = map(json.loads, response)
    assert (added["type"], deleted["type"]) == ("ADDED", "DELETED")
    asked = added["object"]
    assert (asked["metadata"]["name"], asked["metadata"]["namespace"]) == ("foo", "bar")
    assert asked["spec"]["worker"]["replicas"] == 20
    for part in ("scheduler", "worker"):
        (container,) = asked["spec"][part]["spec"]["containers"]
        assert container["image"] == "ghcr.io/dask/dask:latest"


@pytest.mark.usefixtures("kubernetes")
def test_announcement(python: Python) -> None:
    """The script runs as it stands, and nothing is left."""
    done = python(SCRIPT)
    assert prints_the_answer(done), done


@pytest.mark.usefixtures("kubernetes")
def test_exception_in_the_script(python: Python, isolated: Path) -> None:
    """An exception of the script gives its traceback and exit code, and nothing is left."""
    (isolated / "raises.py").write_text(SCRIPT.read_text() + "raise SystemExit(1 / 0)\n")
    (isolated / "exits.py").write_text(SCRIPT.read_text() + "raise SystemExit(7)\n")
    done = python("raises.py")
    assert (done.stderr.count("Traceback"), done.returncode) == (1, 1), done.stderr
    assert done.stderr.strip().splitlines()[-1] == "ZeroDivisionError: division by zero"
    # Silent, too, if the spec says so; and right after the other of the same name.
    done = python("exits.py", env={"DASK_CTL__CLUSTER_KWARGS__QUIET": "true"})
    assert (done.stdout, done.stderr, done.returncode) == (ANSWER, "", 7)


@pytest.mark.usefixtures("kubernetes")
def test_asynchronous(python: Python) -> None:
    """The asynchronous script runs, and nothing is left."""
    done = python(EXAMPLES / "asynchronous.py")
    assert (done.stdout[-2:], done.returncode) == ("6\n", 0), done
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("kubernetes")
@pytest.mark.parametrize("size", ["scale: 2", "adapt: {minimum: 2, maximum: 2}"])
def test_scale_and_adapt(python: Python, isolated: Path, spec: Path, size: str) -> None:
    """`scale` and `adapt` of a spec are called, and the logs of the pods can be read."""
    with spec.open("a") as file:
        file.write(f"{size}\n")
    more = (
        "client.wait_for_workers(2, timeout=120)\n"
        "print(any('Scheduler at' in log for log in cluster.get_logs().values()))\n"
    )
    (isolated / "two.py").write_text(SCRIPT.read_text() + more)
    done = python("two.py", env={"DASK_CTL__CLUSTER_KWARGS__N_WORKERS": "1"}, timeout=200)
    assert done.stdout.endswith(f"{ANSWER}True\n"), done
    assert (done.stderr, done.returncode) == ("", 0)


@contextmanager
def started(script: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a script beside the test, which says "now" on a line of its own."""
    process = subprocess.Popen(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(ROOT), "DASK_CTL__CLUSTER_KWARGS__QUIET": "true"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == "now\n", process.stderr.read() if process.stderr else line
        yield process
    finally:
        process.send_signal(signal.SIGINT)  # if it still runs, its cluster does, too
        process.communicate(timeout=60)


@pytest.mark.usefixtures("kubernetes")
def test_same_name_twice(python: Python, isolated: Path) -> None:
    """A script that connects to another one's cluster says so, and leaves it running."""
    script = SCRIPT.read_text()
    (isolated / "first.py").write_text(
        f"print('now', flush=True)\n{script}input()\nprint(client.submit(double, 4).result())\n"
    )
    (isolated / "interrupted.py").write_text(f"print('now', flush=True)\n{script}")
    (isolated / "closes.py").write_text(f"{script}client.close()\ncluster.close()\n")
    with started(isolated / "first.py") as first:
        assert first.stdout is not None
        assert first.stdout.readline() == ANSWER
        for second in (SCRIPT, "closes.py"):
            done = python(second)
            assert prints_the_answer(done), done
            assert done.stderr.count(LEFT_RUNNING) == 1
        for times in (1, 2):  # the second Ctrl-C stops the connecting at once
            with started(isolated / "interrupted.py") as second:
                for _ in range(times):
                    second.send_signal(signal.SIGINT)
                    time.sleep(0.1)  # two signals at once are one
                assert second.wait(timeout=60) == -signal.SIGINT
        output, errors = first.communicate("\n", timeout=60)
        assert (output, errors, first.returncode) == ("8\n", "", 0)


@pytest.mark.usefixtures("kubernetes")
def test_create_right_after_delete(python: Python, isolated: Path) -> None:
    """A cluster of the same name can be created as soon as the last one is closed."""
    (isolated / "again.py").write_text(
        "import dask_ctl\n"
        "from dask.distributed import Client\n"
        "for number in (1, 2):\n"
        "    with dask_ctl.create_cluster() as cluster, Client(cluster) as client:\n"
        "        print(client.submit(sum, [number, number]).result())\n"
    )
    for _ in range(2):
        done = python("again.py", env={"DASK_CTL__CLUSTER_KWARGS__QUIET": "true"})
        assert (done.stdout, done.stderr, done.returncode) == ("2\n4\n", "", 0)


@pytest.mark.parametrize("moment", ["creation", "work"])
def test_interrupted(kubernetes: Kubernetes, isolated: Path, moment: str) -> None:
    """Ctrl-C during creation and during work ends the script and its cluster."""
    now = "print('now', flush=True)\n"
    script = SCRIPT.read_text()
    waits = f"{now}client.submit(__import__('time').sleep, 99).result()\n"
    (isolated / "slow.py").write_text(
        now + script if moment == "creation" else script.replace("print(results)\n", waits)
    )
    with started(isolated / "slow.py") as process:
        wait_until(kubernetes.clusters, "the cluster is being made")
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=100)
    assert process.returncode == -signal.SIGINT
    assert errors.strip().splitlines()[-1] == "KeyboardInterrupt"
    assert output == ""
