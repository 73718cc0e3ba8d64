"""What differs between operating systems, on this one."""

from __future__ import annotations

import errno
import os
import pty
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from dask_ctl import _platform
from dask_ctl._platform import Lock, lock_state
from tests.backends.scripts import wait_until
from tests.conftest import ROOT, unavailable

Started = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def started() -> Iterator[Started]:
    """Start Python code in processes, which have said a word when they are handed over."""
    running: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: object, **keywords: Any) -> subprocess.Popen[str]:
        program = "from dask_ctl._platform import *\nimport os, signal, subprocess, sys, time\n"
        process = subprocess.Popen(
            [sys.executable, "-c", program + textwrap.dedent(code), *map(str, arguments)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            **keywords,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


HOLD = "lock = Lock(sys.argv[1]); print('held', flush=True); signal.pause()"


def said(process: subprocess.Popen[str]) -> str:
    """The next line of a process."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


# -- a lock ------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_lock_ends_with_its_process(
    tmp_path: Path, started: Started, end: signal.Signals
) -> None:
    """However that ends."""
    path = tmp_path / "lock"
    holder = started(HOLD, path)
    assert said(holder) == "held"
    assert lock_state(path) == "held"
    with pytest.raises(BlockingIOError):
        Lock(path)
    holder.send_signal(end)
    holder.wait()
    assert lock_state(path) == "free"
    Lock(path).release()


def test_lookers_do_not_see_each_other(tmp_path: Path, started: Started) -> None:
    """Nor do they keep anybody from taking the lock."""
    path = tmp_path / "lock"
    Lock(path).release()
    look = """
        import select
        print('looking', flush=True)
        seen = set()
        while sys.stdin not in select.select([sys.stdin], [], [], 0)[0]:
            seen.update(lock_state(sys.argv[1]) for _ in range(100))
        print(*sorted(seen))
    """
    lookers = [started(look, path, stdin=subprocess.PIPE) for _ in range(3)]
    for looker in lookers:
        assert said(looker) == "looking"
    states = {lock_state(path) for _ in range(2_000)}
    assert states == {"free"}
    for _ in range(50):
        Lock(path).release()
    for looker in lookers:
        out, _ = looker.communicate("enough\n")
        assert set(out.split()) <= {"free", "held"}


def test_nothing_that_the_holder_starts_holds_it_on(tmp_path: Path, started: Started) -> None:
    """Neither a program nor a fork that outlives it."""
    path = tmp_path / "lock"
    holder = started(
        """
        lock = Lock(sys.argv[1])
        program = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL, close_fds=False)
        fork = os.fork()
        if fork == 0:
            os.close(1)
            signal.pause()
        print(program.pid, fork, flush=True)
        signal.pause()
        """,
        path,
    )
    children = [psutil.Process(int(pid)) for pid in said(holder).split()]
    try:
        assert lock_state(path) == "held"
        holder.kill()
        holder.wait()
        assert all(child.is_running() for child in children)
        # The fork may not have run yet.
        wait_until(lambda: lock_state(path) == "free", "its fork has let go")
    finally:
        for child in children:
            child.kill()


def test_a_removed_lock_is_taken_anew(tmp_path: Path) -> None:
    """A lock on a file that nobody can find any more is none."""
    path = tmp_path / "lock"
    first = Lock(path)
    path.unlink()
    assert lock_state(path) == "unknown"
    second = Lock(path)
    first.release()
    assert lock_state(path) == "held"
    second.release()
    assert lock_state(path) == "free"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_without_locks_nothing_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """As on some file systems of clusters, played here by the system call's answer."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    path = tmp_path / "lock"
    Lock(path).release()
    assert lock_state(path) == "unknown"


def test_the_lock_of_another_user_is_not_believed(tmp_path: Path) -> None:
    """He could pretend anything."""
    if os.geteuid() != 0:
        unavailable("only root may give a file away", "sudo, or a container")
    path = tmp_path / "lock"
    lock = Lock(path)
    os.chown(path, 12345, -1)
    assert lock_state(path) == "unknown"
    lock.release()


def test_a_lock_is_its_users_alone(tmp_path: Path) -> None:
    """Whoever may open a file may lock it."""
    path = tmp_path / "lock"
    Lock(path).release()
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileNotFoundError):
        Lock(tmp_path / "missing" / "lock")


