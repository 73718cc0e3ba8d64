"""What a script on a cluster of batch jobs does, whichever system runs them.

A folder of `tests/backends` whose tests subclass `ClusterOfJobs` has a fixture ``batch``: a
`BatchSystem` that runs two jobs of its example spec at a time, with that spec as the current one.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest
import yaml

from tests.backends.scripts import (
    ANSWER,
    ASYNCHRONOUS,
    SCRIPT,
    SEEN,
    WORK_FOR_EVER,
    Moment,
    Scripts,
    refused,
    wait_until,
)
from tests.conftest import ROOT, unavailable

WAIT_TO_GO_ON = """
import pathlib, time
while not pathlib.Path("go-on").exists():
    time.sleep(0.01)
pathlib.Path("go-on").unlink()
"""

WAIT_UNTIL_WORKERS_ARE_GONE = """
import sys, time
sys.stdout.flush()
futures.clear()
while client.scheduler_info()["workers"]:
    time.sleep(0.1)
"""


class BatchSystem(Scripts, ABC):
    """A user's folder and environment where jobs can be submitted."""

    @abstractmethod
    def queue(self) -> list[str]:
        """Give the state of each job that is queued, running or ending."""

    def change_spec(self, **keys: Any) -> None:
        """Lay something over the current spec, in the place of the number of its workers."""
        path = self.cwd / "dask-cluster.yaml"
        spec = yaml.safe_load(path.read_text())
        spec.pop("scale", None)
        spec["kwargs"].pop("n_workers", None)
        path.write_text(yaml.safe_dump({**spec, **keys}))

    def ask_for(self, jobs: int) -> None:
        """Have the spec ask for so many jobs."""
        spec = yaml.safe_load((self.cwd / "dask-cluster.yaml").read_text())
        self.change_spec(scale=jobs * spec["kwargs"]["processes"])


