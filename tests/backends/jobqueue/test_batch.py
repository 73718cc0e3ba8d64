"""Every batch system is asked in its own words, and what it says is not taken for anything else."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dask_ctl.backends.batch import ask, cancel, summary, until_gone
from dask_ctl.backends.batch_systems import (
    SYSTEMS,
    BatchSystem,
    JobState,
    submitted_in,
    system_of,
)
from dask_ctl.exceptions import BackendError
from tests.backends.scripts import wait_until

COMMANDS = Path(__file__).with_name("batch_commands.py")
GONE = JobState("gone")
REASONS = {
    "slurm": "Resources",
    "sge": 'cannot run in PE "smp" because it only offers 0 slots',
    "pbs": "Not Running: Insufficient amount of resource: ncpus (R: 8 A: 0 T: 8)",
    "lsf": "New job is waiting for scheduling",
    "oar": "R=8,W=1:0:0,J=B (Karma=0.000)",
    "moab": "procs policy violation",
    "htcondor": "via condor_hold (by user u)",
}
SUBMITTED = {
    "slurm": "Submitted batch job 12\n",
    "sge": 'warning: 3 hosts have no load\nYour job 12 ("dask-worker-2") has been submitted\n',
    "pbs": "qsub: waiting for 2 servers\n12.pbs-1.site\n",
    "lsf": "Job <12> is submitted to queue <short4>.\n",
    "oar": "[ADMISSION RULE] 3 set\nOAR_JOB_ID=12\n",
    "moab": "\nMoab.12\n",
    "htcondor": "Submitting job(s).\n1 job(s) submitted to cluster 12.\n",
}


class Queue:
    """Jobs 12, 13, … of one system, whose commands are on an otherwise empty PATH."""

    def __init__(self, system: BatchSystem, folder: Path) -> None:
        self.system = system
        self.asking, self.cancelling = system.asking(["12"])[0], system.cancelling[0]
        self._folder = folder
        self._content: dict[str, Any] = {"system": system.name, "jobs": {}}
        (folder / "bin").mkdir()
        for name in (self.asking, self.cancelling):
            command = folder / "bin" / name
            command.write_text(f"#!{sys.executable}\nexec(open({str(COMMANDS)!r}).read())\n")
            command.chmod(0o755)
        self.write()

    def write(self, **content: Any) -> None:
        self._content |= content
        self.file.write_text(json.dumps(self._content))

    @property
    def file(self) -> Path:
        return self._folder / "queue.json"

    def job(self, number: int, state: str, **details: Any) -> str:
        """Put a job into the queue; its id."""
        job_id = self.id(number)
        self._content["jobs"][job_id] = {"state": state, **details}
        self.write()
        return job_id

    def id(self, number: int) -> str:
        return f"{number}.0" if self.system.name == "htcondor" else str(number)

    def ail(self, command: str, how: str) -> None:
        self.write(ails={command: how})

    def remove(self, command: str) -> None:
        (self._folder / "bin" / command).unlink()

    def jobs(self) -> list[str]:
        return list(json.loads(self.file.read_text())["jobs"])

    def calls(self) -> list[str]:
        return (self._folder / "calls").read_text().splitlines()


@pytest.fixture
def of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Queue]:
    """The queue of a system."""
    folder = tmp_path / "batch"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder / "bin"))
    monkeypatch.setenv("BATCH_QUEUE", str(folder / "queue.json"))
    return lambda name: Queue(SYSTEMS[name], folder)


@pytest.fixture(params=list(SYSTEMS))
def queue(request: pytest.FixtureRequest, of: Callable[[str], Queue]) -> Queue:
    """The queue of each system."""
    return of(request.param)


def test_the_systems_are_those_of_dask_jobqueue() -> None:
    """Each class is known, with its commands and its idea of a job's id; so are subclasses."""
    import dask_jobqueue
    from dask_jobqueue.core import JobQueueCluster
    from dask_jobqueue.local import LocalCluster

    classes = [
        each
        for each in vars(dask_jobqueue).values()
        if isinstance(each, type) and issubclass(each, JobQueueCluster)
    ]
    assert {each.__name__ for each in classes if each is not JobQueueCluster} >= {
        system.cluster for system in SYSTEMS.values()
    }
    for cluster in classes:
        subclass = type("SiteCluster", (cluster,), {})
        system = system_of(each.__name__ for each in subclass.mro())
        if cluster in (JobQueueCluster, LocalCluster):
            assert system is None
            continue
        assert system is not None, cluster
        assert system.cluster == cluster.__name__
        assert system is SYSTEMS[cluster.job_cls.config_name]
        assert list(system.cancelling) == shlex.split(cluster.job_cls.cancel_command)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_submitted_job_has_the_id_that_dask_jobqueue_gives_it(name: str) -> None:
    import dask_jobqueue

    job: Any = getattr(dask_jobqueue, SYSTEMS[name].cluster).job_cls
    job = object.__new__(job)
    own = SUBMITTED[name].splitlines(keepends=True)[-1]
    assert submitted_in(SYSTEMS[name], SUBMITTED[name]) == [job._job_id_from_submit_output(own)]
    assert submitted_in(SYSTEMS[name], "error: 12 is no valid number of nodes\n") == []


