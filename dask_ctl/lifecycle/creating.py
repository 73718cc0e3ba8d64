"""From a spec to a cluster, in this process or to live on."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dask_ctl.lifecycle.resolving import SpecLike, resolved_from

if TYPE_CHECKING:
    from dask_ctl.lifecycle.cluster import Cluster

logger = logging.getLogger("dask_ctl")


def create_cluster(
    spec_path: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    local_fallback: bool = False,
    asynchronous: bool = False,
) -> Cluster:
    """Create the cluster that dask's configuration describes.

    Parameters
    ----------
    spec_path : str, path or mapping, optional
        The path of a spec file, the name of a spec, or a spec as a mapping, before anything
        that is configured. By default the key ``ctl.cluster-spec`` of dask's configuration and
        the file ``dask-cluster.yaml`` decide.
    local_fallback : bool
        Whether to create a `distributed.LocalCluster` where no spec is found.
    asynchronous : bool
        Whether the cluster is for a running event loop: await it, or use ``async with``.

    Returns
    -------
    cluster : object
        The backend's own object, which closes when the script ends as if its class had been
        called directly.

    Raises
    ------
    DaskClusterConfigNotFound
        If no spec is found.
    InvalidSpecError
        If the spec is wrong.
    BackendError
        If the backend is not installed, or lacks what it needs here.
    Exception
        What the backend itself raises, with a note that names the spec.

    Examples
    --------
    >>> spec = {
    ...     "module": "dask.distributed",
    ...     "class": "LocalCluster",
    ...     "kwargs": {"n_workers": 1, "processes": False, "dashboard_address": ":0"},
    ... }
    >>> with create_cluster(spec) as cluster:
    ...     len(cluster.workers)
    1
    """
    from dask_ctl.creation.call import create, say_once
    from dask_ctl.exceptions import InBrief

    __tracebackhide__ = True  # as in all that is between a script and the class, for IPython
    with InBrief():
        resolved = resolved_from(spec_path, local_fallback)
        say_once(resolved)
        cluster: Cluster = create(resolved, asynchronous=asynchronous)
    return cluster


def launch_cluster(
    spec_path: SpecLike = None,
    name: str | None = None,
    *,
    local_fallback: bool = False,
    wait: int | None = 0,
    timeout: float | None = None,
    secure: bool = False,
    idle_timeout: str | float | None = None,
    command: Sequence[str] = (),
    told: Callable[[int], None] | None = None,
    noted: Callable[[str], None] | None = None,
) -> str:
    """Create a cluster that lives on when this process has ended.

    Parameters
    ----------
    spec_path, local_fallback
        As of `create_cluster`; or what `resolve_spec` gave.
    name : str, optional
        What to call the cluster; by default what its spec calls it, or its class and a number.
    wait : int or None
        For how many workers to wait; None to wait for nothing, not even for the scheduler.
    timeout : float, optional
        When to give up, and leave nothing, in seconds.
    secure : bool
        Whether the cluster gets TLS, by credentials that its class makes for it alone.
    idle_timeout : str or float, optional
        After what time without work it ends, whatever its spec says: ``"30m"``, or in seconds.
    command : sequence of str, optional
        A command and its arguments, to run as `run_command` does once the cluster is there, which
        ends when the command does: see `wait_for_command`.
    told : callable, optional
        Called with the number of workers, when it changes.
    noted : callable, optional
        Called with what there is to say meanwhile: where its owner lives, if the cluster's jobs end
        with that; what its workers wait for, if that is known, after a while, then every minute.

    Returns
    -------
    name : str
        What `get_cluster` and `delete_cluster` take.

    Raises
    ------
    DaskClusterConfigNotFound
        If no spec is found.
    InvalidSpecError
        If the spec is wrong, or there is a cluster of that name.
    BackendError
        If the cluster cannot be created, or is not there in time.
    """
    from dask_ctl import _async
    from dask_ctl.exceptions import BackendError, DaskCtlWarning, Problem, text_of
    from dask_ctl.hosts.command import require_program
    from dask_ctl.hosts.launch import Launch, asked, name_for, secured
    from dask_ctl.management import verbs

    if command:
        require_program(command)
    deadline = None if timeout is None else time.monotonic() + timeout
    resolved = resolved_from(spec_path, local_fallback)
    if idle_timeout is not None:
        resolved = asked(resolved, "--idle-timeout", {"idle_timeout": idle_timeout})
    if secure:
        resolved = secured(resolved)
    name = name_for(resolved) if name is None else name
    launch = Launch(name, resolved.tree, deadline, command)
    try:
        launch.until("hosted" if wait is None else "running", noted)
        if wait:
            _async.run(verbs.wait(name, wait, deadline=deadline, told=told, noted=noted))
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            again = "interrupt again to hurry that"
            logger.warning("interrupted: what there is of %r is being ended; %s", name, again)
        late = deadline is not None and time.monotonic() > deadline
        problem = error.problem if wait and late and isinstance(error, BackendError) else None
        log = launch.keep_log() if problem else None
        launch.stop()
        try:
            if launch.recorded:
                _async.run(verbs.forget(name, deadline))
        except Exception as left:  # noqa: BLE001 -- it is not what went wrong first
            kept = f"cluster {name!r} could not be deleted again: {text_of(left)}"
            remedy = f"try again: dask cluster delete {name}"
            warnings.warn(str(Problem(kept, remedy)), DaskCtlWarning, stacklevel=2)
        if problem and log:
            remedy = f"give it more --timeout, or see its log: {log}"
            raise BackendError.of(replace(problem, remedy=remedy)) from None
        raise
    return name


def run_command(
    command: Sequence[str],
    spec_path: SpecLike = None,
    *,
    name: str | None = None,
    local_fallback: bool = False,
    noted: Callable[[str], None] | None = None,
) -> int:
    """Run a command with a cluster that ``Client()`` in it finds.

    Signals that this process gets are passed on to the command.

    Parameters
    ----------
    command : sequence of str
        The command and its arguments.
    spec_path, local_fallback
        As of `create_cluster`; or what `resolve_spec` gave. The cluster is closed when the command
        ends.
    name : str, optional
        A running cluster to use instead, which is left running.
    noted : callable, optional
        Called with where the cluster's owner lives, if the cluster's jobs end with that.

    Returns
    -------
    code : int
        The exit code of the command; 128 and the signal's number if a signal ended it.

    Raises
    ------
    BackendError
        If the command cannot be run, or cannot reach the cluster.
    """
    from dask_ctl.hosts.command import require_program
    from dask_ctl.management import run, verbs

    require_program(command)
    if name is not None:
        return run.run_with(verbs.connect(name), command)
    resolved = resolved_from(spec_path, local_fallback)
    return run.run_with(run.create_for(resolved, noted), command)
