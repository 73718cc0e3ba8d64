"""The batch systems of dask-jobqueue: what each is asked, and how it prints its answer.

Nothing here runs a command: see `dask_ctl.backends.batch`. To add a system, add an entry of
`SYSTEMS`.
"""

from __future__ import annotations

import getpass
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

State = Literal["pending", "running", "ending", "gone", "unknown"]
Row = tuple[str, str, str]  # a job's id, state and reason as they are printed


@dataclass(frozen=True)
class JobState:
    """What a batch system says of a job.

    Parameters
    ----------
    state : {"pending", "running", "ending", "gone", "unknown"}
        Ended and unheard-of jobs are both gone; unknown is what the system itself cannot say.
    reason : str, optional
        Why it is pending or unknown, in the words of the system.
    """

    state: State
    reason: str | None = None


@dataclass(frozen=True)
class BatchSystem:
    """How one batch system is asked of jobs and told to cancel them.

    Parameters
    ----------
    name : str
        As in dask's configuration ``jobqueue.<name>``.
    cluster : str
        The name of dask-jobqueue's class.
    cancelling : tuple of str
        The command that cancels the jobs whose ids follow.
    asking : callable
        The command that asks for jobs, from their ids.
    rows : callable
        What that command prints, read; raises ValueError for something else.
    states : mapping
        What the states are called that it prints.
    submitted : str
        What matches each job's id in the output of the command that submits.
    absent : str
        What matches a line of stderr that says there is no such job.
    job_id : str
        What matches a job's id in the longer one that is printed, as dask-jobqueue does.
    first : str
        What makes a job's id of the one that `submitted` matches.
    options : tuple of str
        More for both commands, such as HTCondor's ``-name``.
    """

    name: str
    cluster: str
    cancelling: tuple[str, ...]
    asking: Callable[[Sequence[str]], list[str]]
    rows: Callable[[str], Iterable[Row]]
    states: Mapping[str, State]
    submitted: str
    absent: str = r"(?!)"
    job_id: str = r"\d+"
    first: str = ""
    options: tuple[str, ...] = ()


def system_of(cluster_class_names: Iterable[str]) -> BatchSystem | None:
    """The batch system of a cluster, by the names of its class and that class's bases in order.

    Examples
    --------
    >>> system_of(["SiteCluster", "SLURMCluster", "JobQueueCluster"]).name
    'slurm'
    """
    by_class = {system.cluster: system for system in SYSTEMS.values()}
    return next((by_class[name] for name in cluster_class_names if name in by_class), None)


def submitted_in(system: BatchSystem, output: str) -> list[str]:
    r"""The ids of the jobs that a submit command says it submitted, even if it failed then.

    Examples
    --------
    >>> submitted_in(SYSTEMS["sge"], 'warning: 2 hosts\nYour job 6 ("dask") has been submitted')
    ['6']
    """
    found = re.findall(system.submitted, output, re.MULTILINE)
    return [each + system.first for each in dict.fromkeys(found)]


# Of a task's status; a job of which Grid Engine has started no task has none.
_JRUNNING: Final = 0x80
_LSF_FORMAT: Final = "jobid stat pend_reason delimiter='|'"


def _fields(separator: str | None) -> Callable[[str], Iterator[Row]]:
    """Read one job per line: its id, its state, and a reason that may hold the separator."""

    def rows(output: str) -> Iterator[Row]:
        for line in output.splitlines():
            if line.strip():
                job_id, state, *reason = line.split(separator, 2)
                yield job_id, state.strip(), "".join(reason)

    return rows


