"""Slurm's own answers about jobs, and its obedience."""

from __future__ import annotations

from pathlib import Path

import pytest
from two_nodes import Slurm

from dask_ctl.backends.batch import ask, cancel, summary, until_gone
from dask_ctl.backends.batch_systems import SYSTEMS, JobState, submitted_in
from dask_ctl.backends.slurm import doubts
from dask_ctl.exceptions import BackendError
from tests.backends.scripts import wait_until

SLURM = SYSTEMS["slurm"]
ABSENT = "4000000"


def submit(slurm: Slurm) -> str:
    """Submit a job that wants the whole machine for itself; its id."""
    done = slurm.run("sbatch", "-N2", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 600")
    (job,) = submitted_in(SLURM, done.stdout)
    return job


def test_a_running_and_a_pending_job(slurm: Slurm) -> None:
    """They are told apart, with the reason; cancelled, they end and are gone."""
    running, pending = submit(slurm), submit(slurm)
    jobs = [running, pending, ABSENT]
    expected = {
        running: JobState("running"),
        pending: JobState("pending", "Resources"),
        ABSENT: JobState("gone"),
    }
    wait_until(lambda: ask(SLURM, jobs, 30) == expected, "one runs and one waits for resources")
    assert summary(ask(SLURM, jobs, 30)) == "1 pending: Resources"
    with pytest.raises(BackendError, match=rf"{running} \(running\), {pending} \(pending\)"):
        until_gone(SLURM, jobs, 0.5)
    assert cancel(SLURM, jobs, 30) == {}
    until_gone(SLURM, jobs, 60)
    assert ask(SLURM, [pending], 30) == {pending: JobState("gone")}
    assert cancel(SLURM, jobs, 30) == {}


def test_an_unknown_job(slurm: Slurm) -> None:
    """Which squeue calls an error if it is the only one, is gone."""
    assert ask(SLURM, [ABSENT], 30) == {ABSENT: JobState("gone")}
    until_gone(SLURM, [ABSENT], 30)


def test_no_controller(slurm: Slurm, slurm_conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slurm's own patience of half a minute is cut short, and nothing is said to be gone."""
    conf = slurm_conf.with_name("nobody.conf")
    lines = slurm_conf.read_text().splitlines(keepends=True)
    conf.write_text("".join(line for line in lines if "SlurmctldPort" not in line))
    with conf.open("a") as file:
        file.write("SlurmctldPort=1\n")
    with monkeypatch.context() as patched:
        patched.setenv("SLURM_CONF", str(conf))
        with pytest.raises(BackendError, match=r"^squeue: no answer within 2 s"):
            ask(SLURM, [ABSENT], 2)
        with pytest.raises(BackendError, match=r"^scancel: no answer within 2 s"):
            cancel(SLURM, [ABSENT], 2)


def test_a_partition_that_is_not_there(slurm: Slurm) -> None:
    """It is warned of; without accounting nothing is said of an account."""
    (doubt,) = doubts({"queue": "absent", "account": "absent"}, timeout=30)
    assert str(doubt) == ("kwargs.queue: Slurm knows no partition 'absent' for you; it knows batch")
    assert doubts({"queue": "batch"}, timeout=30) == []
