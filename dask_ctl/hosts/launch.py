"""Have a detached process create a cluster, and follow how far it is."""

from __future__ import annotations

import json
import os
import pickle
import queue
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Literal

from dask_ctl import _async, _platform
from dask_ctl.backends import room_of
from dask_ctl.creation.target import load
from dask_ctl.exceptions import BackendError, InvalidSpecError
from dask_ctl.hosts import log
from dask_ctl.hosts import store as records
from dask_ctl.hosts.record import OWNER
from dask_ctl.spec.located import Located, Origin, Source, locate, merge
from dask_ctl.spec.resolved import ResolvedSpec

_PATIENCE: Final = 20.0  # seconds, for each of the two signals by which it is stopped
_HURRY: Final = 4.0  # the same once the time that the user gave is over
_ERRORS: Final = {error.exit_code: error for error in (InvalidSpecError, BackendError)}


def name_for(resolved: ResolvedSpec) -> str:
    """A name for a cluster: that of its spec, or its class and a number."""
    given = resolved.spec.kwargs.get("name")
    if isinstance(given, str) and "$" not in given and "{" not in given:
        return given
    class_name = resolved.spec.target.rpartition(".")[2]
    return f"{class_name.lower()}-{secrets.token_hex(2)}"


def secured(resolved: ResolvedSpec) -> ResolvedSpec:
    """The same spec for a cluster with TLS, by credentials that its class makes for it.

    Raises
    ------
    InvalidSpecError
        If its class is not known to make any, and its spec gives none.
    """
    if resolved.spec.kwargs.get("security"):
        return resolved
    room = room_of(load(resolved.tree))
    if not room.makes_credentials:
        raise InvalidSpecError(
            f"whether {room.name} makes credentials of its own is not known",
            remedy="leave --secure out, and see its documentation for TLS",
            origin=resolved.origin,
            key="class",
        )
    return asked(resolved, "--secure", {"kwargs": {"security": True}})


def asked(resolved: ResolvedSpec, option: str, partial: Mapping[str, Any]) -> ResolvedSpec:
    """The same spec with a partial one laid over it, which an option asks for."""
    origin = Origin(Source.ARGUMENT, option)
    return ResolvedSpec.of(merge(resolved.tree, locate(partial, origin)))


class Launch:
    """The process that creates one cluster.

    Parameters
    ----------
    name : str
        The name of the cluster.
    tree : Located
        Its resolved spec.
    deadline : float, optional
        When to give up, as `time.monotonic` counts.
    command : sequence of str
        A command for whose time the cluster is there.

    Attributes
    ----------
    recorded : bool
        Whether it has recorded the cluster, so that the record of this name is its own.

    Raises
    ------
    InvalidSpecError
        If there is a cluster of that name.
    BackendError
        If its record or its log cannot be written.
    """

    def __init__(
        self,
        name: str,
        tree: Located,
        deadline: float | None = None,
        command: Sequence[str] = (),
    ) -> None:
        self.name, self.deadline, self.recorded = name, deadline, False
        records.check_name(name)
        if records.exists(name):
            records.read(name)  # says if it is none
            raise records.taken(name)
        self._log = records.prepare_folder() / f"{name}.log"
        with records.writing(self._log), open(self._log, "ab", opener=_private) as stderr:
            self._process = subprocess.Popen(
                # -P: nothing is imported from the current directory but what the spec names.
                [sys.executable, "-P", "-m", OWNER, name, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                **_platform.detached(),
            )
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 -- it is a pipe
        with suppress(BrokenPipeError), stdin:  # it ended, and says why
            stdin.write(pickle.dumps(tree))
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        _async.in_daemon(self._listen)

    def until(
        self, event: Literal["hosted", "running"], noted: Callable[[str], None] | None = None
    ) -> None:
        """Wait until it has begun, or until the cluster is there.

        Parameters
        ----------
        event : {"hosted", "running"}
            Which of these.
        noted : callable, optional
            Called with what there is to say of it meanwhile.

        Raises
        ------
        DaskCtlError
            If it failed, for its reason, or did not come that far in time.
        """
        for said in self._events():
            if "failed" in said:
                raise _ERRORS.get(said["exit_code"], BackendError)(said["failed"])
            if "noted" in said and noted is not None:
                noted(said["noted"])
            if event in said:
                return
        raise BackendError(
            f"creating cluster {self.name!r} ended without a word: {log.last_words(self._log)}",
            remedy="see whether its class works when it is called directly",
        )

    def stop(self) -> None:
        """End the process in order, at the second signal at once, and then by force.

        Whoever presses Ctrl-C meanwhile hurries it.
        """
        late = self.deadline is not None and time.monotonic() > self.deadline
        patience = _HURRY if late else _PATIENCE
        for _ in range(2):
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
                self._process.wait(patience)
                break
        else:
            _platform.end_tree(self._process.pid, 0.0)
            self._process.wait()
        self.deadline = None
        for _ in self._events():  # what it has said since
            pass
        if not records.exists(self.name):
            _platform.remove(self._log)

    def keep_log(self) -> str | None:
        """Copy what it has logged so far to where it stays; None if that cannot be."""
        with suppress(OSError):
            text = self._log.read_bytes()
            descriptor, path = tempfile.mkstemp(f".{self.name}.log", "dask-ctl-")
            with open(descriptor, "wb") as kept:
                kept.write(text)
            return path
        return None

    def _listen(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 -- it is a pipe
        with stdout:
            for line in stdout:
                self._lines.put(line)
        self._lines.put(b"")
        self._process.wait()  # it lives on, and is no zombie once it has ended

    def _events(self) -> Iterator[dict[str, Any]]:
        while True:
            left = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
            try:
                line = self._lines.get(timeout=left)
            except queue.Empty:
                raise BackendError(
                    f"cluster {self.name!r} was not there in time; it said: "
                    f"{log.last_words(self._log)}",
                    remedy="give it more --timeout",
                ) from None
            if not line:
                self._lines.put(b"")  # whoever asks again is told again
                return
            said = None
            with suppress(ValueError, RecursionError, TypeError, KeyError):
                said = json.loads(line)["dask_ctl"]
            if isinstance(said, dict):
                self.recorded |= "hosted" in said
                yield said
            else:  # whatever a module prints while it is imported
                with suppress(OSError), self._log.open("ab") as file:
                    file.write(line)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
