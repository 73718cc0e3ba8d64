"""`dask cluster` on Slurm: a cluster that outlives the shell, and every job of it accounted for."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from two_nodes import Slurm

from dask_ctl.hosts import store as records
from tests.backends.daemons import output
from tests.backends.scripts import (
    ANSWER,
    DASK_CLUSTER,
    SCRIPT,
    host_of,
    kept_log,
    ok,
    refused,
    wait_until,
)
from tests.conftest import ROOT

UNMODIFIED = """\
from dask.distributed import Client
client = Client()
print(client.gather(client.map(lambda x: 2 * x, range(10))))
print(client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.workers)) >= 1)
"""

PATIENT = """\
from dask_ctl import create_cluster
with create_cluster() as cluster, cluster.get_client() as client:
    try:
        client.wait_for_workers(1, timeout=9)
    except TimeoutError:
        print(len(client.scheduler_info()["workers"]))
"""


SITE = """\
from dask_jobqueue import SLURMCluster

class Nodes(SLURMCluster):
    pass

class SiteCluster:
    def __new__(cls, *args, **kwargs):
        return Nodes(*args, **kwargs)
"""


@pytest.fixture(autouse=True)
def example(slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the example spec of a ``SLURMCluster``, with jobs of which a node takes two."""
    slurm.use_example("slurm")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__INTERFACE", "lo")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__SCHEDULER_OPTIONS__DASHBOARD_ADDRESS", ":0")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__CORES", "4")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__MEMORY", "2GB")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__N_WORKERS", "2")


