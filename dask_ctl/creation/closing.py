"""The end of what a script created.

distributed closes a cluster at exit by itself, but with clients still connected it then reports
their lost results, and a Runner it does not close at all. The hooks here run before
distributed's, because they are registered after it was imported.
"""

from __future__ import annotations

import atexit
import time
import weakref
from typing import Any, Final

from dask_ctl.backends import kubernetes

_RUNNER_JOIN_TIMEOUT: Final = 60.0
_RUNNER_LEAVE_TIMEOUT: Final = 60.0
_SSH_JOIN_TIMEOUT: Final = 30.0

_owned: weakref.WeakSet[Any] = weakref.WeakSet()
_runners: list[Any] = []


def at_exit(cluster: Any, *, runner: bool) -> None:
    """See to it that `cluster` ends quietly when the process does.

    Parameters
    ----------
    cluster : object
        A live cluster or Runner. Whether a cluster is closed stays its own business
        (``shutdown_on_close``); a Runner is closed here.
    runner : bool
        Whether it is a Runner.
    """
    if not _owned and not _runners:
        atexit.unregister(_end)
        atexit.register(_end)
    if runner:
        _runners.append(cluster)
    else:
        _owned.add(cluster)


def _end() -> None:
    for cluster in list(_owned):
        if _status(cluster) != "closed" and getattr(cluster, "shutdown_on_close", True):
            _wait_for_ssh_workers(cluster)
            close_clients(cluster)
    for runner in _runners:
        if _status(runner) == "running":
            close_runner(runner)


def close_clients(cluster: Any) -> None:
    """Close this process's clients of `cluster`, so that none mourns it."""
    from distributed import Client

    address = getattr(cluster, "scheduler_address", None)
    # distributed keeps no public list of its clients.
    for client in list(Client._instances):
        scheduler = getattr(client.scheduler, "address", None)
        ours = client.cluster is cluster or (address and scheduler == address)
        if ours and client.status not in ("closed", "closing") and not client.asynchronous:
            client.close()


def close_runner(runner: Any) -> None:
    """Close a Runner once all its workers have joined and left, in that order.

    A worker rank that starts after the scheduler has gone would wait for it for ever, and one
    that loses its scheduler prints tracebacks.
    """
    from distributed import Client

    close_clients(runner)
    try:
        with Client(runner.scheduler_address, set_as_default=False) as client:
            expected = getattr(runner, "n_workers", 0)
            client.wait_for_workers(expected, timeout=_RUNNER_JOIN_TIMEOUT)
            client.retire_workers(close_workers=True)
            _wait(lambda: client.run_on_scheduler(_only_clients_left), _RUNNER_LEAVE_TIMEOUT)
    finally:
        runner.close()


def _only_clients_left(dask_scheduler: Any) -> bool:
    """Whether no worker is connected to the scheduler; this runs in the scheduler.

    A retired worker is forgotten at once but hangs up later, and a scheduler that closes before
    that logs a traceback. Active here are a stream of each client, and the call of this.
    """
    active: int = dask_scheduler.incoming_comms_active
    return not dask_scheduler.workers and active <= len(dask_scheduler.client_comms) + 1


def spare(cluster: Any) -> bool:
    """Have `cluster` left running if it was there before; return whether it was."""
    if not kubernetes.connected(cluster):
        return False
    cluster.shutdown_on_close = False
    return True


def undo(cluster: Any) -> None:
    """Close what was started, after a failure.

    Parameters
    ----------
    cluster : object
        A cluster, perhaps one whose constructor was interrupted.
    """
    from distributed import Status

    spare(cluster)
    # The status of a GatewayCluster is a text, and its ways of closing need no help.
    if getattr(cluster, "status", None) is Status.starting:
        # Cancelled half way: only a cluster that has failed closes what there is of it.
        cluster.status = Status.failed
    _wait_for_ssh_workers(cluster)
    close_clients(cluster)
    cluster.close()


def _wait_for_ssh_workers(cluster: Any) -> None:
    """Wait until all workers of an ``SSHCluster`` have joined it.

    They end at their scheduler's word. One that has not joined by then looks for its scheduler
    for ever.
    """
    workers = getattr(cluster, "workers", None) or {}
    expected = sum(
        worker.n_workers
        for worker in (workers.values() if isinstance(workers, dict) else ())
        if type(worker).__module__ == "distributed.deploy.ssh"
    )
    if expected:
        _wait(lambda: len(cluster.scheduler_info["workers"]) >= expected, _SSH_JOIN_TIMEOUT)


def half_built(error: BaseException) -> Any | None:
    """The cluster whose constructor `error` left, or None.

    A constructor that raises gives its object to nobody; the traceback still holds it.
    """
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_code.co_name == "__init__":
            candidate = frame.f_locals.get("self")
            is_cluster = hasattr(type(candidate), "scheduler_address")
            # Nothing runs yet without a status, nor as "created", which dask-jobqueue's classes
            # are before their base class was reached.
            if is_cluster and _status(candidate) not in ("", "created"):
                return candidate
        traceback = traceback.tb_next
    return None


def _status(cluster: Any) -> str:
    status = getattr(cluster, "status", "")
    return str(getattr(status, "name", status))


def _wait(done: Any, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)
