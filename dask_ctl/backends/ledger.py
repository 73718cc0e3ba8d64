"""The jobs that a cluster is known to have."""

from __future__ import annotations

from typing import Protocol


class Ledger(Protocol):
    """Where the jobs are written down that must be cancelled if their owner cannot."""

    def submitted(self, system: str, job_id: str) -> None:
        """A job is in the queue of a batch system."""

    def refused(self, why: str) -> None:
        """The batch system has not taken one, once the cluster was there."""

    def cancelled(self, job_id: str) -> None:
        """It has been taken out."""
