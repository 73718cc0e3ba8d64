"""What is claimed of every backend that runs the script."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from tests.backends.figures import Measured
from tests.backends.scripts import (
    ANSWER,
    ASYNCHRONOUS,
    SCRIPT,
    WORK_FOR_EVER,
    Moment,
    Scripts,
)


class Claims(Measured):
    """The script on a backend: a test class of the backend derives from this.

    It has a fixture ``backend`` that gives `Scripts` with the backend's spec in their folder, and
    after the test sees to it that nothing is left.
    """

    script: ClassVar[str | Path] = SCRIPT
    asynchronous: ClassVar[str | Path] = ASYNCHRONOUS
    work: ClassVar[str] = WORK_FOR_EVER
    """The end of a script that is at work until Ctrl-C."""
    in_the_terminal: ClassVar[bool] = False
    """Whether Ctrl-C reaches the backend's processes too, which may tell of it themselves."""
    chatter: ClassVar[str] = "(?!)"
    """A pattern of what the backend itself says on stderr, whatever the script does."""

    @pytest.fixture(params=["scheduler", "worker"])
    def moment(
        self, request: pytest.FixtureRequest, backend: Scripts, monkeypatch: pytest.MonkeyPatch
    ) -> Moment:
        """Give a moment of the creation, here while a scheduler or a worker starts."""
        return backend.hold(request.param, monkeypatch)

    def run(self, backend: Scripts, script: str | Path) -> tuple[str, str, int]:
        """Run a script to its end: what it says on stdout and stderr, and its exit code."""
        return self.told(backend.run(*self.command, script))

    def told(self, run: subprocess.CompletedProcess[str]) -> tuple[str, str, int]:
        """What came of a script."""
        return run.stdout, re.sub(self.chatter, "", run.stderr), run.returncode

    def test_runs_the_script_unchanged(self, backend: Scripts) -> None:
        """The script gives its result and exit code 0, and nothing on stderr."""
        assert self.run(backend, self.script) == (ANSWER, "", 0)

    @pytest.mark.parametrize(
        ("end", "code", "last"),
        [("raise SystemExit(7)", 7, ""), ("1 / 0", 1, "ZeroDivisionError: division by zero\n")],
        ids=["exit", "exception"],
    )
    def test_passes_on_how_the_script_ends(
        self, backend: Scripts, end: str, code: int, last: str
    ) -> None:
        """An exception of the script gives its exit code, and no traceback but its own."""
        out, err, returned = self.run(backend, backend.longer(end))
        assert (out, returned) == (ANSWER, code), err
        assert err.startswith("Traceback") == bool(last), err
        assert err.count("Traceback") == bool(last), err
        assert err.endswith(last)

    def test_interrupt_during_work(self, backend: Scripts) -> None:
        """Ctrl-C while a task runs ends the script, and what it started."""
        process = backend.start(*self.command, backend.longer(self.work))
        _, err, returned = self.told(backend.interrupt(process))
        assert returned == -signal.SIGINT, err
        self.tells_of_the_interrupt(err)

    def test_interrupt_during_creation(self, backend: Scripts, moment: Moment) -> None:
        """Ctrl-C inside ``create_cluster`` likewise."""
        process = backend.start(*self.command, self.script)
        out, err, returned = self.told(backend.interrupt(process, moment))
        assert (out, returned) == ("", -signal.SIGINT), err
        self.tells_of_the_interrupt(err)

    def tells_of_the_interrupt(self, err: str) -> None:
        lines = err.splitlines()
        assert "KeyboardInterrupt" in (lines if self.in_the_terminal else lines[-1:]), err

    def test_asynchronous(self, backend: Scripts) -> None:
        """``async with create_cluster(asynchronous=True)`` in a script, likewise."""
        assert self.run(backend, self.asynchronous) == ("6\n", "", 0)


class Scalable(Claims):
    """A backend whose clusters can be scaled."""

    small: ClassVar[dict[str, Any]] = {"N_WORKERS": 0}
    """The arguments of a cluster that starts with fewer than two workers."""

    @pytest.mark.parametrize(
        "size", [{"scale": 2}, {"adapt": {"minimum": 2, "maximum": 2}}], ids=["scale", "adapt"]
    )
    def test_scale_and_adapt(
        self, backend: Scripts, monkeypatch: pytest.MonkeyPatch, size: dict[str, Any]
    ) -> None:
        """A cluster that starts smaller gets its workers by ``scale``, or by ``adapt``."""
        path = backend.cwd / "dask-cluster.yaml"
        spec = yaml.safe_load(path.read_text())
        kept = {key: spec[key] for key in spec if key not in ("scale", "adapt")}
        path.write_text(yaml.safe_dump(kept | size))
        for name, value in self.small.items():
            monkeypatch.setenv(f"DASK_CTL__CLUSTER_KWARGS__{name}", str(value))
        script = backend.longer("client.wait_for_workers(2, timeout=80)\n")
        assert self.run(backend, script) == (ANSWER, "", 0)


class FixedSize(Claims):
    """A backend whose clusters stay as they start."""

    nowhere: ClassVar[dict[str, Any]]
    """Arguments with which whoever connected would fail."""

    @pytest.mark.parametrize(("key", "variable"), [("scale", "SCALE"), ("adapt", "ADAPT__MAXIMUM")])
    def test_a_fixed_size_is_said_before_anything_starts(
        self, backend: Scripts, monkeypatch: pytest.MonkeyPatch, key: str, variable: str
    ) -> None:
        """A spec that would scale is refused before anything is connected to."""
        monkeypatch.setenv(f"DASK_CTL__CLUSTER_SPEC__{variable}", "4")
        for name, value in self.nowhere.items():
            monkeypatch.setenv(f"DASK_CTL__CLUSTER_KWARGS__{name}", str(value))
        out, err, returned = self.run(backend, self.script)
        assert (out, returned) == ("", 1)
        spec = yaml.safe_load((backend.cwd / "dask-cluster.yaml").read_text())
        target = f"{spec['module']}.{spec['class']}"
        why = "its clusters have a fixed size"
        problem = f"{key}: {target} cannot {key}: {why}; remove '{key}' from the spec"
        assert err.splitlines()[-1].endswith(problem), err
