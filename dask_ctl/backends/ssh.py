"""Machines reached by SSH."""

from __future__ import annotations

import inspect
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from dask_ctl.backends import plans
from dask_ctl.backends.base import Backend
from dask_ctl.backends.signature import with_options
from dask_ctl.exceptions import Problem

_JOIN_TIMEOUT: Final = 30.0  # seconds


class SSH(Backend):
    """distributed's ``SSHCluster``, a function."""

    classes = ("distributed.deploy.ssh.SSHCluster",)
    packages = {"asyncssh": "asyncssh"}
    templates = ("ssh",)
    inherits_config = True  # distributed hands on what is in force here
    options_of_servers = True

    def can(self, verb: Literal["scale", "adapt"]) -> bool:
        """It has the machines that it is given; scaling it corrupts it (distributed 2026.8)."""
        return False

    def refusals(self, kwargs: Mapping[str, Any]) -> Iterator[Problem]:
        """Machines that are too few: the first has the scheduler, the others the workers."""
        hosts = kwargs.get("hosts")
        remedy = "name the scheduler's and those of workers"
        if hosts == []:
            yield Problem("names no machine", remedy, key="kwargs.hosts")
        elif isinstance(hosts, list) and len(hosts) == 1:
            told = "names only the machine of the scheduler, so there are no workers"
            yield Problem(told, remedy, key="kwargs.hosts", severity="warning")

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


ROOMS = (SSH,)
