"""Processes and threads of this machine."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from dask_ctl.backends import signature
from dask_ctl.backends.base import Backend


class Local(Backend):
    """distributed's ``LocalCluster``."""

    classes = ("distributed.deploy.local.LocalCluster",)
    templates = ("local",)

    def imports_main(self, kwargs: Mapping[str, Any]) -> bool:
        """Workers that are threads start no process."""
        return kwargs.get("processes") is not False

    def keywords(self, kwargs: Mapping[str, Any]) -> tuple[set[str], bool]:
        """It hands what it does not name to its workers."""
        from distributed import Nanny, Worker

        given = kwargs.get("worker_class")
        known = signature.of_bases(self.target)
        for worker in (Nanny, Worker, *([given] if inspect.isclass(given) else [])):
            known |= signature.of_bases(worker)
        return known, given is None or inspect.isclass(given)

    def shareable(self, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Threads listen only within their own process, unless they are told how."""
        told = {"protocol", "host", "security", "scheduler_port"} & kwargs.keys()
        return {} if kwargs.get("processes", True) or told else {"protocol": "tcp://"}


ROOMS = (Local,)
