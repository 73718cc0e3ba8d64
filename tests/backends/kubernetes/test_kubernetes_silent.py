"""An API server that stops answering in the middle: all ends in time, and says what may be left."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kube_client import Kubernetes, in_memory

from dask_ctl.hosts import store as records
from tests.backends.scripts import ANSWER, SCRIPT, Moment, Scripts, ok, wait_until

LEFT = "DaskCluster foo of namespace bar may be left: .*; to delete it: kubectl delete daskcluster"
WAIT = """
import pathlib, time

(ready := pathlib.Path("ready")).touch()
while ready.exists():
    time.sleep(0.05)
"""


@pytest.fixture
def silence(
    kubernetes: Kubernetes, scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A file for whose time the API server answers nobody."""
    if not in_memory(kubernetes.kubeconfig):
        pytest.skip("a real API server cannot be told to be silent")
    scripts.use_example("kubernetes")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__QUIET", "true")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__N_WORKERS", "1")
    stalled = kubernetes.kubeconfig.parent / "stalled"
    yield stalled
    stalled.unlink(missing_ok=True)
    kubernetes.delete()


@pytest.fixture
def in_the_middle(silence: Path, kubernetes: Kubernetes, scripts: Scripts) -> subprocess.Popen[str]:
    """A script in the middle of its creation, whose API server falls silent."""
    process = scripts.start(sys.executable, SCRIPT)
    wait_until(lambda: "Pod" in [found.kind for found in kubernetes.left()], "it has begun", 60)
    silence.touch()
    return process


def test_while_it_is_made(in_the_middle: subprocess.Popen[str], scripts: Scripts) -> None:
    """The script ends by itself."""
    run = scripts.finished(in_the_middle, 120)
    assert (run.stdout, run.returncode) == ("", 1)
    assert re.search(f"KubeCluster failed: .*; {LEFT}", run.stderr.splitlines()[-1]), run.stderr


def test_interrupted(in_the_middle: subprocess.Popen[str], scripts: Scripts) -> None:
    """One Ctrl-C is enough."""
    began = time.monotonic()
    run = scripts.interrupt(in_the_middle, Moment(lambda: True))
    assert time.monotonic() - began < 30
    assert (run.stdout, run.returncode) == ("", -signal.SIGINT), run.stderr
    assert re.search(LEFT, run.stderr), run.stderr


@pytest.mark.parametrize("closes", [True, False])
def test_while_it_closes(silence: Path, scripts: Scripts, *, closes: bool) -> None:
    """Whether the script closes it, or its end does."""
    ready = scripts.cwd / "ready"
    process = scripts.start(
        sys.executable, scripts.longer(WAIT + ("client.close()\ncluster.close()\n" * closes))
    )
    wait_until(lambda: ready.exists() or process.poll() is not None, "it has run", 60)
    silence.touch()
    ready.unlink()
    run = scripts.finished(process, 120)
    assert (run.stdout, run.returncode) == (ANSWER, int(closes)), run.stderr
    assert re.search("DaskCluster foo .*may be left", run.stderr.splitlines()[-1]), run.stderr
    assert closes or run.stderr.count("\n") == 1


def test_commands(silence: Path, scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each within the time that it was given, and nothing is forgotten."""
    monkeypatch.setenv("DASK_CTL__DISABLE_DISCOVERY", "[schedulers]")
    ok(scripts.dask_cluster("create", "--wait", "1"))
    monkeypatch.setenv("DASK_CTL__DISCOVERY__TIMEOUT", "4s")
    silence.touch()
    for command, code, told in (
        (("list", "kubecluster"), 7, "failed: no answer within 4 s"),
        (("delete", "--yes", "bar/other"), 7, "not all could be asked for"),
        (("delete", "--yes", "bar/foo"), 5, "'foo'"),
        (("delete", "--yes", "--timeout", "5", "foo"), 5, "'foo'"),
        (("scale", "--timeout", "5", "foo", "2"), 5, "'foo'"),
        (("logs", "foo"), 5, "'foo'"),
    ):
        began = time.monotonic()
        run = scripts.dask_cluster(*command)
        assert time.monotonic() - began < (25 if "--timeout" in command else 45), command
        assert (run.stdout, run.returncode) == ("", code), run.stderr
        assert told in run.stderr, run.stderr
        assert "Traceback" not in run.stderr
    assert records.names() == ["foo"]
    silence.unlink()
    ok(scripts.dask_cluster("delete", "--yes", "foo"))