def _sge_rows(output: str) -> Iterator[Row]:
    # Not an XML parser's work: of unknown jobs Grid Engine 6.2 prints tags without a name, and
    # with `qsub -V` whatever characters are in a variable.
    if not re.search("<(detailed_job_info|unknown_jobs)", output):
        raise ValueError(output)
    jobs, _, messages = output.partition("<messages>")
    why = {
        job_id: html.unescape(message)
        for job_ids, message in re.findall(
            r"<MES_job_number_list>(.*?)</MES_job_number_list>.*?<MES_message>(.*?)</",
            messages,
            re.DOTALL,
        )
        for job_id in re.findall(r"<ULNG_value>(\d+)", job_ids)
    }
    for job in jobs.split("<JB_job_number>")[1:]:
        job_id = job[: job.index("<")]
        tasks = [int(status) for status in re.findall(r"<JAT_status>(\d+)", job)]
        error = re.search(r"<QIM_message>(.*?)</", job, re.DOTALL)
        reason = html.unescape(error[1]) if error else why.get(job_id, "")
        yield job_id, "running" if any(task & _JRUNNING for task in tasks) else "pending", reason


def _pbs_rows(output: str) -> Iterator[Row]:
    # A long value goes on in lines that start with a tab.
    before, *jobs = output.replace("\n\t", "").split("Job Id:")
    if before.strip():
        raise ValueError(output)
    for job in jobs:
        job_id, *lines = job.splitlines()
        attributes = dict(re.findall(r"^ +(\w+) = (.*)$", "\n".join(lines), re.MULTILINE))
        held = "" if attributes.get("Hold_Types", "n") == "n" else "held"
        yield job_id, attributes["job_state"], attributes.get("comment", held)


def _oar_rows(output: str) -> Iterator[Row]:
    # oarstat prints nothing at all if it knows none of the jobs; OAR 3 prints a list.
    jobs = json.loads(output) if output.strip() else {}
    for job in jobs.values() if isinstance(jobs, dict) else jobs:
        yield str(job.get("Job_Id") or job["id"]), job["state"], job.get("message") or ""


def _moab_rows(output: str) -> Iterator[Row]:
    if "<Data" not in output:
        raise ValueError(output)
    for job in re.findall(r"<job\s([^>]*)>", output):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', job))
        state = attributes["State"]
        # A state such as BatchHold is a reason by itself.
        reason = attributes.get("BlockReason") or ("" if state == "Idle" else state)
        yield attributes["JobID"], state, html.unescape(reason)


def _states(**words: str) -> Mapping[str, State]:
    return {word: state for state, text in words.items() for word in text.split()}  # type: ignore[misc]


_PBS_SUBMITTED = r"^\s*(?:[A-Za-z]\w*\.)?(\d+)(?:\[\])?(?:\.\S+)?\s*$"

