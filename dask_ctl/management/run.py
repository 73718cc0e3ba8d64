"""A command that finds a cluster in its environment."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, redirect_stdout
from functools import partial
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
# A file, since a path replaces all that is configured, where a mapping is laid over it.
_ATTACHED: Final = Path(__file__).with_name("attached.yaml")
_FOLDER: Final = "dask-ctl-run-"


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
        with ExitStack() as kept:
            return _run(command, environment_for(cluster, room, os.environ, kept))
    finally:
        # Whoever is impatient now would leave the cluster behind.
        for signalnum in _platform.forwarded_signals():
            signal.signal(signalnum, signal.SIG_IGN)
        exits.undo(cluster, room)


def environment_for(
    cluster: Any, room: Backend, env: Mapping[str, str], kept: ExitStack
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
    kept : ExitStack
        What is to be left once the command has ended.
    """
    others = {name: value for name, value in env.items() if not name.upper().startswith(_PREFIX)}
    return {
        **others,
        **room.environment(cluster, partial(write_private, kept)),
        f"{_PREFIX}SPEC": str(_ATTACHED),
        f"{_PREFIX}KWARGS": "null",  # what a file lays over every spec is not for this one
    }


def write_private(kept: ExitStack, name: str, text: str) -> str:
    """Write a file that only the user can read, and remove what killed processes have left of such.

    Parameters
    ----------
    kept : ExitStack
        Removes the file when it is left.
    name : str
        The name of the file.
    text : str
        What to write.

    Returns
    -------
    path : str
        Its path.
    """
    temporary = Path(tempfile.gettempdir())
    for left in temporary.glob(f"{_FOLDER}*/lock"):  # of a process that was killed
        if _platform.lock_state(left) == "free":
            shutil.rmtree(left.parent, ignore_errors=True)
    folder = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix=_FOLDER)))
    kept.callback(_platform.Lock(folder / "lock").release)
    with open(folder / name, "x", encoding="utf-8") as file:
        file.write(text)
    return file.name


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    # In the foreground of a terminal, its Ctrl-C reaches both. Elsewhere whoever means both sends
    # a signal to their group, and the command would have it twice: it gets a group of its own.
    shared = _platform.in_foreground()
    group: dict[str, Any] = {} if shared else {"process_group": 0}
    try:
        process = subprocess.Popen(command, env=environment, **group)
    except OSError as error:
        raise BackendError(
            f"{command[0]!r} cannot be run: {error.strerror}", remedy="check the command"
        ) from None

    def forward(signalnum: int, _: object) -> None:
        """Pass a signal on, unless the terminal has sent it to both."""
        both = shared and _platform.sent_to_all(signalnum)
        if not both and process.poll() is None:
            process.send_signal(signalnum)

    for signalnum in _platform.forwarded_signals():
        signal.signal(signalnum, forward)
    code: int = process.wait()
    return code if code >= 0 else 128 - code
