"""The record of a cluster as its owner keeps it: what is written down, said, and struck out."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from dask_ctl import _platform
from dask_ctl.backends import batch, batch_systems
from dask_ctl.exceptions import BackendError, DaskCtlError
from dask_ctl.hosts import store as records

logger = logging.getLogger("dask_ctl")

CLOSE_TIMEOUT: Final = 60.0  # seconds


class Keeper:
    """Who keeps the record of one cluster, and the ledger of its jobs.

    Parameters
    ----------
    record : Record
        The record, which nobody has written down yet.
    channel : int
        The descriptor on which to say how far it is.
    """

    def __init__(self, record: records.Record, channel: int) -> None:
        self.record = record
        self.channel = channel
        self.stop_within = CLOSE_TIMEOUT
        self._writing = threading.RLock()  # two jobs may be submitted at once
        self._lock: _platform.Lock

    def add(self) -> None:
        """Write the record down, which takes its name and its lock."""
        self._lock = records.add(self.record)

    def say(self, **event: Any) -> None:
        """Tell the command that started this, if it still listens."""
        with suppress(OSError):
            os.write(self.channel, json.dumps({"dask_ctl": event}).encode() + b"\n")

    def change(self, **changes: Any) -> None:
        """Write down what has changed of the cluster."""
        with self._writing:
            self.record = replace(self.record, **changes)
            if not self._lock.is_replaced:
                records.update(self.record)

    def note(self, **changes: Any) -> None:
        """The same where it is not worth an error; the next change writes it all."""
        try:
            self.change(**changes)
        except BackendError as error:
            logger.warning("not recorded: %s", error)

    def restore(self) -> None:
        """Write down again what somebody has removed: a cluster that lives is to be found."""
        with self._writing, suppress(OSError, BackendError):  # which the next look tries again
            if not self._lock.is_replaced and not records.is_whole(self.record):
                self._lock = records.restore(self.record, self._lock)
                logger.warning("its record had been removed, and is written again")

    # -- the ledger ------------------------------------------------------------------------------

    def submitted(self, system: str, job_id: str) -> None:
        """Write down a job."""
        with self._writing:
            self.note(system=system, jobs=(*self.record.jobs, job_id), refused=None)

    def refused(self, why: str) -> None:
        """Write down that one was not taken, and why."""
        logger.error(why)
        self.note(refused=why)

    def cancelled(self, job_id: str) -> None:
        """Strike it out; of a cluster that closes only once all are gone, which is waited for."""
        if self.record.status == "closing":
            return
        with self._writing:
            self.note(jobs=tuple(each for each in self.record.jobs if each != job_id))

    # -- the end ---------------------------------------------------------------------------------

    def let_go(self) -> None:
        """Leave the record of a cluster that needs no owner."""
        self._lock.remove()
        records.drop_kept(self.record)

    def forget(self, *, is_kept: bool = False, deadline: float | None = None) -> None:
        """Strike the cluster out, once nothing of it is left.

        Parameters
        ----------
        is_kept : bool, optional
            Whether somebody may ask why it has ended.
        deadline : float, optional
            Until when its jobs are waited for, by the monotonic clock, in seconds.
        """
        self._cancel_jobs(deadline or time.monotonic() + self.stop_within)
        if self.record.jobs:  # what is left can be ended by whoever finds its record
            self._lock.release()
            return
        if is_kept:
            records.keep(self.record)
        with open(os.devnull, "wb") as nothing:  # Windows removes no log that is open
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
        records.remove(self.record.name, self._lock)

    def _cancel_jobs(self, deadline: float) -> None:
        """Cancel the jobs that the class of the cluster has left."""
        if self.record.system is None or not self.record.jobs:
            return
        system = batch_systems.SYSTEMS[self.record.system]
        try:
            batch.cancel(system, self.record.jobs, max(1.0, deadline - time.monotonic()))
            batch.until_gone(system, self.record.jobs, max(1.0, deadline - time.monotonic()))
            self.change(jobs=())
        except DaskCtlError as error:
            logger.error("jobs are left: %s", error)  # noqa: TRY400 -- a line for its reader
