"""The announcement's script on clusters of this machine."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import pytest

from tests.backends.scripts import ANSWER, ASYNCHRONOUS, SCRIPT, WORK_FOR_EVER, Scripts

DASHBOARD = {
    "local": "DASHBOARD_ADDRESS",
    "local-threads": "DASHBOARD_ADDRESS",
    "local-jobqueue": "SCHEDULER_OPTIONS__DASHBOARD_ADDRESS",
    "subprocess": "DASHBOARD_ADDRESS",
}


@pytest.fixture(params=DASHBOARD)
def example(
    request: pytest.FixtureRequest, scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Use the example spec of each class, with a dashboard that is in nobody's way."""
    name: str = request.param
    scripts.use_example(name)
    monkeypatch.setenv(f"DASK_CTL__CLUSTER_KWARGS__{DASHBOARD[name]}", ":0")
    yield name
    if name == "subprocess":
        # Its scheduler is killed, so its file stays, however the class is called.
        for scheduler_file in scripts.tmp.glob("*-*-*-*-*"):
            assert "address" in scheduler_file.read_text()
            scheduler_file.unlink()


@pytest.mark.usefixtures("example")
def test_runs_the_script_unchanged(scripts: Scripts) -> None:
    """The script gives its result and exit code 0, and nothing on stderr."""
    run = scripts.python(SCRIPT)
    assert (run.stdout, run.stderr, run.returncode) == (ANSWER, "", 0)


@pytest.mark.usefixtures("example")
def test_passes_on_an_exception(scripts: Scripts) -> None:
    """An exception of the script gives its exit code, and no traceback but its own."""
    run = scripts.python(scripts.longer("1 / 0"))
    assert (run.stdout, run.returncode) == (ANSWER, 1), run.stderr
    assert run.stderr.count("Traceback") == 1
    assert run.stderr.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.usefixtures("example")
def test_interrupt_during_work(scripts: Scripts) -> None:
    """Ctrl-C while a task runs ends the script and all that it started."""
    run = scripts.interrupt(scripts.start(sys.executable, scripts.longer(WORK_FOR_EVER)))
    assert run.returncode == -signal.SIGINT
    # The backend's processes are in the same terminal, and may tell of it themselves.
    assert "KeyboardInterrupt" in run.stderr.splitlines()


@pytest.mark.usefixtures("example")
def test_asynchronous(scripts: Scripts) -> None:
    """``async with create_cluster(asynchronous=True)`` in a script, likewise."""
    run = scripts.python(ASYNCHRONOUS)
    assert (run.stdout, run.stderr, run.returncode) == ("6\n", "", 0)


@pytest.mark.parametrize("variable", ["SCALE=1", "ADAPT__MINIMUM=1"])
def test_scale_and_adapt(
    scripts: Scripts, example: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """A cluster that starts without workers gets them by ``scale``, or by ``adapt``."""
    spec = scripts.cwd / "dask-cluster.yaml"
    if example == "local-jobqueue":
        spec.write_text(spec.read_text().replace("scale:", "# scale:"))
    else:
        monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__N_WORKERS", "0")
    name, _, value = variable.partition("=")
    monkeypatch.setenv(f"DASK_CTL__CLUSTER_SPEC__{name}", value)
    run = scripts.python(SCRIPT)
    assert (run.stdout, run.stderr, run.returncode) == (ANSWER, "", 0)
