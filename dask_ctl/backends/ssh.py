"""Machines reached by SSH."""

from __future__ import annotations

import time
from typing import Any, Final, Literal

from dask_ctl.backends.base import Backend

_JOIN_TIMEOUT: Final = 30.0  # seconds


class SSH(Backend):
    """distributed's ``SSHCluster``, a function."""

    classes = ("distributed.deploy.ssh.SSHCluster",)
    packages = {"asyncssh": "asyncssh"}
    templates = ("ssh",)

    def can(self, verb: Literal["scale", "adapt"]) -> bool:
        """It has the machines that it is given; scaling it corrupts it (distributed 2026.8)."""
        return False

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
