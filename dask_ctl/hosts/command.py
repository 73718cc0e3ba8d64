"""A command that finds a cluster in its environment."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from dask_ctl import _platform
from dask_ctl.backends import Backend
from dask_ctl.exceptions import BackendError

TIMEOUT: Final = 20.0  # seconds; for one that is asked to end
_LOOK_INTERVAL: Final = 60.0  # seconds; within them `subprocess` itself looks every 50 ms
_PREFIX: Final = "DASK_CTL__CLUSTER_"
# A file, since a path replaces all that is configured, where a mapping is laid over it.
_ATTACHED: Final = Path(__file__).with_name("attached.yaml")
_FOLDER: Final = "dask-ctl-run-"


def require_program(command: Sequence[str]) -> None:
    """Raise `BackendError` for a command that cannot be run, before a cluster is made for it."""
    program = command[0]
    if shutil.which(program) is not None:
        return
    problem, remedy = f"there is no program {program!r}", "check the command, and PATH"
    if os.path.isfile(program):
        file = shlex.quote(program)
        if program.endswith(".py"):
            problem, remedy = f"{program!r} is a script, not a program", f"write: python {file}"
        elif os.sep in program:
            problem, remedy = f"{program!r} is not executable", f"chmod +x {file}"
        else:
            remedy = f"for the one in this folder, write ./{file}"
    raise BackendError(problem, remedy=remedy)


def start(
    command: Sequence[str], environment: Mapping[str, str], **keywords: Any
) -> subprocess.Popen[bytes]:
    """Start a command.

    Raises
    ------
    BackendError
        If it cannot be started.
    """
    try:
        return subprocess.Popen(command, env=environment, **keywords)
    except OSError as error:
        raise BackendError(
            f"{command[0]!r} cannot be run: {error.strerror}", remedy="check the command"
        ) from None


def exit_code(process: subprocess.Popen[bytes]) -> int:
    """The exit code of a command once it has ended; 128 and the signal's number if one ended it."""
    code = None
    while code is None:
        # Python handles a signal, such as one to be passed on, once the system's own wait is over:
        # one that another thread has got, or this one just before it waits, does not end that.
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(_LOOK_INTERVAL)
    return code if code >= 0 else 128 - code


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
        with suppress(OSError):
            ours = _platform.user_id() in (None, left.parent.lstat().st_uid)
            if ours and _platform.lock_state(left) == "free":
                shutil.rmtree(left.parent, ignore_errors=True)
    folder = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix=_FOLDER)))
    kept.callback(_platform.Lock(folder / "lock").release)
    with open(folder / name, "x", encoding="utf-8") as file:
        file.write(text)
    return file.name
