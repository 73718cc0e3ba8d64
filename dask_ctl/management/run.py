"""A command for whose time there is a cluster."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, redirect_stdout
from typing import Any, Final

import dask.config

from dask_ctl import _platform
from dask_ctl.backends import room_of
from dask_ctl.creation import exits
from dask_ctl.creation.arguments import plain_arguments
from dask_ctl.creation.call import create
from dask_ctl.creation.target import load
from dask_ctl.hosts.command import environment_for, exit_code, start
from dask_ctl.hosts.owner import shareable
from dask_ctl.management import apart
from dask_ctl.spec.resolved import ResolvedSpec

logger = logging.getLogger("dask_ctl")

_SAFE_PATH: Final = "PYTHONSAFEPATH"


def create_for(resolved: ResolvedSpec, noted: Callable[[str], None] | None = None) -> Any:
    """The cluster of a spec, for a command to use; what its class prints goes to standard error."""
    with redirect_stdout(sys.stderr):
        expanded = resolved.expanded(os.environ).tree
        room = room_of(load(expanded))
        if room.imports_main(plain_arguments(expanded)[1]):
            # Not where dask's configuration goes to other machines, which may lack this package.
            _keep_this_folder_out()
            _keep_the_terminal_out()
        tree = shareable(resolved.tree, room, expanded)
        cluster = create(ResolvedSpec.of(tree))
        if noted is not None and (note := exits.room_in_charge(cluster).owner_note(None)):
            noted(note)
        return cluster


def _keep_this_folder_out() -> None:
    """Keep worker processes from importing what somebody has put into the current directory.

    `multiprocessing` starts Python with ``-c``, which looks there first, even for itself. A host
    runs with ``-P``, which it hands on. What a task starts itself fares as ever.
    """
    if sys.flags.safe_path or _SAFE_PATH in os.environ:
        return
    os.environ[_SAFE_PATH] = "1"
    try:
        _platform.start_resource_tracker()  # before it is needed, and the variable is gone
    finally:
        del os.environ[_SAFE_PATH]
    nanny = "distributed.nanny"
    started, then = f"{nanny}.pre-spawn-environ.{_SAFE_PATH}", f"{nanny}.environ.{_SAFE_PATH}"
    dask.config.set({started: "1", then: ""})  # empty is unset


def _keep_the_terminal_out() -> None:
    """Have each worker process leave the group to which the terminal sends Ctrl-C."""
    preload: Any = dask.config.get("distributed.worker.preload") or []
    preload = [preload] if isinstance(preload, str) else list(preload)
    argv = list(dask.config.get("distributed.worker.preload-argv") or [])
    if all(isinstance(word, str) for word in argv):  # which are for each of them
        argv = [argv] * len(preload)
    loaded = {"preload": [*preload, apart.PRELOAD], "preload-argv": [*argv, []]}
    dask.config.set({f"distributed.worker.{key}": value for key, value in loaded.items()})


def run_with(cluster: Any, command: Sequence[str]) -> int:
    """Run a command that can use a cluster, and close the cluster when it ends.

    Parameters
    ----------
    cluster : object
        A live cluster.
    command : sequence of str
        The command and its arguments. Standard input and output, and signals, are its own.

    Returns
    -------
    code : int
        Its exit code; 128 and the signal's number if a signal ended it.

    Raises
    ------
    BackendError
        If the command cannot be started, or could not use the cluster.
    """
    room = exits.room_in_charge(cluster)
    try:
        with ExitStack() as kept:
            return _run(command, environment_for(cluster, room, os.environ, kept))
    finally:
        # Whoever is impatient now would leave the cluster behind.
        for signalnum in _platform.forwarded_signals():
            signal.signal(signalnum, lambda *_: logger.warning("%s is being closed", room.name))
        exits.undo(cluster, room)


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    # In the foreground of a terminal, its Ctrl-C reaches both. Elsewhere whoever means both sends
    # a signal to their group, and the command would have it twice: it gets a group of its own.
    shared = _platform.in_foreground()
    group: dict[str, Any] = {} if shared else {"process_group": 0}
    process: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def forward(signalnum: int, _: object) -> None:
        """Pass a signal on, unless the terminal has sent it to both."""
        both = shared and _platform.sent_to_all(signalnum)
        if process is None:
            early.append(signalnum)
        elif not both and process.poll() is None:
            process.send_signal(signalnum)

    for signalnum in _platform.forwarded_signals():
        signal.signal(signalnum, forward)
    started = process = start(command, environment, **group)
    for each in early:  # which the command has not got, as it was about to begin
        started.send_signal(each)
    return exit_code(started)
