"""Jobs of a batch system, by dask-jobqueue."""

from __future__ import annotations

import inspect
import math
import os
import platform
import shlex
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final

import dask.config

from dask_ctl.backends import batch, batch_systems, servers, signature, slurm
from dask_ctl.backends.base import Backend
from dask_ctl.backends.jobs import Jobs, forget_refused
from dask_ctl.backends.ledger import Ledger
from dask_ctl.backends.signature import with_options
from dask_ctl.exceptions import Problem, reason
from dask_ctl.spec.checks import kind, suggested
from dask_ctl.spec.quantities import bytes_of
from dask_ctl.spec.sections import value_at

_BASE: Final = "dask_jobqueue.core.JobQueueCluster"
# What `sbatch` and its like call it, and what dask-jobqueue leaves to the directives.
_ELSEWHERE: Final = {
    "partition": "did you mean 'queue'?",
    **dict.fromkeys(("mem", "ram"), "did you mean 'memory'?"),
    **dict.fromkeys(
        ("cpus", "cpus_per_task", "ncpus", "nthreads", "threads"), "did you mean 'cores'?"
    ),
    **dict.fromkeys(
        (
            "constraint", "dependency", "exclude", "exclusive", "gpus", "gres", "licenses",
            "mail_type", "mail_user", "nodelist", "nodes", "qos", "reservation",
        ),
        "write it as the batch system does, under 'job_extra_directives': [--...]",
    ),
}  # fmt: skip
_OF_THE_SCHEDULER: Final = ("dashboard_address", "host")
# A folder that is always there, by a name that stands nowhere else in a job script.
_THERE: Final = "/".join([os.curdir] * 8)
_TIMELESS: Final = ("infinite", "infinity", "unlimited")


