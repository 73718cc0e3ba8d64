"""The script of the announcement on KubeCluster: its own client and operator, unmodified."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar
from urllib.request import urlopen

import pytest
from kube_client import Kubernetes, in_memory

from tests.backends.claims import Scalable
from tests.backends.scripts import (
    ANSWER,
    ASYNCHRONOUS,
    SCRIPT,
    SEEN,
    Moment,
    Scripts,
    refused,
    wait_until,
)

WAIT_AND_GO_ON = """
import pathlib, time

(ready := pathlib.Path("ready")).touch()
while ready.exists():
    time.sleep(0.05)
print(client.submit(double, 4).result())
"""
LEFT_RUNNING = (
    "dask-cluster.yaml:3: dask_kubernetes.operator.KubeCluster connected to 'foo', which was there "
    "before, so it is left running; for a cluster of its own, choose another name"
)


@pytest.fixture(autouse=True)
def spec(scripts: Scripts) -> None:
    """Use the example spec."""
    scripts.use_example("kubernetes")


def test_what_is_asked_of_kubernetes(
    scripts: Scripts, api_server: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The spec as it stands arrives; without an operator, one error says so and nothing is left."""
    kubeconfig = api_server()
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setenv("DASK_KUBERNETES__RESOURCE_TIMEOUT", "1")
    run = scripts.python(SCRIPT)
    assert run.returncode == 1
    assert (
        "dask_ctl: dask-cluster.yaml:3: dask_kubernetes.operator.KubeCluster failed: "
        "Dask Cluster resource not actioned after 1 seconds, is the Dask Operator running?"
    ) in run.stderr.strip().splitlines()[-1]
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


class TestKubernetes(Scalable):
    """Every part of the cluster is in a pod."""

    small: ClassVar[dict[str, int]] = {"N_WORKERS": 1}
    package = "dask-kubernetes"

    @pytest.fixture
    def backend(
        self, kubernetes: Kubernetes, scripts: Scripts, monkeypatch: pytest.MonkeyPatch
    ) -> Scripts:
        """Use the example spec, without the panel that shows the progress."""
        monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__QUIET", "true")
        return scripts

    @pytest.fixture
    def busy(self, kubernetes: Kubernetes) -> Callable[[], object]:
        """Whether anything is left of the cluster."""
        return lambda: kubernetes.left() or kubernetes.processes()

    @pytest.fixture(params=["DaskCluster", "Deployment", "Pod", "DaskWorkerGroup"])
    def moment(self, request: pytest.FixtureRequest, kubernetes: Kubernetes) -> Moment:
        """Give a moment of the creation, by an object that then exists."""
        return Moment(lambda: request.param in [found.kind for found in kubernetes.left()])

    def test_configuration_and_variables_reach_workers(self, backend: Scripts) -> None:
        """What the spec hands on is what a task in a pod sees."""
        assert self.run(backend, backend.carry()) == (SEEN, "", 0)

    def test_logs(self, backend: Scripts) -> None:
        """The logs of the pods can be read."""
        reads = "print(any('Scheduler at' in log for log in cluster.get_logs().values()))\n"
        assert self.run(backend, backend.longer(reads)) == (f"{ANSWER}True\n", "", 0)

    def test_create_right_after_delete(self, backend: Scripts) -> None:
        """A cluster of the same name can be created as soon as the last one is closed."""
        (again := backend.cwd / "again.py").write_text(
            "import dask_ctl\n"
            "from dask.distributed import Client\n"
            "for number in (1, 2):\n"
            "    with dask_ctl.create_cluster() as cluster, Client(cluster) as client:\n"
            "        print(client.submit(sum, [number, number]).result())\n"
        )
        for _ in range(2):
            assert self.run(backend, again) == ("2\n4\n", "", 0)

    def test_same_name_twice(self, backend: Scripts) -> None:
        """A script that connects to another one's cluster says so, and leaves it running."""
        script, ready, connecting = SCRIPT.read_text(), backend.cwd / "ready", backend.cwd / "now"
        (closes := backend.cwd / "closes.py").write_text(
            f"{script}client.close()\ncluster.close()\n"
        )
        (connects := backend.cwd / "connects.py").write_text(
            f"import pathlib\npathlib.Path('now').touch()\n{script}"
        )
        first = backend.start(*self.command, backend.longer(WAIT_AND_GO_ON))
        wait_until(lambda: ready.exists() or first.poll() is not None, "the first has run", 60)
        for second in (SCRIPT, closes):
            out, err, returned = self.run(backend, second)
            assert (out, returned) == (ANSWER, 0), err
            assert err.count(LEFT_RUNNING) == 1
        for times in (1, 2):
            process = backend.start(*self.command, connects)

            def let_go(process: subprocess.Popen[str] = process, times: int = times) -> None:
                connecting.unlink()
                if times == 2:  # which stops the connecting at once
                    assert process.stderr is not None
                    process.stderr.readline()  # two signals at once are one
                    os.killpg(process.pid, signal.SIGINT)

            run = backend.interrupt(process, Moment(connecting.exists, let_go))
            assert (run.stdout, run.returncode) == ("", -signal.SIGINT), run.stderr
        ready.unlink()
        run = backend.finished(first)
        assert (run.stdout, run.stderr, run.returncode) == (f"{ANSWER}8\n", "", 0)

    def test_same_name_at_the_same_moment(self, backend: Scripts, kubernetes: Kubernetes) -> None:
        """One makes it; the other connects, is told so, and deletes nothing."""
        if not in_memory(kubernetes.kubeconfig):
            pytest.skip("a real API server cannot be told to hide what it has for a moment")
        ready = backend.cwd / "ready"
        first = backend.start(*self.command, backend.longer(WAIT_AND_GO_ON))
        wait_until(lambda: ready.exists() or first.poll() is not None, "the first has run", 60)
        for script, answer in ((SCRIPT, ANSWER), (ASYNCHRONOUS, "6\n")):
            (unseen := kubernetes.kubeconfig.parent / "unseen").touch()
            out, err, returned = self.run(backend, script)
            assert (out, returned) == (answer, 0), err
            assert err.count("connected to 'foo', which was there before") == 1
            assert not unseen.exists()
        ready.unlink()
        run = backend.finished(first)
        assert (run.stdout, run.stderr, run.returncode) == (f"{ANSWER}8\n", "", 0)

    def test_kept_for_later(
        self, backend: Scripts, kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With ``shutdown_on_close: false`` later scripts compute on the cluster of the first."""
        monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__SHUTDOWN_ON_CLOSE", "false")
        assert self.run(backend, SCRIPT) == (ANSWER, "", 0)
        (kept,) = kubernetes.clusters()
        for _ in range(2):
            out, err, returned = self.run(backend, SCRIPT)
            assert (out, returned) == (ANSWER, 0), err
            assert err.count(LEFT_RUNNING) == 1
            assert [found.metadata.uid for found in kubernetes.clusters()] == [kept.metadata.uid]
        kubernetes.delete()


def test_a_name_that_is_taken(
    kubernetes: Kubernetes, scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who wants to be told is told; the cluster of somebody else stays, also at the end."""
    scripts.use_example("kubernetes")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__QUIET", "true")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__SHUTDOWN_ON_CLOSE", "false")
    assert scripts.python(SCRIPT).stdout == ANSWER
    monkeypatch.delenv("DASK_CTL__CLUSTER_KWARGS__SHUTDOWN_ON_CLOSE")
    (before,) = kubernetes.clusters()
    mode = "${import:dask_kubernetes.operator.kubecluster.kubecluster:CreateMode.CREATE_ONLY}"
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__CREATE_MODE", mode)
    for script in (SCRIPT, ASYNCHRONOUS):
        run = scripts.python(script)
        assert run.returncode == 1
        assert "Cluster foo already exists" in run.stderr
        assert [each.metadata.uid for each in kubernetes.clusters()] == [before.metadata.uid]
    kubernetes.delete()


