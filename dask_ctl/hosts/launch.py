"""Have a detached process create a cluster, and follow how far it is."""

from __future__ import annotations

import json
import os
import pickle
import secrets
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, Self

from dask_ctl._async import run
from dask_ctl.exceptions import BackendError, InvalidSpecError, NoSuchClusterError
from dask_ctl.hosts import records
from dask_ctl.management.manage import delete
from dask_ctl.management.methods import of_record
from dask_ctl.management.reach import Found
from dask_ctl.spec.located import Located
from dask_ctl.spec.resolved import ResolvedSpec

_CLOSE_TIMEOUT: Final = 20.0  # seconds
_ERRORS: Final = {error.exit_code: error for error in (InvalidSpecError, BackendError)}


def name_for(resolved: ResolvedSpec) -> str:
    """A name for a cluster: that of its spec, or its class and a number."""
    given = (resolved.spec.kwargs or {}).get("name")
    if isinstance(given, str) and "$" not in given and "{" not in given:
        return given
    class_name = resolved.spec.target.rpartition(".")[2]
    return f"{class_name.lower()}-{secrets.token_hex(2)}"


class Launch:
    """The start of one cluster, which is undone unless it is `released`.

    Parameters
    ----------
    name : str
        The name of the cluster.
    tree : Located
        Its resolved spec.

    Raises
    ------
    InvalidSpecError
        If there is a cluster of that name.
    BackendError
        If its record or its log cannot be written.
    """

    def __init__(self, name: str, tree: Located) -> None:
        self.name, self.released, self._recorded = name, False, False
        records.check_name(name)
        with suppress(NoSuchClusterError):
            records.read(name)
            raise records.taken(name)
        log = records.prepare_folder() / f"{name}.log"
        with records.writing(log), open(log, "ab", opener=_private) as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "dask_ctl.hosts.owner", name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )
        self._log = log
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 -- it is a pipe
        with suppress(BrokenPipeError), stdin:  # it ended, and says why
            stdin.write(pickle.dumps(tree))

    def until(self, event: str, deadline: float | None) -> None:
        """Wait until the process has said `event`.

        Parameters
        ----------
        event : {"hosted", "running"}
            That it has begun, and that the cluster is there.
        deadline : float or None
            The time of `time.monotonic` at which to give up.

        Raises
        ------
        DaskCtlError
            If it failed, for its reason, or did not come that far in time.
        """
        for said in self._events(deadline):
            if "failed" in said:
                raise _ERRORS.get(said["exit_code"], BackendError)(said["failed"])
            if event in said:
                return
        raise BackendError(
            f"creating cluster {self.name!r} ended without a word: {records.last_words(self._log)}",
            remedy="see whether its class works when it is called directly",
        )

    def _events(self, deadline: float | None) -> Iterator[dict[str, Any]]:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 -- it is a pipe
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while True:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                if not selector.select(left):
                    raise BackendError(
                        f"cluster {self.name!r} was not there in time; it said: "
                        f"{records.last_words(self._log)}",
                        remedy="give it more --timeout",
                    )
                line = stdout.readline()
                if not line:
                    return
                said = json.loads(line)
                self._recorded |= "hosted" in said
                yield said

    def found(self) -> Found:
        """The cluster, once it is there."""
        return of_record(records.read(self.name))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if not self.released:
            self._stop()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _stop(self) -> None:
        """End the process in order, at the second signal at once, and then by force.

        Whoever presses Ctrl-C meanwhile hurries it.
        """
        for patience in (_CLOSE_TIMEOUT, _CLOSE_TIMEOUT):
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
                self._process.wait(patience)
                break
        else:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for _ in self._events(None):  # what it has said since
            pass
        if self.name not in records.names():
            self._log.unlink(missing_ok=True)
        elif self._recorded:  # killed, or a cluster that needs no process
            run(delete(self.name))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