class JobQueue(Backend):
    """The clusters of dask-jobqueue: the scheduler in the calling process, workers in jobs."""

    classes: ClassVar[tuple[str, ...]] = (_BASE,)
    packages = {"dask_jobqueue": "dask-jobqueue"}
    templates: ClassVar[tuple[str, ...]] = ("slurm", "sge", "pbs", "lsf", "oar", "moab", "htcondor")
    commands: ClassVar[Mapping[str, str]] = {
        "slurm": "sbatch",
        "sge": "qconf",
        "pbs": "pbsnodes",
        "lsf": "bsub",
        "oar": "oarsub",
        "moab": "msub",
        "htcondor": "condor_submit",
    }
    by_command = True
    starts_empty = True
    makes_credentials = True
    read_by_shell: ClassVar[tuple[str, ...]] = ("local_directory",)  # stands in the job script
    options_of_servers = True
    meant: ClassVar[Mapping[str, str]] = _ELSEWHERE
    counted: ClassVar[Mapping[str, int]] = {
        "n_workers": 0,
        "cores": 1,
        "processes": 1,
        "job_cpu": 1,
        "ncpus": 1,  # of LSF
    }
    accepted: ClassVar[Mapping[str, tuple[type, ...]]] = {
        **Backend.accepted,
        "worker_command": (str,),
    }

    def __init__(self, target: Any) -> None:
        super().__init__(target)
        bases = getattr(target, "__mro__", ())
        self._system = batch_systems.system_of(base.__name__ for base in bases)
        self._jobs = Jobs(self.name, self._system)

    def takers(self, kwargs: Mapping[str, Any]) -> tuple[list[Any], bool]:
        """They hand what they do not name to their jobs."""
        job = getattr(self.target, "job_cls", None)
        jobs = [job] if inspect.isclass(job) else []
        own = signature.DownFrom(self.target, _BASE)
        return [own, *jobs], bool(jobs) and "job_cls" not in kwargs

    def problems(self, kwargs: Mapping[str, Any]) -> Iterator[Problem]:
        """Times as bare numbers: sbatch(1) and bsub(1) read minutes, qsub(1) seconds."""
        yield from servers.unreadable({k: v for k, v in kwargs.items() if k == "death_timeout"})
        if isinstance(kwargs.get("walltime"), (int, float)):
            yield Problem(
                "batch systems read a bare number as minutes, seconds or hours, each as it likes",
                "write a time in quotes: '00:30:00'",
                key="kwargs.walltime",
                severity="warning",
            )
        directives = kwargs.get("job_extra_directives")
        for n, directive in enumerate(directives if isinstance(directives, list) else ()):
            if isinstance(directive, str) and not directive.startswith("-"):
                yield Problem(
                    "is no option of a batch system, whose name its class writes before it",
                    "write it with its dashes alone: '--exclusive'",
                    key=f"kwargs.job_extra_directives.{n}",
                    severity="warning",
                )
        walltime = kwargs.get("walltime")
        text = walltime.casefold() if isinstance(walltime, str) else ""
        if any(map(str.isalpha, text)) and text not in _TIMELESS:
            told = f"{walltime!r} is no time of a batch system"
            yield Problem(told, "write '01:30:00'", key="kwargs.walltime", severity="warning")

    def section(
        self, classes: Iterable[str], kwargs: Mapping[str, Any]
    ) -> tuple[str, Mapping[str, str]] | None:
        """That of its batch system, or the one that ``config_name`` names."""
        system = batch_systems.system_of(classes)
        name = kwargs.get("config_name") or (system and system.name)
        return (f"jobqueue.{name}", {"name": "job_name"}) if name else None

    def refusals(self, kwargs: Mapping[str, Any]) -> Iterator[Problem]:
        """What the job's own constructor refuses, which submits nothing."""
        job_cls = self._job_cls(kwargs)
        if not hasattr(job_cls, "config_name"):
            remedy = "leave it out; only code can give one"
            yield Problem(f"is no class of jobs, but {kind(job_cls)}", remedy, key="kwargs.job_cls")
            return
        for name in _OF_THE_SCHEDULER:
            if kwargs.get(name) is not None:
                remedy = f"write it under 'scheduler_options: {{{name}: ...}}'"
                yield Problem("is for the scheduler", remedy, key=f"kwargs.{name}")
        name = kwargs.get("config_name") or job_cls.config_name
        # What a job reads it does not refuse before it runs.
        others = {"death_timeout", *_OF_THE_SCHEDULER}
        wrong = list(super().refusals({k: v for k, v in kwargs.items() if k not in others}))
        yield from wrong
        if wrong:
            return
        known = value_at("jobqueue")
        if not isinstance(known.get(name) if isinstance(known, Mapping) else None, Mapping):
            remedy = suggested(name, known)
            summary = f"dask's configuration has no section 'jobqueue.{name}'"
            yield Problem(summary, remedy, key="kwargs.config_name")
            return
        missing = [each for each in ("cores", "memory") if kwargs.get(each) is None]
        if missing:
            remedy = f"add it under 'kwargs', or to 'jobqueue.{name}' of dask's configuration"
            yield Problem(f"{self.name} needs {' and '.join(missing)}", remedy, key="kwargs")
            return
        if not _is_size(kwargs["memory"]):
            remedy = "write a size with its unit: 16GB"
            yield Problem("is no size of a job's memory", remedy, key="kwargs.memory")
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._job(kwargs).job_script()
        except KeyError as error:
            summary = f"dask's configuration has no 'jobqueue.{name}.{error.args[0]}'"
            remedy = f"begin with a copy of the section 'jobqueue.{job_cls.config_name}'"
            yield Problem(summary, remedy, key="kwargs.config_name")
        except Exception as error:  # noqa: BLE001 -- whatever it says
            yield Problem(f"{self.name} refuses this: {reason(error)}", "check its arguments")

    def doubts(self, kwargs: Mapping[str, Any]) -> list[Problem]:
        """Whether the scheduler can listen here; of the batch systems only Slurm is asked."""
        slurms = self._system is not None and self._system.name == "slurm"
        return [*_no_interface(kwargs), *(slurm.doubts(kwargs) if slurms else [])]

    def plan(self, args: list[Any], kwargs: Mapping[str, Any]) -> str:
        """The script of each job, and the command that submits it."""
        job = self._job(kwargs)
        script = job.job_script().strip().replace(_THERE, str(self._given(kwargs, "log_directory")))
        return f"{script}\n\n# submitted by: {job.submit_command}\n"

    def _job(self, kwargs: Mapping[str, Any]) -> Any:
        """A job to look at, which makes no folder of logs: it is told one that is there."""
        job_cls = self._job_cls(kwargs)
        known = signature.names(job_cls) - {"scheduler", "name"}
        given = {name: value for name, value in kwargs.items() if name in known}
        if self._given(kwargs, "log_directory") is not None:
            given["log_directory"] = _THERE
        return job_cls(scheduler="tcp://<scheduler>:<port>", name="<worker>", **given)

    def _job_cls(self, kwargs: Mapping[str, Any]) -> Any:
        return kwargs.get("job_cls") or self.target.job_cls

    def _given(self, kwargs: Mapping[str, Any], name: str) -> Any:
        """An argument, or what the class reads in its place."""
        if kwargs.get(name) is not None:
            return kwargs[name]
        section = kwargs.get("config_name") or self._job_cls(kwargs).config_name
        return dask.config.get(f"jobqueue.{section}.{name.replace('_', '-')}", None)

    def group(self, kwargs: Mapping[str, Any]) -> int:
        """The processes of one job, as its class counts them."""
        return int(self._job(kwargs).worker_processes or 1)

    def with_variables(
        self, kwargs: Mapping[str, Any], variables: Mapping[str, str]
    ) -> dict[str, Any] | None:
        """At the head of the job script; the scheduler is in the calling process."""
        given = (self._given(kwargs, name) for name in ("job_script_prologue", "env_extra"))
        exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        own: list[str] = next((lines for lines in given if lines), [])
        return {**kwargs, "job_script_prologue": [*exports, *own]}

    def when_idle(self, kwargs: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """By its scheduler."""
        return with_options(kwargs, "scheduler_options", idle_timeout=seconds)

    def prepared(
        self, kwargs: Mapping[str, Any], env: Mapping[str, str], ledger: Ledger | None
    ) -> dict[str, Any]:
        """Have each job written down."""
        self._jobs.ledger = ledger
        return {**kwargs, "job_cls": self._jobs.noted(self._job_cls(kwargs))}

    def adopt(self, cluster: Any, ledger: Ledger | None) -> None:
        """Have its jobs written down."""
        self._jobs.ledger = ledger
        self._jobs.adopt(cluster)

    def adapt_options(self, cluster: Any, options: Mapping[str, Any]) -> dict[str, Any]:
        """Have jobs of several workers come and go whole.

        distributed counts workers: it asks for one, gets a job of two, takes one of them back for
        being too many, and with it the job; a job that waits in the queue never gets to run
        (dask-jobqueue 0.9).
        """
        workers = len((getattr(cluster, "new_spec", None) or {}).get("group", ()))
        if workers <= 1:
            return dict(options)
        from distributed import Adaptive

        class WholeJobs(Adaptive):  # type: ignore[misc]
            async def safe_target(self) -> int:
                wanted: int = await super().safe_target()
                return math.ceil(wanted / workers) * workers

        return {"Adaptive": WholeJobs, "worker_key": _job_of, **options}

    def start(self, cluster: Any, kwargs: Mapping[str, Any]) -> Any:
        """Submit; a first cancellation waits until the jobs can be named."""
        return self._jobs.not_half_way(cluster)

    def settle(self, cluster: Any) -> Any:
        """Wait until each job that was asked for is in the queue."""
        return cluster.sync(self._jobs.settle, cluster)

    def before_scaling(self, cluster: Any) -> None:
        """Have jobs that were refused submitted again, if there are to be as many."""
        cluster.sync(forget_refused, cluster)

    def owner_note(self, name: str | None) -> str | None:
        """Its scheduler lives where the jobs are submitted, often a login node with limits."""
        if self._system is None:
            return None
        how = f"dask cluster delete {name}" if name else self._system.cancelling[0]
        return (
            f"its scheduler is a process on {platform.node()}, and its jobs end with it; if it is "
            f"killed, cancel those that wait: {how}"
        )

    def waiting_for(self, cluster: Any, timeout: float) -> str | None:
        """What the batch system says of jobs that do not run yet: ``2 pending: Resources``."""
        job_ids = [job.job_id for job in list(cluster.workers.values()) if job.job_id]
        return batch.waiting(self._system, job_ids, timeout) if self._system else None


class LocalJobs(JobQueue):
    """Its ``LocalCluster``: no shell reads the script, which is split into one command's words."""

    classes = ("dask_jobqueue.local.LocalCluster",)
    templates = ()
    read_by_shell = ()

    def with_variables(self, kwargs: Mapping[str, Any], variables: Mapping[str, str]) -> None:
        """There is no way."""


def _no_interface(kwargs: Mapping[str, Any]) -> Iterator[Problem]:
    """Warn of one that this machine lacks: the scheduler listens on that of its jobs by default."""
    import psutil

    options = kwargs.get("scheduler_options") or {}
    own = "scheduler_options." if "interface" in options else ""
    name = (options if own else kwargs).get("interface")
    here = psutil.net_if_addrs()
    if name and name not in here and "host" not in options:
        summary = f"this machine has no network interface {name!r}"
        remedy, key = f"it has {', '.join(here)}", f"kwargs.{own}interface"
        yield Problem(summary, remedy, key=key, severity="warning")


def _is_size(value: Any) -> bool:
    """Whether a value is memory that a worker can live in: 16 are bytes."""
    return (bytes_of(value) or 0) >= servers.LEAST_MEMORY


def _job_of(worker: Any) -> str:
    return str(worker.name).rpartition("-")[0]


ROOMS = (JobQueue, LocalJobs)