_ALL = (
    # squeue(1) and scancel(1) of Slurm 22.05, and what both were seen to say. squeue leaves out
    # jobs that it does not know, but for a single one, which is an error.
    BatchSystem(
        name="slurm",
        cluster="SLURMCluster",
        cancelling=("scancel",),
        asking=lambda ids: ["squeue", "-h", "-o", "%i|%T|%r", "-j", ",".join(ids)],
        rows=_fields("|"),
        states=_states(
            pending="PENDING CONFIGURING REQUEUED REQUEUE_FED REQUEUE_HOLD RESV_DEL_HOLD"
            " SPECIAL_EXIT",
            running="RUNNING RESIZING SIGNALING STOPPED SUSPENDED",
            ending="COMPLETING STAGE_OUT",
            gone="BOOT_FAIL CANCELLED COMPLETED DEADLINE FAILED NODE_FAIL OUT_OF_MEMORY PREEMPTED"
            " REVOKED TIMEOUT",
        ),
        submitted=r"Submitted batch job (\d+)",
        absent="Invalid job id specified",
    ),
    # qstat(1) of Son of Grid Engine 8.1.9 and what it was seen to print. A job that was told to
    # end is running until it has.
    BatchSystem(
        name="sge",
        cluster="SGECluster",
        cancelling=("qdel",),
        asking=lambda ids: ["qstat", "-xml", "-j", ",".join(ids)],
        rows=_sge_rows,
        states=_states(pending="pending", running="running"),
        submitted=r"Your job(?:-array)? (\d+)[ .]",
        absent=r"jobs do not exist|^\s*\d+\s*$",
    ),
    # qstat(1B) of OpenPBS and of Torque, OpenPBS's src/cmds/qstat.c. Not `-F json`, which Torque
    # lacks, and which gives the first of several jobs only (openpbs issue 2672); not `-x`, which
    # is another thing in each.
    BatchSystem(
        name="pbs",
        cluster="PBSCluster",
        cancelling=("qdel",),
        asking=lambda ids: ["qstat", "-f", *ids],
        rows=_pbs_rows,
        states=_states(pending="Q H W T", running="R S U B", ending="E", gone="C F X"),
        submitted=_PBS_SUBMITTED,
        absent="Unknown Job Id|Job has finished",
    ),
    # "bjobs -o" and "About job states" in IBM's documentation of Spectrum LSF 10.1; its
    # "LSB_BJOBS_CONSISTENT_EXIT_CODE" for jobs that are not found.
    BatchSystem(
        name="lsf",
        cluster="LSFCluster",
        cancelling=("bkill",),
        asking=lambda ids: ["bjobs", "-noheader", "-o", _LSF_FORMAT, *ids],
        rows=_fields("|"),
        states=_states(
            pending="PEND PSUSP WAIT PROV FWD_PEND",
            running="RUN SSUSP USUSP",
            gone="DONE EXIT POST_DONE POST_ERR",
        ),
        submitted=r"Job <(\d+)> is submitted",
        absent=r"Job <\d+> is not found|No (unfinished|matching) job found",
    ),
    # oarstat(1) and the sources of OAR 2.5.9: qfunctions/oarstat and lib/OAR/Stat.pm.
    BatchSystem(
        name="oar",
        cluster="OARCluster",
        cancelling=("oardel",),
        asking=lambda ids: ["oarstat", "-J", *(part for each in ids for part in ("-j", each))],
        rows=_oar_rows,
        states=_states(
            pending="Waiting Hold toLaunch Launching toAckReservation",
            running="Running Suspended Resuming",
            ending="Finishing toError",
            gone="Terminated Error",
        ),
        submitted=r"OAR_JOB_ID=\s*(\d+)",
    ),
    # "showq" and "Job States" in Adaptive Computing's documentation of Moab 9; answers as in the
    # tests of MatterMiners/tardis. Not checkjob, which refuses all jobs for one that is gone.
    BatchSystem(
        name="moab",
        cluster="MoabCluster",
        cancelling=("canceljob",),
        asking=lambda _: ["showq", "--xml", "-w", f"user={getpass.getuser()}"],
        rows=_moab_rows,
        states=_states(
            pending="Idle Hold UserHold SystemHold BatchHold Deferred Migrated Staging NotQueued",
            running="Running Starting Suspended",
            ending="Canceling",
            gone="Completed Removed Vacated",
        ),
        submitted=_PBS_SUBMITTED,
    ),
    # condor_q(1) of HTCondor 23, "JobStatus in job ClassAds" of HTCondor's wiki page MagicNumbers.
    # A completed job stays in the queue until its output is fetched.
    BatchSystem(
        name="htcondor",
        cluster="HTCondorCluster",
        cancelling=("condor_rm",),
        asking=lambda ids: ["condor_q", *ids, "-af:j", "JobStatus", "HoldReason"],
        rows=_fields(None),
        states=_states(pending="0 1 5", running="2 7", ending="3 6", gone="4"),
        submitted=r"submitted to cluster (\d+)",
        job_id=r"\d+\.\d+",
        first=".0",
    ),
)

SYSTEMS: Final[Mapping[str, BatchSystem]] = MappingProxyType({each.name: each for each in _ALL})
"""Each by its name in dask's configuration ``jobqueue``."""