def dask_cluster(slurm: Slurm, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return slurm.run(*DASK_CLUSTER, *arguments, timeout=120)


def listed(slurm: Slurm) -> tuple[list[dict[str, object]], str]:
    run = dask_cluster(slurm, "list", "recorded", "--output", "json")
    return json.loads(ok(run)), run.stderr


def test_from_creation_to_deletion(slurm: Slurm) -> None:
    """Its workers are jobs that outlive the shell; `delete` is done when the queue is empty."""
    assert ok(dask_cluster(slurm, "create", "--name", "a", "--wait", "2")) == "a\n"
    assert slurm.queue() == ["RUNNING"] * 2
    (row,) = listed(slurm)[0]
    assert (row["name"], row["type"], row["workers"]) == ("a", "dask_jobqueue.SLURMCluster", 2)
    ok(dask_cluster(slurm, "scale", "a", "3"))
    shown = json.loads(ok(dask_cluster(slurm, "show", "a", "--output", "json")))
    assert (shown["workers"], len(shown["jobs"])) == (3, 3)
    (slurm.cwd / "snippet.py").write_text(
        ok(dask_cluster(slurm, "snippet", "a")) + "print(client.submit(sum, [1, 2]).result())\n"
    )
    assert ok(slurm.run(sys.executable, "snippet.py")) == "3\n"
    ok(dask_cluster(slurm, "scale", "a", "1"))
    wait_until(lambda: slurm.queue() == ["RUNNING"], "two jobs have ended")
    wait_until(lambda: len(records.read("a").jobs) == 1, "they are struck out")
    ok(dask_cluster(slurm, "delete", "a"))
    assert (slurm.queue(), records.names()) == ([], [])


def test_detached(slurm: Slurm) -> None:
    """A command that is left to run has its jobs until it ends, or is deleted."""
    (slurm.cwd / "unmodified.py").write_text(UNMODIFIED)
    detached = "run", "--detach", "--name", "a", "--"
    ok(dask_cluster(slurm, *detached, sys.executable, "unmodified.py"))
    assert dask_cluster(slurm, "wait", "a").returncode == 0
    assert f"{ANSWER}True\n" in ok(dask_cluster(slurm, "logs", "a"))
    assert (slurm.queue(), records.names()) == ([], [])
    ok(dask_cluster(slurm, *detached, "sleep", "600"))
    (row,) = listed(slurm)[0]
    assert (row["status"], row["command"]) == ("running", "sleep 600")
    ok(dask_cluster(slurm, "delete", "a"))
    assert (slurm.queue(), records.names()) == ([], [])
    refused(dask_cluster(slurm, "wait", "a"), 6, "cluster 'a'")


def test_jobs_that_wait(slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> None:
    """`create` returns with its jobs queued; after `kill -9` they are named, and then cancelled."""
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__CORES", "8")  # all of a node
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__N_WORKERS", "3")
    ok(dask_cluster(slurm, "create", "--name", "a"))
    wait_until(lambda: sorted(slurm.queue()) == ["PENDING", "RUNNING", "RUNNING"], "one waits")
    (row,) = listed(slurm)[0]
    assert row["status"] == "running"
    os.kill(host_of("a").pid, signal.SIGKILL)
    wait_until(lambda: slurm.queue() == ["PENDING"] or "PENDING" in slurm.queue(), "it waits on")
    jobs = list(records.read("a").jobs)
    assert [row["status"] for row in listed(slurm)[0]] == ["dead"]
    said = dask_cluster(slurm, "scale", "a", "1").stderr
    assert f"without closing it; these of its jobs may be queued: {', '.join(jobs)}; it" in said
    assert "to end what is left of it: dask cluster delete a" in said
    without_its_commands(slurm, monkeypatch, jobs)
    ok(dask_cluster(slurm, "delete", "a"))
    assert (slurm.queue(), records.names()) == ([], [])
    assert listed(slurm) == ([], "")


def test_where_its_owner_lives_and_what_ends_with_it(slurm: Slurm) -> None:
    """`create` and `run` say it once; after SIGTERM nothing of either is queued."""
    many = ("--set", "kwargs.cores=8", "--set", "kwargs.n_workers=4")
    its = f"its scheduler is a process on {platform.node()}, and its jobs end with it; .*: "
    run = dask_cluster(slurm, "create", "--name", "a", *many)
    assert re.findall(its + "(.*)", run.stderr) == ["dask cluster delete a"]
    wait_until(lambda: "PENDING" in slurm.queue(), "one waits")
    os.kill(host_of("a").pid, signal.SIGTERM)
    wait_until(lambda: not records.exists("a"), "it has ended", timeout=60)
    wait_until(lambda: not slurm.queue(), "its jobs are gone")
    command = ("sh", "-c", "touch up; exec sleep 600")
    process = slurm.start(*DASK_CLUSTER, "run", *many, "--", *command)
    wait_until((slurm.cwd / "up").exists, "the command runs", timeout=60)
    wait_until(lambda: "PENDING" in slurm.queue(), "one waits")
    process.send_signal(signal.SIGTERM)
    run = slurm.finished(process)
    (slurm.cwd / "up").unlink()
    assert run.returncode == 128 + signal.SIGTERM
    wait_until(lambda: not slurm.queue(), "its jobs are gone")
    assert re.findall(its + "(.*)", run.stderr) == ["scancel"]


def test_what_jobs_wait_for(slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slurm's own word for it: while it is waited for, in `list` and `show`, and at the end."""
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__JOB_EXTRA_DIRECTIVES", "['--hold']")
    run = dask_cluster(slurm, "create", "--name", "a", "--wait", "2", "--timeout", "12")
    why = "2 pending: JobHeldUser"
    refused(run, 5, f"cluster 'a' has 0 workers, .*: {why}; give it more .*, or see its log: ")
    assert run.stderr.count(f"waiting for workers: {why}\n") == 1
    assert "creating dask_jobqueue.SLURMCluster" in kept_log(run)
    assert (slurm.queue(), records.names()) == ([], [])
    ok(dask_cluster(slurm, "create", "--name", "a"))
    (row,) = listed(slurm)[0]
    assert (row["status"], row["waiting"]) == ("running", why)
    assert f"running, {why}" in ok(dask_cluster(slurm, "list", "recorded"))
    assert f"waiting:    {why}" in ok(dask_cluster(slurm, "show", "a"))
    without_answer(slurm, monkeypatch)
    ok(dask_cluster(slurm, "delete", "a"))


def test_a_class_of_a_site(slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs of a class that gives another's object are known as those of any: told, and ended."""
    site = slurm.cwd.parent / "site"
    (site / "site_dask-1.0.dist-info").mkdir(parents=True)
    (site / "site_dask.py").write_text(SITE)
    about = "Metadata-Version: 2.1\nName: site-dask\nVersion: 1.0\nRequires-Dist: dask-jobqueue\n"
    (site / "site_dask-1.0.dist-info" / "METADATA").write_text(about)
    (site / "site_dask-1.0.dist-info" / "RECORD").write_text("site_dask.py,,\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (ROOT, site))))
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__CORES", "8")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__N_WORKERS", "4")
    change = ("--set", "module=site_dask", "--set", "class=SiteCluster")
    run = dask_cluster(slurm, "create", "--name", "a", *change)
    assert ok(run) == "a\n"
    assert "its scheduler is a process on " in run.stderr
    wait_until(
        lambda: re.search("2 pending: ", ok(dask_cluster(slurm, "list", "recorded"))), "told"
    )
    before = records.read("a").jobs
    assert len(before) == 4
    ok(dask_cluster(slurm, "scale", "a", "3", "--no-wait"))
    wait_until(lambda: len(records.read("a").jobs) == 3, "one is struck out")
    ok(dask_cluster(slurm, "scale", "a", "4", "--no-wait"))
    wait_until(lambda: set(records.read("a").jobs) - set(before), "a new one is written down")
    os.kill(host_of("a").pid, signal.SIGKILL)
    ok(dask_cluster(slurm, "delete", "a"))
    assert (slurm.queue(), records.names()) == ([], [])


def without_answer(slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Slurm cannot be asked, nothing is said, and the cluster is listed all the same."""
    with monkeypatch.context() as patched:
        patched.setenv("PATH", "/nowhere")
        (row,) = listed(slurm)[0]
    assert (row["status"], row["waiting"]) == ("running", None)


@pytest.mark.parametrize(("notes", "times"), [("true", 1), ("false", 0)])
def test_what_a_script_waits_for(
    slurm: Slurm, monkeypatch: pytest.MonkeyPatch, notes: str, times: int
) -> None:
    """It says so once, unless that is turned off, and ends as it would without."""
    monkeypatch.setenv("DASK_CTL__WAITING_NOTES", notes)
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__JOB_EXTRA_DIRECTIVES", "['--hold']")
    (slurm.cwd / "patient.py").write_text(PATIENT)
    run = slurm.run(sys.executable, "patient.py")
    assert ok(run) == "0\n"
    assert run.stderr.count("waiting for workers: 2 pending: JobHeldUser\n") == times
    assert "Traceback" not in run.stderr


def without_its_commands(slurm: Slurm, monkeypatch: pytest.MonkeyPatch, jobs: list[str]) -> None:
    """Where Slurm's commands are missing, nothing is struck out, and it is said what is left."""
    with monkeypatch.context() as patched:
        patched.setenv("PATH", "/nowhere")
        run = dask_cluster(slurm, "delete", "a")
    refused(run, 5, f"these jobs of cluster 'a' .* {', '.join(jobs)}")
    assert list(records.read("a").jobs) == jobs
    assert slurm.queue(), "they are there still"


def test_a_job_that_cannot_be_cancelled_stays_written_down(
    slurm: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While ``scancel`` fails, scaling down forgets no job, and the end takes them all."""
    stuck, own = slurm.cwd.parent / "stuck", slurm.cwd.parent / "bin" / "scancel"
    own.parent.mkdir()
    real = shutil.which("scancel")
    own.write_text(f'#!/bin/sh\nif [ -e {stuck} ]; then echo down >&2; exit 1; fi\n{real} "$@"\n')
    own.chmod(0o755)
    monkeypatch.setenv("PATH", f"{own.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__JOB_EXTRA_DIRECTIVES", "['--hold']")
    ok(dask_cluster(slurm, "create", "--name", "a"))
    jobs = records.read("a").jobs
    assert len(jobs) == 2
    stuck.touch()
    ok(dask_cluster(slurm, "scale", "a", "0", "--no-wait"))
    said = re.compile("|".join(f"job {job} was not cancelled: .*down" for job in jobs))
    wait_until(lambda: len(said.findall(records.read("a").log.read_text())) == 2, "it is told")
    assert (records.read("a").jobs, slurm.queue()) == (jobs, ["PENDING"] * 2)
    stuck.unlink()
    ok(dask_cluster(slurm, "delete", "a"))
    assert (slurm.queue(), records.names()) == ([], [])


def test_a_refused_job(slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> None:
    """What sbatch says is the error, exit code 5; nothing is left."""
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__QUEUE", "absent")
    run = dask_cluster(slurm, "create", "--name", "a")
    assert run.returncode == 5
    assert "invalid partition specified: absent" in run.stderr.splitlines()[-1]
    assert (slurm.queue(), records.names(), os.listdir(records.folder())) == ([], [], [])


def test_a_job_refused_by_adapt(slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster is there, and `list` and `scale` say what sbatch says of its jobs."""
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__QUEUE", "absent")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__N_WORKERS", "0")
    ok(dask_cluster(slurm, "create", "--name", "a"))
    ok(dask_cluster(slurm, "adapt", "a", "--minimum", "1", "--maximum", "2", "--no-wait"))
    said = "a job was refused: sbatch: error: .*"
    wait_until(lambda: re.search(said, ok(dask_cluster(slurm, "list", "recorded"))), "it is told")
    refused(dask_cluster(slurm, "scale", "a", "1"), 5, f"0 workers, and no more will come: {said}")
    refused(dask_cluster(slurm, "wait", "a", "--workers", "1"), 5, said)
    output("scontrol", "create", "partitionname=absent", "nodes=n1")
    try:
        ok(dask_cluster(slurm, "scale", "a", "1"))
        assert listed(slurm)[0][0]["waiting"] is None
    finally:
        ok(dask_cluster(slurm, "delete", "a"))
        output("scontrol", "delete", "partitionname=absent")


def test_check_asks_slurm(slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> None:
    """A partition that it does not know is a warning, and one that it knows is none."""
    assert "partition" not in dask_cluster(slurm, "spec", "check").stderr
    run = dask_cluster(slurm, "spec", "check", "--set", "kwargs.queue=absent")
    said = "kwargs.queue: Slurm knows no partition 'absent' for you; it knows batch"
    assert (run.returncode, run.stdout.count(said) + run.stderr.count(said)) == (0, 1)
    assert slurm.queue() == []


def test_unmodified_script(slurm: Slurm) -> None:
    """`dask cluster run` has a script that never heard of dask_ctl run on Slurm."""
    (slurm.cwd / "unmodified.py").write_text(UNMODIFIED)
    run = dask_cluster(slurm, "run", "--", sys.executable, "unmodified.py")
    assert ok(run) == f"{ANSWER}True\n"
    wait_until(lambda: not slurm.queue(), "its jobs have ended")
    assert "Traceback" not in run.stderr


def test_announcement_in_run(slurm: Slurm) -> None:
    """So it does the script of the announcement, whose `create_cluster()` finds the same one."""
    ok(dask_cluster(slurm, "create", "--name", "a"))
    queue = slurm.queue()
    run = dask_cluster(slurm, "run", "--name", "a", "--", sys.executable, SCRIPT)
    assert ok(run) == ANSWER
    assert len(slurm.queue()) == len(queue)
    ok(dask_cluster(slurm, "delete", "a"))


def test_an_end_when_idle(slurm: Slurm) -> None:
    """Jobs that run and jobs that wait are gone, and the log tells why."""
    more = ("--set", "kwargs.n_workers=9", "--idle-timeout", "15s")
    ok(dask_cluster(slurm, "create", "--name", "a", *more))
    wait_until(lambda: {"PENDING", "RUNNING"} <= set(slurm.queue()), "some run, some wait", 15)
    wait_until(lambda: not records.exists("a"), "it has ended", timeout=90)
    wait_until(lambda: slurm.queue() == [], "its jobs are gone")
    assert "closing after being idle for 15.00 s" in ok(dask_cluster(slurm, "logs", "a"))