def test_jobs_of_all_states_in_one_call(queue: Queue) -> None:
    """Each id is answered: with a reason if it waits, as gone if the system does not know it."""
    reason = REASONS[queue.system.name]
    pending, running = queue.job(12, "pending", reason=reason), queue.job(13, "running")
    ending, finished, plain = (
        queue.job(14, "ending"),
        queue.job(15, "finished"),
        queue.job(16, "pending"),
    )
    states = ask(queue.system, [pending, running, ending, finished, queue.id(99), plain], 20)
    # A job that was told to end is one that runs, to these.
    ends = "running" if queue.system.name in ("sge", "lsf") else "ending"
    assert states == {
        pending: JobState("pending", reason),
        running: JobState("running"),
        ending: JobState(ends),
        finished: GONE,
        queue.id(99): GONE,
        plain: JobState("pending"),
    }
    assert len(queue.calls()) == 1


def test_no_such_job(queue: Queue) -> None:
    """That is an answer, for one and for several."""
    unknown, other = queue.id(99), queue.id(98)
    assert ask(queue.system, [unknown], 20) == {unknown: GONE}
    assert ask(queue.system, [unknown, other], 20) == {unknown: GONE, other: GONE}
    assert ask(queue.system, [], 20) == {}
    until_gone(queue.system, [unknown, other], 20)


@pytest.mark.parametrize("ails", ["down", "raves"])
def test_a_system_that_cannot_be_asked(queue: Queue, ails: str) -> None:
    """No job is taken for gone because nobody answers, or a wrapper says something else."""
    job = queue.job(12, "running")
    queue.ail(queue.asking, ails)
    with pytest.raises(BackendError) as error:
        ask(queue.system, [job], 20)
    assert str(error.value).startswith(f"{queue.asking}: ")
    assert "\n" not in str(error.value)
    with pytest.raises(BackendError):
        until_gone(queue.system, [job], 20)


def test_what_it_said_is_told(of: Callable[[str], Queue]) -> None:
    queue = of("slurm")
    queue.ail("squeue", "down")
    with pytest.raises(BackendError, match=r"^squeue: slurm_load_jobs error: Unable to contact"):
        ask(queue.system, ["12"], 20)


def test_a_missing_command(queue: Queue) -> None:
    """It is named, whichever is missing."""
    job = queue.job(12, "running")
    queue.remove(queue.asking)
    with pytest.raises(BackendError, match=f"^{queue.asking}: .*No such file"):
        ask(queue.system, [job], 20)
    queue.remove(queue.cancelling)
    with pytest.raises(BackendError, match=f"^{queue.cancelling}: .*No such file"):
        cancel(queue.system, [job], 20)


@pytest.mark.parametrize("verb", ["ask", "cancel"])
def test_a_hanging_command(of: Callable[[str], Queue], verb: str, tmp_path: Path) -> None:
    """It ends in time, with what it has started, and what it said before is told."""
    queue = of("lsf")
    queue.job(12, "running")
    queue.ail({"ask": "bjobs", "cancel": "bkill"}[verb], "hangs")
    started = time.monotonic()
    with pytest.raises(BackendError, match=r"no answer within 3 s: LSF is down. Please wait"):
        {"ask": ask, "cancel": cancel}[verb](queue.system, ["12"], 3)
    assert time.monotonic() - started < 10
    pids = (tmp_path / "batch" / "pids").read_text().split()
    assert len(pids) == 2
    wait_until(lambda: not [pid for pid in pids if _lives(pid)], "both processes have ended")