class ClusterOfJobs:
    """The announcement's script, whose workers are jobs; the fixture sees that none is left."""

    refusal: ClassVar[str]
    """What the system says of a queue ``absent``."""
    submitting: ClassVar[str]
    """The command that submits a job."""

    @pytest.fixture(autouse=True)
    def _silence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """How long jobs wait is this machine's business, and so is a note of it."""
        monkeypatch.setenv("DASK_CTL__WAITING_NOTES", "false")

    def test_runs_the_script_unchanged(self, batch: BatchSystem) -> None:
        """The script gives its result, exit code 0, and nothing on stderr."""
        run = batch.python(SCRIPT)
        assert (run.stdout, run.stderr, run.returncode) == (ANSWER, "", 0), run.stderr

    def test_configuration_and_variables_reach_workers(self, batch: BatchSystem) -> None:
        """What the spec hands on is what a task in a job sees; it is put back at the end."""
        run = batch.python(batch.carry())
        assert (run.stdout, run.returncode) == (SEEN, 0), run.stderr

    def test_asynchronous(self, batch: BatchSystem) -> None:
        """``async with create_cluster(asynchronous=True)`` in a script, likewise."""
        run = batch.python(ASYNCHRONOUS)
        assert (run.stdout, run.stderr, run.returncode) == ("6\n", "", 0), run.stderr

    def test_adapts(self, batch: BatchSystem) -> None:
        """``adapt`` in the spec submits jobs as there is work, and cancels them as there is none.

        The number of jobs goes down to none while the script still runs.
        """
        batch.change_spec(adapt={"minimum": 0, "maximum": 2, "interval": "100ms"})
        process = batch.start(
            sys.executable, batch.longer(WAIT_UNTIL_WORKERS_ARE_GONE + WAIT_TO_GO_ON)
        )
        assert process.stdout is not None
        assert process.stdout.readline() == ANSWER
        wait_until(lambda: not batch.queue(), "no job is left")
        (batch.cwd / "go-on").touch()
        run = batch.finished(process)
        assert (run.stdout, run.stderr, run.returncode) == ("", "", 0), run.stderr

    @pytest.mark.parametrize(
        ("end", "code", "last"),
        [("raise SystemExit(7)", 7, ""), ("raise KeyError(results)", 1, "KeyError")],
    )
    def test_passes_on_how_the_script_ends(
        self, batch: BatchSystem, end: str, code: int, last: str
    ) -> None:
        """An exception of the script gives its exit code, and no traceback but its own."""
        run = batch.python(batch.longer(end))
        assert (run.stdout, run.returncode) == (ANSWER, code), run.stderr
        assert run.stderr.count("Traceback") == bool(last)
        assert run.stderr.rpartition("\n")[0].rpartition("\n")[2].startswith(last)

    def test_pending_job_at_the_end_is_cancelled(self, batch: BatchSystem) -> None:
        """A job that still waits when the script ends is taken out of the queue."""
        batch.ask_for(3)
        process = batch.start(sys.executable, batch.longer(WAIT_TO_GO_ON))
        states = ["PENDING", "RUNNING", "RUNNING"]
        wait_until(lambda: sorted(batch.queue()) == states, "two jobs run and one waits")
        (batch.cwd / "go-on").touch()
        run = batch.finished(process)
        assert (run.stdout, run.stderr, run.returncode) == (ANSWER, "", 0), run.stderr

    def test_interrupt_during_work_cancels_running_and_pending_jobs(
        self, batch: BatchSystem
    ) -> None:
        """Ctrl-C in a script cancels its jobs, those too that wait for a free node."""
        batch.ask_for(4)
        process = batch.start(sys.executable, batch.longer(WORK_FOR_EVER))
        states = ["PENDING", "PENDING", "RUNNING", "RUNNING"]
        wait_until(lambda: sorted(batch.queue()) == states, "two jobs run and two wait")
        run = batch.interrupt(process)
        assert (run.stdout, run.returncode) == (ANSWER, -signal.SIGINT)
        assert run.stderr.count("Traceback") == 1
        assert run.stderr.splitlines()[-1] == "KeyboardInterrupt", run.stderr

    def test_interrupt_while_the_scheduler_starts(
        self, batch: BatchSystem, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Ctrl-C inside ``create_cluster`` ends the script, and no job is ever submitted."""
        held = batch.hold("scheduler", monkeypatch)
        run = batch.interrupt(batch.start(sys.executable, SCRIPT), held)
        assert (run.stdout, run.returncode) == ("", -signal.SIGINT), run.stderr
        assert run.stderr.splitlines()[-1] == "KeyboardInterrupt", run.stderr

    @pytest.mark.parametrize("asynchronous", [False, True])
    def test_interrupt_while_jobs_are_submitted(
        self, batch: BatchSystem, *, asynchronous: bool
    ) -> None:
        """Ctrl-C when the first of many jobs is in the queue leaves none of them there."""
        batch.ask_for(12)
        process = batch.start(
            sys.executable, ASYNCHRONOUS if asynchronous else batch.longer(WORK_FOR_EVER)
        )
        run = batch.interrupt(process, Moment(batch.queue))  # the first job is queued
        # Where the script is by then is chance, and its client may have more to say; the fixture
        # sees to it that no job is left.
        assert "KeyboardInterrupt" in run.stderr.splitlines(), run.stderr

    @pytest.mark.parametrize("asynchronous", [False, True])
    def test_refused_jobs_are_an_error_that_says_why(
        self, batch: BatchSystem, monkeypatch: pytest.MonkeyPatch, *, asynchronous: bool
    ) -> None:
        """What the system says of a queue that does not exist ends the script; nothing stays."""
        monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__QUEUE", "absent")
        run = batch.python(ASYNCHRONOUS if asynchronous else SCRIPT)
        assert (run.stdout, run.returncode) == ("", 1)
        errors = [line for line in run.stderr.splitlines() if line.startswith("dask_ctl: ")]
        assert len(errors) == 1
        assert self.refusal in errors[0]
        assert run.stderr.count("Traceback") == 1, run.stderr

    def test_a_refused_job_is_one_line_of_run(
        self, batch: BatchSystem, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`dask cluster run` says it alone, and does not run the command."""
        monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__QUEUE", "absent")
        run = batch.dask_cluster("run", "--", "touch", "has-run")
        refused(run, 5, self.refusal)
        assert len(run.stderr.splitlines()) == 2, run.stderr  # with what it does
        assert not (batch.cwd / "has-run").exists()

    @pytest.mark.parametrize("asynchronous", [False, True])
    def test_jobs_that_are_submitted_by_a_command_that_fails(
        self, batch: BatchSystem, monkeypatch: pytest.MonkeyPatch, *, asynchronous: bool
    ) -> None:
        """They are taken out of the queue again: the fixture sees that none is left."""
        folder = batch.cwd.parent / "bin"
        folder.mkdir()
        command = folder / self.submitting
        command.write_text(
            f'#!/bin/sh\n{shutil.which(self.submitting)} "$@"\necho oh >&2; exit 1\n'
        )
        command.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
        run = batch.python(ASYNCHRONOUS if asynchronous else SCRIPT)
        assert (run.stdout, run.returncode) == ("", 1)
        assert run.stderr.splitlines()[-1].startswith("dask_ctl: ")
        assert "submitted" in run.stderr.lower()

    def test_jobs_refused_by_adapt_end_a_script_that_waits(
        self, batch: BatchSystem, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where nothing can come, it says once why, and the script ends with an error."""
        monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__QUEUE", "absent")
        batch.ask_for(0)
        monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC__ADAPT", "{'minimum': 1, 'maximum': 2}")
        run = batch.python(SCRIPT)
        assert (run.stdout, run.returncode) == ("", 1), run.stderr
        said = [line for line in run.stderr.splitlines() if " was refused: " in line]
        assert len(said) == 1, run.stderr
        assert self.refusal in said[0]
        assert "Exception in callback" not in run.stderr

    def test_as_an_ordinary_user(self, request: pytest.FixtureRequest) -> None:
        """The system, the script and its jobs need no rights: ``nobody`` runs all of it."""
        if os.geteuid() != 0:
            pytest.skip("every test of this run is one")
        names = "test_runs_the_script_unchanged", "test_pending_job_at_the_end_is_cancelled"
        tests = [f"{request.path}::{type(self).__name__}::{name}" for name in names]
        # Not below pytest's own folder, which is closed to others.
        with TemporaryDirectory(prefix="nobody-") as folder:
            shutil.chown(folder, "nobody", "nogroup")
            environment = {
                **os.environ,
                "HOME": folder,
                "LOGNAME": "nobody",
                "USER": "nobody",
                "PYTHONDONTWRITEBYTECODE": "1",
            }
            options = ["-p", "no:cacheprovider", f"--basetemp={folder}/pytest"]
            run = subprocess.run(
                [*as_nobody(), sys.executable, "-m", "pytest", *options, *tests],
                env=environment,
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=200,
                check=False,
            )
        assert "2 passed" in run.stdout, run.stdout


def as_nobody() -> list[str]:
    """Give the command before a command that gives root's rights away.

    All but one at most: where Python or the tests lie in a folder that is closed to others, the
    right to read.
    """
    nobody = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    may_read = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    for options in (nobody, nobody + may_read):
        # With env, since setpriv itself still has all rights when it looks for a program.
        command = ["setpriv", *options, "env"]
        look = [*command, sys.executable, "-m", "pytest", "--version"]
        if subprocess.run(look, cwd=ROOT, capture_output=True, check=False).returncode == 0:
            break
    else:
        unavailable("nobody may not read Python and the tests", "chmod -R a+rX on their folders")
    return command
