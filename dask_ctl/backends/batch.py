"""Asking a batch system of jobs, cancelling them, and waiting until they are gone.

"There is no such job" and "nobody could be asked" are never the same: the first is a `JobState`,
the second a `BackendError`.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final

from dask_ctl import _platform
from dask_ctl.backends.batch_systems import BatchSystem, JobState, State
from dask_ctl.exceptions import BackendError

# Of a job with several tasks the liveliest counts.
_LIVELY: Final[tuple[State, ...]] = ("gone", "ending", "unknown", "pending", "running")
_NO_REASON: Final = ("", "-", "None", "undefined")  # of LSF, Slurm and HTCondor
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0  # seconds

# Said with exit code 0 by some tools, it means that jobs which are not listed may exist.
_DOWN = re.compile(
    r"cannot connect|can't|unable to|failed to (connect|contact|fetch)|is down\b|refused|timed out",
    re.IGNORECASE,
)
# Said of a job that was cancelled before and is not gone yet.
_CANCELLED_BEFORE = re.compile(r"already (killed|being deleted|in deletion|marked for removal)")
# Not said to a terminal: what would filter or translate an answer.
_OTHERWISE = ("LC_", "LANG", "PBS_QSTAT_", "SINFO_", "SQUEUE_")


def ask(system: BatchSystem, job_ids: Iterable[str], timeout: float) -> dict[str, JobState]:
    """What became of jobs, each of which is in the answer.

    Parameters
    ----------
    system : BatchSystem
        Whose jobs they are.
    job_ids : iterable of str
        The jobs, as dask-jobqueue calls them.
    timeout : float
        How long its command may take, in seconds.

    Raises
    ------
    BackendError
        The system cannot be asked: no such command, no answer, or something else instead.
    """
    ids = list(job_ids)
    if not ids:
        return {}
    program, *arguments = system.asking(ids)
    done = run([program, *system.options, *arguments], timeout)
    stderr = [line for line in done.stderr.splitlines() if line.strip()]
    if done.returncode and not (stderr and all(re.search(system.absent, s) for s in stderr)):
        raise _failed(done)
    found: dict[str, JobState] = {}
    try:
        for printed, word, reason in system.rows(done.stdout):
            state = _state(system, word, " ".join(reason.split()).strip(" ;"))
            key = _key(system, printed)
            found[key] = max(found.get(key, state), state, key=lambda s: _LIVELY.index(s.state))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _failed(done) from error
    answer = {job_id: found.get(_key(system, job_id)) for job_id in ids}
    if None in answer.values() and _DOWN.search(done.stdout + done.stderr):
        raise _failed(done)
    return {job_id: state or JobState("gone") for job_id, state in answer.items()}


def cancel(system: BatchSystem, job_ids: Iterable[str], timeout: float) -> dict[str, str]:
    """Take jobs out of the queue; which of them could not be, and why.

    A job that is gone, or ends already, is no failure. One that was cancelled may take its time
    to end: see `until_gone`.

    Parameters
    ----------
    system, job_ids
        As of `ask`.
    timeout : float
        How long all of it may take, in seconds.

    Raises
    ------
    BackendError
        Nothing can be cancelled here: no such command, no answer, or the system is down.
    """
    ids = list(job_ids)
    if not ids:
        return {}
    deadline = time.monotonic() + timeout
    done = run([*system.cancelling, *system.options, *ids], timeout)
    if not done.returncode:
        return {}
    try:
        states = ask(system, ids, deadline - time.monotonic())
    except BackendError as error:
        raise _failed(done) from error
    left = [job_id for job_id in ids if states[job_id].state not in ("ending", "gone")]
    if len(ids) == 1:
        said = _said(done)
        return {} if _CANCELLED_BEFORE.search(said) else dict.fromkeys(left, said)
    # Not every command goes on after a job that it refuses: without those that are gone, or else
    # one by one, so that what is said of a job is said of that job.
    again = [left] if len(left) < len(ids) else [[job_id] for job_id in left]
    refused: dict[str, str] = {}
    for some in again:
        refused |= cancel(system, some, deadline - time.monotonic())
    return refused


def until_gone(system: BatchSystem, job_ids: Iterable[str], timeout: float) -> None:
    """Wait until jobs are gone, asking ever more rarely.

    Parameters
    ----------
    system, job_ids
        As of `ask`.
    timeout : float
        How long to wait, in seconds.

    Raises
    ------
    BackendError
        Some are not gone by then; or the system cannot be asked, not even once.
    """
    ids, pause = list(job_ids), _FIRST_PAUSE
    deadline = time.monotonic() + timeout
    states = ask(system, ids, timeout)
    while left := [job_id for job_id in ids if states[job_id].state != "gone"]:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            how = ", ".join(f"{job_id} ({states[job_id].state})" for job_id in left)
            raise BackendError(
                f"not gone after {timeout:g} s: {how}",
                remedy=f"to see them: {' '.join(system.asking(left))}",
                origin=system.name,
            )
        time.sleep(min(pause, remaining))
        pause = min(pause * 1.5, _LONGEST_PAUSE)
        # A controller that is busy or restarts for a moment will answer later.
        with suppress(BackendError):
            states |= ask(system, left, max(deadline - time.monotonic(), _FIRST_PAUSE))


def waiting(system: BatchSystem, job_ids: Iterable[str], timeout: float) -> str | None:
    """What a batch system says that jobs wait for, as `summary` does; as of `ask`."""
    return summary(ask(system, job_ids, timeout))


def summary(states: Mapping[str, JobState]) -> str | None:
    """What jobs wait for, in a few words; None if none waits.

    Examples
    --------
    >>> summary({"7": JobState("pending", "Resources"), "8": JobState("pending", "Resources")})
    '2 pending: Resources'
    """
    parts = []
    for state in ("pending", "unknown"):
        reasons = [each.reason for each in states.values() if each.state == state]
        if reasons:
            counted = Counter(reason for reason in reasons if reason).most_common()
            why = ", ".join(reason for reason, _ in counted)
            parts.append(f"{len(reasons)} {state}{': ' if why else ''}{why}")
    return "; ".join(parts) or None


def run(command: list[str], timeout: float) -> subprocess.CompletedProcess[str]:
    """Run a command of a batch system where Ctrl-C in a terminal does not reach it.

    Raises
    ------
    BackendError
        It is not here, or has not ended after `timeout` seconds and was killed.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith(_OTHERWISE)}
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environment, "LC_ALL": "C"},
            process_group=0,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise BackendError(
            f"it cannot be run here: {error.strerror}",
            remedy="go to a machine that has the commands of the batch system",
            origin=command[0],
        ) from error
    with process:
        try:
            stdout, stderr = process.communicate(timeout=max(timeout, 0))
        except BaseException as error:
            _platform.end_tree(process.pid, 0)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            stdout = stderr = ""
            # What has left the group may hold its pipes.
            with suppress(subprocess.TimeoutExpired):
                stdout, stderr = process.communicate(timeout=1)
            said = " ".join((stderr or stdout).split())
            raise BackendError(
                f"no answer within {max(timeout, 0):.3g} s{': ' if said else ''}{said}",
                origin=command[0],
            ) from error
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def _failed(done: subprocess.CompletedProcess[str]) -> BackendError:
    return BackendError(_said(done), origin=done.args[0])


def _said(done: subprocess.CompletedProcess[str]) -> str:
    said = " ".join((done.stderr.strip() or done.stdout).split())
    return said[:300] or f"exit code {done.returncode}, without a word"


def _key(system: BatchSystem, job_id: str) -> str:
    found = re.search(system.job_id, job_id)
    if found is None:
        raise ValueError(job_id)
    return found.group()


def _state(system: BatchSystem, word: str, reason: str) -> JobState:
    state = system.states.get(word, "unknown")
    if state == "unknown":
        return JobState(state, word)
    waits = state == "pending" and reason not in _NO_REASON
    return JobState(state, reason if waits else None)