# -- processes ---------------------------------------------------------------------------------

STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


@pytest.mark.parametrize("stubborn", ["", STUBBORN])
def test_a_tree_is_ended_with_what_left_it(started: Started, stubborn: str) -> None:
    """A child's child whose parent has ended is nobody's child, but still of the group."""
    code = f"""
        {stubborn}
        shell = "sleep 60 >/dev/null 2>&1 & echo $!"
        orphan = subprocess.run(["sh", "-c", shell], capture_output=True, text=True)
        child = subprocess.Popen(["sleep", "60"])
        print(int(orphan.stdout), child.pid, flush=True)
        signal.pause()
    """
    leader = started(code, **_platform.detached())
    pids = [leader.pid, *map(int, said(leader).split())]
    processes = [psutil.Process(pid) for pid in pids]
    _platform.end_tree(leader.pid, 0.5)
    wait_until(lambda: not any(each.is_running() for each in processes), "all have ended")
    _platform.end_tree(leader.pid, 0.5)  # whose end is no error


def test_a_process_that_ends_in_order_is_let(started: Started) -> None:
    """There is no force where none is needed."""
    code = """
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(os.write(1, b"in order\\n") and 0))
        os.write(1, b"there\\n")
        signal.pause()
    """
    process = started(code)
    assert said(process) == "there"
    _platform.end_tree(process.pid, 30)
    assert said(process) == "in order"


def test_whose_processes() -> None:
    """One's own are; those of another user are not."""
    assert _platform.owned_by_user(psutil.Process())
    if os.geteuid() != 0:
        assert not _platform.owned_by_user(psutil.Process(1))
        return
    other = subprocess.Popen(["sleep", "60"], user=12345)
    try:
        assert not _platform.owned_by_user(psutil.Process(other.pid))
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize(
    "path",
    [
        "/usr/bin/python3.14",
        "/opt/Python.framework/Versions/3.13/Resources/Python.app/Contents/MacOS/Python",
        r"C:\Program Files\Python313\pythonw.exe",
        "/opt/pypy/bin/pypy3.11",
    ],
)
def test_what_is_a_python(path: str) -> None:
    """Of all systems, on each."""
    assert _platform.is_python(path)


@pytest.mark.parametrize("path", ["", "/usr/bin/ipython-is-no-exe", "/opt/python/bin/java"])
def test_what_is_no_python(path: str) -> None:
    """The folder does not tell."""
    assert not _platform.is_python(path)


def test_who_and_where() -> None:
    """Twice the same, and nothing empty."""
    assert _platform.user_id() == os.getuid()
    assert _platform.machine() == os.uname().nodename
    boot = _platform.boot()
    assert boot
    assert boot == _platform.boot()


# -- signals and the terminal ------------------------------------------------------------------


def test_signals_are_those_that_there_are() -> None:
    """Here all but Windows' own."""
    assert _platform.ending_signals() == (signal.SIGTERM, signal.SIGHUP)
    assert _platform.forwarded_signals() == (
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGQUIT,
    )


def test_the_foreground_of_a_terminal(started: Started) -> None:
    """Also with a pipe for standard input; what is detached has none."""
    tell = "print(in_foreground(), sent_to_all(signal.SIGINT), sent_to_all(signal.SIGTERM))"
    detached = started(tell, **_platform.detached())
    assert said(detached) == "False False False"
    ours, theirs = pty.openpty()
    try:
        # The first terminal that the leader of a session opens is its own from then on.
        own = f"os.open({os.ttyname(theirs)!r}, os.O_RDWR)\n{tell}"
        assert said(started(own, stdin=subprocess.DEVNULL, start_new_session=True)) == (
            "True True False"
        )
    finally:
        os.close(ours)
        os.close(theirs)
