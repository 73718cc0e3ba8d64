"""What is wanted of the logs of a cluster, and what scheduler and workers remember of theirs."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dask_ctl.exceptions import BackendError

_STAMP: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")  # of logging, in local time


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which part of a log.

    Parameters
    ----------
    follow : bool
        Whether to go on with what comes.
    tail : int, optional
        How many lines, the last, to begin with.
    since : float, optional
        How many seconds it goes back, by the times at the head of its lines.
    """

    follow: bool = False
    tail: int | None = None
    since: float | None = None

    def of(self, text: str) -> str:
        """What is wanted of a text; a line without a time belongs to the one before it."""
        lines = text.splitlines(keepends=True)
        if self.since is not None:
            oldest = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() - self.since))
            stamps = (_STAMP.match(line) for line in lines)
            recent = (n for n, stamp in enumerate(stamps) if stamp and stamp[0] >= oldest)
            lines = lines[next(recent, len(lines)) :]
        return "".join(
            lines if self.tail is None else lines[len(lines) - min(self.tail, len(lines)) :]
        )

    def refuse_to_follow(self, called: str | None) -> None:
        """Raise the error that logs come in one piece, if they are to be followed."""
        if self.follow:
            raise BackendError(
                f"{called} has no log that can be followed", remedy="leave out --follow"
            )


def of_cluster(cluster: Any, wanted: Wanted) -> Iterator[tuple[str, str]]:
    """What the parts of a cluster remember of their logs, the oldest first.

    distributed's own ``get_logs`` gives the newest entry first (2026.8).
    """
    for part, text in _all_of(cluster):
        yield part, wanted.of(str(text))


def _all_of(cluster: Any) -> Iterator[tuple[str, str]]:
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
