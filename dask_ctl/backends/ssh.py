"""Machines reached by SSH."""

from __future__ import annotations

import inspect
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from dask_ctl.backends import plans, signature
from dask_ctl.backends.base import Backend
from dask_ctl.backends.signature import with_options
from dask_ctl.exceptions import Problem, plural

_JOIN_TIMEOUT: Final = 30.0  # seconds


class SSH(Backend):
    """distributed's ``SSHCluster``, a function."""

    classes = ("distributed.deploy.ssh.SSHCluster",)
    packages = {"asyncssh": "asyncssh"}
    templates = ("ssh",)
    by_command = True
    inherits_config = True  # distributed hands on what is in force here
    options_of_servers = True

    def takers(self, kwargs: Mapping[str, Any]) -> tuple[list[Any], bool]:
        """It hands what it does not name to the class of what it returns, but for the name."""
        from distributed import SpecCluster

        specs = signature.DownFrom(SpecCluster, "distributed.deploy.spec.SpecCluster")
        return [self.target, specs], True

    def parts(self, kwargs: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Those of asyncssh, too."""
        try:
            from asyncssh import SSHClientConnectionOptions, connect
        except ImportError:  # which `check` says
            return super().parts(kwargs)
        takers = [connect, SSHClientConnectionOptions.prepare]
        return {**super().parts(kwargs), "connect_options": takers}

    def can(self, verb: Literal["scale", "adapt"]) -> bool:
        """It has the machines that it is given; scaling it corrupts it (distributed 2026.8)."""
        return False

    def refusals(self, kwargs: Mapping[str, Any]) -> Iterator[Problem]:
        """Machines that are too few: the first has the scheduler, the others the workers."""
        yield from super().refusals(kwargs)
        yield from _no_machines(kwargs.get("hosts"))
        if "name" in kwargs:
            problem = "is given by SSHCluster itself"
            yield Problem(problem, "remove it", key="kwargs.name")
        hosts = kwargs.get("hosts")
        remedy = "name the scheduler's and those of workers"
        if hosts == []:
            yield Problem("names no machine", remedy, key="kwargs.hosts")
        elif isinstance(hosts, list) and len(hosts) == 1:
            told = "names only the machine of the scheduler, so there are no workers"
            yield Problem(told, remedy, key="kwargs.hosts", severity="warning")
        options = kwargs.get("connect_options")
        if isinstance(options, list) and isinstance(hosts, list) and len(options) != len(hosts):
            told = f"are {len(options)} for {plural(len(hosts), 'machine')}"
            remedy = "write as many, or one mapping for all"
            yield Problem(told, remedy, key="kwargs.connect_options")

    def plan(self, args: list[Any], kwargs: Mapping[str, Any]) -> str:
        """What would be started where."""
        given = inspect.signature(self.target).bind_partial(*args, **kwargs).arguments
        scheduler, *workers = given.pop("hosts", None) or ["localhost", "localhost"]
        given |= given.pop("kwargs", {})
        return plans.listed({"scheduler on": scheduler, "workers on": workers, **given})

    def with_variables(
        self, kwargs: Mapping[str, Any], variables: Mapping[str, str]
    ) -> dict[str, Any]:
        """Before the command that starts Python; ``AcceptEnv`` of an sshd is seldom set."""
        python = kwargs.get("remote_python") or sys.executable
        env = shlex.join(["env", *(f"{name}={value}" for name, value in variables.items())])
        several = isinstance(python, (list, tuple))
        command = [f"{env} {each}" for each in python] if several else f"{env} {python}"
        return {**kwargs, "remote_python": command}

    def when_idle(self, kwargs: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """By its scheduler."""
        return with_options(kwargs, "scheduler_options", idle_timeout=seconds)

    def before_close(self, cluster: Any) -> None:
        """Wait until all workers have joined.

        They end at their scheduler's word. One that has not joined by then looks for its
        scheduler for ever.
        """
        workers = getattr(cluster, "workers", None) or {}
        expected = sum(worker.n_workers for worker in workers.values())
        deadline = time.monotonic() + _JOIN_TIMEOUT
        while len(cluster.scheduler_info["workers"]) < expected and time.monotonic() < deadline:
            time.sleep(0.05)


def _no_machines(hosts: Any) -> Iterator[Problem]:
    """What is no name of a machine, since asyncssh takes user and port apart from it."""
    for n, host in enumerate(hosts if isinstance(hosts, list) else ()):
        key = f"kwargs.hosts.{n}"
        if not isinstance(host, str) or not host or any(map(str.isspace, host)) or "/" in host:
            yield Problem(f"{host!r} is no name of a machine", "write its name alone", key=key)
        elif "@" in host:
            remedy = f"write connect_options: {{username: {host.partition('@')[0]}}}"
            yield Problem(f"{host!r} is no name of a machine alone", remedy, key=key)
        elif host.count(":") == 1:
            remedy = f"write connect_options: {{port: {host.partition(':')[2]}}}"
            yield Problem(f"{host!r} is no name of a machine alone", remedy, key=key)


ROOMS = (SSH,)
