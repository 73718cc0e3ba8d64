"""Grid Engine's own answers about jobs, and its obedience."""

from __future__ import annotations

import pytest
from grid_engine import GridEngine

from dask_ctl.backends.batch import ask, cancel, summary, until_gone
from dask_ctl.backends.batch_systems import SYSTEMS, JobState, submitted_in
from dask_ctl.exceptions import BackendError
from tests.backends.scripts import wait_until

SGE = SYSTEMS["sge"]
ABSENT = "4000000"
HELD = "Job is in hold state"


def submit(batch: GridEngine, *options: str) -> str:
    """Submit a job; its id."""
    done = batch.run("qsub", "-b", "y", "-o", "/dev/null", "-j", "y", *options, "sleep", "600")
    (job,) = submitted_in(SGE, done.stdout)
    return job


def test_jobs_that_run_and_wait(batch: GridEngine) -> None:
    """They are told apart, with the reason; cancelled, they end and are gone."""
    running = submit(batch, "-V")
    held, after = submit(batch, "-h"), submit(batch, "-hold_jid", running)
    large = submit(batch, "-pe", "smp", "99")
    failed = submit(batch, "-e", "/absent/folder", "-j", "n")
    jobs = [running, held, after, large, failed, ABSENT]

    def reasons() -> list[str]:
        return [str(ask(SGE, jobs, 30)[job].reason) for job in (large, failed)]

    wait_until(lambda: ask(SGE, jobs, 30)[running].state == "running", "one runs")
    wait_until(lambda: ask(SGE, jobs, 30)[held].reason == HELD, "one is held")
    wait_until(lambda: "slots" in reasons()[0], "one wants too much")
    wait_until(lambda: "/absent/folder" in reasons()[1], "one could not start")
    states = ask(SGE, jobs, 30)
    assert states[running] == JobState("running")
    assert states[ABSENT] == JobState("gone")
    assert {states[job].state for job in (held, after, large, failed)} == {"pending"}
    assert str(summary(states)).startswith(f"4 pending: {HELD}, ")
    with pytest.raises(BackendError, match=rf"{running} \(running\), {held} \(pending\)"):
        until_gone(SGE, jobs, 0.5)
    assert cancel(SGE, jobs, 30) == {}
    until_gone(SGE, jobs, 60)
    assert cancel(SGE, jobs, 30) == {}


def test_what_qsub_submits_and_warns_of(batch: GridEngine) -> None:
    """The id is found behind the warning."""
    job = submit(batch, "-w", "w", "-pe", "smp", "999")
    assert ask(SGE, [job, ABSENT], 30)[job].state == "pending"
    assert cancel(SGE, [job], 30) == {}
    until_gone(SGE, [job], 30)


def test_no_qmaster(batch: GridEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said to be gone."""
    with monkeypatch.context() as patched:
        patched.setenv("SGE_QMASTER_PORT", "1")
        with pytest.raises(BackendError, match=r"^qstat: .*(refused|unable to send)"):
            ask(SGE, [ABSENT], 30)
        with pytest.raises(BackendError, match=r"^qdel: "):
            cancel(SGE, [ABSENT], 30)