def test_announcement(kubernetes: Kubernetes, scripts: Scripts) -> None:
    """The script runs with nothing laid over its spec but the number of workers."""
    run = scripts.python(SCRIPT)
    # Before the answer comes the panel in which KubeCluster shows its progress.
    assert (run.stdout[-len(ANSWER) :], run.stderr, run.returncode) == (ANSWER, "", 0)


class TestNeverReady:
    """The image of its pods cannot be had."""

    @pytest.fixture(autouse=True)
    def _image(self, kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch) -> None:
        if not in_memory(kubernetes.kubeconfig):
            pytest.skip("a real node may say so in other words, and a stand-in pulls no images")
        monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__IMAGE", "nowhere/dask")
        monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__QUIET", "true")

    def test_interrupted(self, kubernetes: Kubernetes, scripts: Scripts) -> None:
        """The reason is said; Ctrl-C ends it at once, and leaves nothing."""
        process = scripts.start(sys.executable, SCRIPT)
        assert process.stderr is not None
        said = process.stderr.readline()
        assert re.fullmatch(
            r"waiting for its parts: . of . pods: ImagePullBackOff: no image nowhere/dask\n", said
        )
        run = scripts.interrupt(process, Moment(lambda: True))
        assert run.returncode == -signal.SIGINT, run.stderr
        assert kubernetes.clusters() == []

    def test_interrupted_early(self, kubernetes: Kubernetes, scripts: Scripts) -> None:
        """The first Ctrl-C is not held until it is ready, which is never."""
        process = scripts.start(sys.executable, SCRIPT)
        run = scripts.interrupt(process, Moment(kubernetes.clusters))
        assert run.returncode == -signal.SIGINT, run.stderr
        assert kubernetes.clusters() == []

    def test_in_time(self, kubernetes: Kubernetes, scripts: Scripts) -> None:
        """A command that may not take longer gives the reason, and leaves nothing."""
        began = time.monotonic()
        run = scripts.dask_cluster("create", "--timeout", "12s")
        assert time.monotonic() - began < 25
        refused(run, 5, "was not there in time; it said: .*ImagePullBackOff: no image nowhere/dask")
        assert kubernetes.clusters() == []
