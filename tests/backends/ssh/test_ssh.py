"""The announcement's script on machines reached by a real sshd."""

from __future__ import annotations

import signal
import sys

import pytest

from tests.backends.scripts import ANSWER, ASYNCHRONOUS, SCRIPT, WORK_FOR_EVER, Scripts

# SSHCluster itself leaves a worker whose task never ends; see its page in the documentation.
SHORT_TASKS = (
    WORK_FOR_EVER.replace("time.sleep(3600)", "return")
    + "while True:\n    client.submit(time.sleep, 0.1, pure=False).result()\n"
)


def test_runs_the_script_unchanged(ssh: Scripts) -> None:
    """The script gives its result and exit code 0, and on stderr only what SSHCluster logs."""
    run = ssh.python(SCRIPT)
    assert (run.stdout, run.returncode) == (ANSWER, 0), run.stderr
    assert "Traceback" not in run.stderr


def test_passes_on_an_exception(ssh: Scripts) -> None:
    """An exception of the script gives its exit code, and no traceback but its own."""
    run = ssh.python(ssh.longer("1 / 0"))
    assert (run.stdout, run.returncode) == (ANSWER, 1), run.stderr
    assert run.stderr.count("Traceback") == 1
    assert run.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_interrupt_during_work(ssh: Scripts) -> None:
    """Ctrl-C while tasks run ends the script, and what it started on other machines."""
    run = ssh.interrupt(ssh.start(sys.executable, ssh.longer(SHORT_TASKS)))
    assert run.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in run.stderr.splitlines(), run.stderr


def test_asynchronous(ssh: Scripts) -> None:
    """``async with create_cluster(asynchronous=True)`` in a script, likewise."""
    run = ssh.python(ASYNCHRONOUS)
    assert (run.stdout, run.returncode) == ("6\n", 0), run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(("key", "variable"), [("scale", "SCALE"), ("adapt", "ADAPT__MAXIMUM")])
def test_a_fixed_size_is_said_before_anything_starts(
    ssh: Scripts, monkeypatch: pytest.MonkeyPatch, key: str, variable: str
) -> None:
    """A spec that would scale is refused before any machine is connected to."""
    monkeypatch.setenv(f"DASK_CTL__CLUSTER_SPEC__{variable}", "4")
    # Nobody listens there: whoever connected would say so.
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__CONNECT_OPTIONS__PORT", "1")
    run = ssh.python(SCRIPT)
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].endswith(
        f"{key}: dask.distributed.SSHCluster cannot {key}; remove '{key}' from the spec"
    ), run.stderr


def test_a_machine_that_refuses(ssh: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that does not answer ends the script with one line that names the spec."""
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__CONNECT_OPTIONS__PORT", "1")
    run = ssh.python(SCRIPT)
    assert run.returncode == 1
    last = run.stderr.splitlines()[-1]
    assert "BackendError: dask-cluster.yaml" in last, run.stderr
    assert "SSHCluster failed: " in last