def _lives(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_cancelling(queue: Queue) -> None:
    """Jobs are cancelled in one call; those that are gone, finished or ending are no failure."""
    jobs = [queue.job(12, "running"), queue.job(13, "pending")]
    assert cancel(queue.system, [], 20) == {}
    assert cancel(queue.system, jobs, 20) == {}
    assert queue.jobs() == []
    assert len(queue.calls()) == 1
    assert cancel(queue.system, [*jobs, queue.id(99)], 20) == {}


@pytest.mark.parametrize("stops", [False, True], ids=["goes on", "stops at the first"])
def test_some_cannot_be_cancelled(queue: Queue, stops: bool) -> None:
    """Each of those is named, with what is said of it, and all others are cancelled."""
    queue.write(stops=stops)
    gone = queue.id(99)
    refused = [queue.job(12, "running", refused=True), queue.job(13, "running", refused=True)]
    mine = [queue.job(14, "running"), queue.job(15, "pending")]
    said = cancel(queue.system, [gone, *refused, *mine], 60)
    assert list(said) == refused
    assert queue.jobs() == refused
    for job_id, why in said.items():
        assert job_id in why
        assert "\n" not in why


def test_one_that_is_gone_costs_no_call_for_each_other(queue: Queue) -> None:
    """Many jobs are cancelled in few calls, though the command stops at the one that is gone."""
    queue.write(stops=True)
    jobs = [queue.job(number, "pending") for number in range(12, 20)]
    assert cancel(queue.system, [queue.id(99), *jobs], 60) == {}
    assert queue.jobs() == []
    assert len(queue.calls()) <= 3


def test_cancelling_what_is_cancelled_already(of: Callable[[str], Queue]) -> None:
    """OAR refuses that, and says that the job runs, until it has ended."""
    queue = of("oar")
    job = queue.job(12, "running", refused=True)
    oardel = queue.file.with_name("bin") / "oardel"
    oardel.write_text(
        "#!/bin/sh\necho 'Deleting the job = 12 ...ERROR.'\n"
        "echo 'Cannot frag 12 ; This job was already killed.' >&2\nexit 6\n"
    )
    assert cancel(queue.system, [job], 20) == {}


def test_cancelling_while_the_system_is_down(queue: Queue) -> None:
    """That is no matter of one job; what the cancelling command says is told."""
    job = queue.job(12, "running")
    queue.write(ails={queue.asking: "down", queue.cancelling: "down"})
    if queue.system.name == "htcondor":
        queue.system = replace(queue.system, options=("-name", "schedd-2"))
    with pytest.raises(BackendError) as error:
        cancel(queue.system, [job], 20)
    assert str(error.value).startswith(f"{queue.cancelling}: ")
    assert queue.jobs() == [job]


def test_options_go_to_both_commands(of: Callable[[str], Queue]) -> None:
    """HTCondor's jobs may be another schedd's."""
    queue = of("htcondor")
    job = queue.job(12, "running")
    system = replace(queue.system, options=("-name", "schedd"))
    ask(system, [job], 20)
    cancel(system, [job], 20)
    assert [call.partition(" 12.0")[0] for call in queue.calls()] == [
        "condor_q -name schedd",
        "condor_rm -name schedd",
    ]


def test_waiting_until_jobs_are_gone(queue: Queue) -> None:
    """Those that are left in the end are named, with what they do."""
    job, other = queue.job(12, "running"), queue.job(13, "pending")
    with pytest.raises(BackendError) as error:
        until_gone(queue.system, [job, other, queue.id(99)], 1)
    assert f"not gone after 1 s: {job} (running), {other} (pending)" in str(error.value)
    assert queue.id(99) not in str(error.value)


def test_waiting_survives_a_moment_without_answer(of: Callable[[str], Queue]) -> None:
    """A controller that restarts meanwhile is asked again."""
    import threading

    queue = of("slurm")
    job = queue.job(12, "running")
    ended: list[BaseException | None] = []

    def wait() -> None:
        try:
            until_gone(queue.system, [job], 60)
            ended.append(None)
        except BackendError as error:
            ended.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    calls = queue.file.with_name("calls")
    wait_until(lambda: calls.exists() and queue.calls(), "it was asked")
    queue.ail("squeue", "down")
    asked = len(queue.calls())
    wait_until(lambda: len(queue.calls()) > asked + 1, "it was asked while it was down")
    queue.write(ails={}, jobs={})
    waiting.join(60)
    assert ended == [None]


def test_the_environment_filters_no_job(
    of: Callable[[str], Queue], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a user sets for squeue at the terminal does not make jobs look gone."""
    monkeypatch.setenv("SQUEUE_STATES", "running")
    queue = of("slurm")
    job = queue.job(12, "pending")
    assert ask(queue.system, [job], 20) == {job: JobState("pending")}


def test_a_state_that_nobody_has_heard_of(of: Callable[[str], Queue]) -> None:
    """It is unknown, by its name."""
    queue = of("lsf")
    bjobs = queue.file.with_name("bin") / "bjobs"
    bjobs.write_text("#!/bin/sh\necho '12|UNKWN|-'\n")
    states = ask(queue.system, ["12"], 20)
    assert states == {"12": JobState("unknown", "UNKWN")}
    assert summary(states) == "1 unknown: UNKWN"


def test_an_array_of_jobs(of: Callable[[str], Queue]) -> None:
    """It is as lively as the liveliest of its tasks."""
    queue = of("slurm")
    squeue = queue.file.with_name("bin") / "squeue"
    squeue.write_text(
        "#!/bin/sh\necho '12_[3-9]|PENDING|Resources'\necho '12_1|RUNNING|None'\n"
        "echo '12_2|COMPLETING|None'\n"
    )
    assert ask(queue.system, ["12"], 20) == {"12": JobState("running")}


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], None),
        ([JobState("running"), GONE, JobState("ending")], None),
        ([JobState("pending", "Resources")] * 2 + [JobState("running")], "2 pending: Resources"),
        ([JobState("pending"), JobState("pending")], "2 pending"),
        (
            [JobState("pending", "A"), *[JobState("pending", "B")] * 2, JobState("pending")],
            "4 pending: B, A",
        ),
    ],
)
def test_summary(states: list[JobState], expected: str | None) -> None:
    """What waits is counted, and the commonest reason comes first."""
    assert summary({str(n): state for n, state in enumerate(states)}) == expected
