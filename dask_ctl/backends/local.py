"""Processes and threads of this machine."""

from __future__ import annotations

import inspect
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Final

import dask.config
from dask.utils import parse_bytes

from dask_ctl.backends import servers, signature
from dask_ctl.backends.base import Backend
from dask_ctl.backends.signature import with_options
from dask_ctl.exceptions import Problem, text_of
from dask_ctl.spec.quantities import bytes_of

logger = logging.getLogger("dask_ctl")
_CREDENTIALS: Final = "distributed.comm.tls.scheduler.cert"


class Local(Backend):
    """distributed's ``LocalCluster``."""

    classes = ("distributed.deploy.local.LocalCluster",)
    templates = ("local",)
    makes_credentials = True
    inherits_config = True  # a nanny hands on what is in force here
    variables_remedy = "only workers that are processes have variables of their own"
    options_of_servers = True
    counted: ClassVar[Mapping[str, int]] = {"n_workers": 0, "threads_per_worker": 0}

    def imports_main(self, kwargs: Mapping[str, Any]) -> bool:
        """Workers that are threads start no process."""
        return kwargs.get("processes") is not False

    def takers(self, kwargs: Mapping[str, Any]) -> tuple[list[Any], bool]:
        """It hands what it does not name to its workers."""
        from distributed import Nanny, Worker

        given = kwargs.get("worker_class")
        nannies = [Nanny] if kwargs.get("processes") is not False else []
        workers = [*nannies, Worker, *([given] if inspect.isclass(given) else [])]
        own = signature.DownFrom(self.target, self.classes[0])
        return [own, *workers], given is None or inspect.isclass(given)

    def refusals(self, kwargs: Mapping[str, Any]) -> Iterator[Problem]:
        """What it reads of its values, as it does when it starts."""
        from distributed.comm.registry import get_backend
        from distributed.utils import get_ip_interface

        reading: dict[str, Callable[[Any], object]] = {
            "interface": get_ip_interface,
            "memory_limit": _memory,
            "protocol": lambda value: get_backend(value.partition("://")[0]),
            "silence_logs": _level,
        }
        for name, read in reading.items():
            try:
                if kwargs.get(name):
                    read(kwargs[name])
            except Exception as error:  # noqa: BLE001 -- whatever it says
                yield Problem(text_of(error), "change the value", key=f"kwargs.{name}")
        yield from super().refusals(kwargs)
        for name in ("host", "interface") if _inproc(kwargs) else ():
            if kwargs.get(name):  # threads of one process need no address
                remedy = "leave it out, or add 'protocol: tcp://'"
                yield Problem("has no meaning without a protocol", remedy, key=f"kwargs.{name}")
        if isinstance(kwargs.get("worker_class"), str):
            remedy = "write it so: ${import:distributed:Nanny}"
            yield Problem("must be a class, not its name", remedy, key="kwargs.worker_class")
        encrypted = str(kwargs.get("protocol") or "").partition("://")[0] in ("tls", "wss")
        if encrypted and not (kwargs.get("security") or dask.config.get(_CREDENTIALS, None)):
            problem = "needs credentials, and there are none"
            yield Problem(problem, "add 'security: true'", key="kwargs.protocol")

    def problems(self, kwargs: Mapping[str, Any]) -> Iterator[Problem]:
        """Memory in which no worker can live: a bare number is in bytes."""
        limit = kwargs.get("memory_limit")
        if isinstance(limit, (int, str)) and limit != "auto":
            size = bytes_of(limit)
            if size is not None and 0 < size < servers.LEAST_MEMORY:
                problem = f"{size:.0f} bytes are too little for any worker"
                remedy = "write a size with its unit: 4GB"
                yield Problem(problem, remedy, key="kwargs.memory_limit", severity="warning")

    def plan(self, args: list[Any], kwargs: Mapping[str, Any]) -> str:
        """How many workers there would be, and what each would have."""
        from dask.system import CPU_COUNT
        from dask.utils import format_bytes
        from distributed.deploy.utils import nprocesses_nthreads
        from distributed.worker_memory import parse_memory_limit

        n, threads = kwargs.get("n_workers"), kwargs.get("threads_per_worker")
        processes = kwargs.get("processes", True)
        if n is None and threads is None:
            n, threads = nprocesses_nthreads() if processes else (1, CPU_COUNT)
        if n is None:
            n = max(1, CPU_COUNT // threads) if processes else 1
        threads = max(1, math.ceil(CPU_COUNT / n) if n else 1) if threads is None else threads
        # What is not given the class divides by workers; "auto" each worker by its threads.
        share = (threads,) if "memory_limit" in kwargs else (1, n or 1)
        limit = parse_memory_limit(kwargs.get("memory_limit", "auto"), *share, logger=logger)
        memory = "no limit" if limit is None else format_bytes(limit)
        kind = "processes" if processes else "threads of this process"
        return f"workers: {n} ({kind})\nthreads of each: {threads}\nmemory of each: {memory}\n"

    def with_variables(
        self, kwargs: Mapping[str, Any], variables: Mapping[str, str]
    ) -> dict[str, Any] | None:
        """By the nannies; threads share the variables of this process."""
        if kwargs.get("processes") is False or kwargs.get("worker_class") is not None:
            return None
        return with_options(kwargs, "env", **variables)

    def when_idle(self, kwargs: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """By its scheduler."""
        return with_options(kwargs, "scheduler_kwargs", idle_timeout=seconds)

    def shareable(self, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Threads listen only within their own process, unless they are told how."""
        return {"protocol": "tcp://"} if _inproc(kwargs) else {}


def _inproc(kwargs: Mapping[str, Any]) -> bool:
    """Whether the class lets its workers, threads of this process, talk within it alone."""
    from distributed import Worker

    given = kwargs.get("worker_class")
    threads = inspect.isclass(given) and issubclass(given, Worker)
    told = ("protocol", "security", "scheduler_port")
    return (
        (threads or not kwargs.get("processes", True))
        and not any(map(kwargs.get, told))
        and "://" not in str(kwargs.get("host"))
    )


def _level(value: Any) -> None:
    """Raise `ValueError` for a text that is no level of logging."""
    if isinstance(value, str) and value.upper() not in logging.getLevelNamesMapping():
        raise ValueError("is no level of logging: debug, info, warning, error, critical")


def _memory(value: Any) -> None:
    """Raise `ValueError` for what is no limit of memory."""
    if value != "auto" and parse_bytes(value) < 0:
        raise ValueError("is no size of memory")


class Subprocess(Backend):
    """distributed's ``SubprocessCluster``, a function."""

    classes = ("distributed.deploy.subprocess.SubprocessCluster",)
    by_command = True
    inherits_config = True  # distributed hands on what is in force here
    options_of_servers = True
    counted: ClassVar[Mapping[str, int]] = {"n_workers": 0, "threads_per_worker": 0}

    def when_idle(self, kwargs: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """By its scheduler."""
        return with_options(kwargs, "scheduler_kwargs", idle_timeout=seconds)


ROOMS = (Local, Subprocess)
