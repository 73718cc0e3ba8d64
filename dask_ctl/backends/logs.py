"""What scheduler and workers remember of their logs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any


def of_cluster(cluster: Any) -> Iterator[tuple[str, str]]:
    """What the parts of a cluster remember of their logs, the oldest first.

    distributed's own ``get_logs`` gives the newest entry first (2026.8).
    """
    from distributed.deploy.cluster import Cluster

    if type(cluster).get_logs is not Cluster.get_logs:
        yield from cluster.get_logs().items()
        return
    yield from cluster.get_logs(scheduler=False, workers=False).items()
    comm = cluster.scheduler_comm
    yield "Scheduler", _oldest_first(cluster.sync(comm.get_logs))
    for address, entries in cluster.sync(comm.worker_logs).items():
        yield address, _oldest_first(entries)


def _oldest_first(entries: Sequence[tuple[str, str]]) -> str:
    return "\n".join(text for _, text in reversed(entries))
