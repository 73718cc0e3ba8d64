"""A command that finds a cluster in its environment."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Final

from dask_ctl import _platform
from dask_ctl.backends import Backend, room_of
from dask_ctl.creation import exits
from dask_ctl.creation.call import create
from dask_ctl.creation.target import load
from dask_ctl.exceptions import BackendError
from dask_ctl.hosts.owner import shareable
from dask_ctl.spec.resolved import ResolvedSpec

_PREFIX: Final = "DASK_CTL__CLUSTER_"


def require_program(command: Sequence[str]) -> None:
    """Raise `BackendError` for a command that cannot be run, before a cluster is made for it."""
    if shutil.which(command[0]) is None:
        raise BackendError(
            f"there is no program {command[0]!r}", remedy="check the command, and PATH"
        )


def create_for(resolved: ResolvedSpec) -> Any:
    """The cluster of a spec, for a command to use; what its class prints goes to standard error."""
    with redirect_stdout(sys.stderr):
        expanded = resolved.expanded(os.environ).tree
        tree = shareable(resolved.tree, room_of(load(expanded)), expanded)
        return create(ResolvedSpec.of(tree))


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
    room = room_of(type(cluster))
    try:
        with tempfile.TemporaryDirectory(prefix="dask-ctl-") as folder:
            return _run(command, environment_for(cluster, room, os.environ, Path(folder)))
    finally:
        # Whoever is impatient now would leave the cluster behind.
        for signalnum in _platform.forwarded_signals():
            signal.signal(signalnum, signal.SIG_IGN)
        exits.undo(cluster, room)


def environment_for(
    cluster: Any, room: Backend, env: Mapping[str, str], folder: Path
) -> dict[str, str]:
    """The environment in which ``Client()`` and ``create_cluster()`` find a cluster.

    Parameters
    ----------
    cluster : object
        A live cluster.
    room : Backend
        Its room.
    env : mapping
        The environment to start from.
    folder : Path
        Where to write files for it, of which nobody else may know.
    """
    kept = {name: value for name, value in env.items() if not name.upper().startswith(_PREFIX)}
    # A file, since a path replaces all that is configured, where a mapping is laid over it.
    spec = folder / "dask-cluster.json"
    attach = {"module": "dask_ctl.proxy", "class": "ProxyCluster"}
    spec.write_text(json.dumps({"version": 1, **attach, "args": [str(cluster.scheduler_address)]}))
    return {
        **kept,
        **room.environment(cluster, folder),
        f"{_PREFIX}SPEC": str(spec),
        f"{_PREFIX}KWARGS": "null",  # what a file lays over every spec is not for this one
    }


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    try:
        process = subprocess.Popen(command, env=environment)
    except OSError as error:
        raise BackendError(
            f"{command[0]!r} cannot be run: {error.strerror}", remedy="check the command"
        ) from None

    def forward(signalnum: int, _: object) -> None:
        """Pass a signal on, unless the terminal has sent it to both."""
        if not _platform.sent_to_all(signalnum) and process.poll() is None:
            process.send_signal(signalnum)

    for signalnum in _platform.forwarded_signals():
        signal.signal(signalnum, forward)
    code = process.wait()
    return code if code >= 0 else 128 - code
