"""Who keeps the record of a cluster, and the ledger of its jobs."""

from __future__ import annotations

import os
import threading

import pytest

from dask_ctl.hosts import store as records
from dask_ctl.hosts.owner import Owner
from dask_ctl.spec.resolve import resolve

SPEC = {"module": "dask.distributed", "class": "LocalCluster"}


@pytest.mark.parametrize("attempt", range(20))
def test_jobs_that_are_submitted_at_once(attempt: int) -> None:
    """Of jobs that threads note at the same time none is lost, nor is one struck out too much."""
    channel = os.open(os.devnull, os.O_WRONLY)
    keeper = Owner("a", resolve(SPEC).tree, channel).keeper
    keeper.add()
    ids = [f"{attempt}{n}" for n in range(8)]
    barrier = threading.Barrier(len(ids))

    def note(job_id: str) -> None:
        barrier.wait()
        keeper.submitted("slurm", job_id)
        keeper.submitted("slurm", f"{job_id}-done")
        keeper.cancelled(f"{job_id}-done")

    threads = [threading.Thread(target=note, args=(job_id,)) for job_id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(records.read("a").jobs) == ids
    assert records.read("a").system == "slurm"
    keeper.let_go()
    os.close(channel)
