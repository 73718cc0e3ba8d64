"""Scripts in processes of their own: guards, threads, forks, exceptions, Ctrl-C and signals."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dask_ctl import _platform
from tests.backends.scripts import wait_until
from tests.conftest import ROOT
from tests.creation.specs import ANSWER, PROCESSES, SCRIPT, THREADS

Python = Callable[..., "subprocess.CompletedProcess[str]"]


def test_announcement(python: Python) -> None:
    """The script of the announcement runs as it stands: no guard, no `with`, nothing on stderr."""
    done = python(SCRIPT)
    assert (done.stdout, done.stderr, done.returncode) == (ANSWER, "", 0)


def test_exception_in_the_script(python: Python, isolated: Path) -> None:
    """An exception of the script gives its traceback and exit code, and nothing is left."""
    (isolated / "fails.py").write_text(SCRIPT.read_text() + "raise SystemExit(7)\n")
    (isolated / "raises.py").write_text(SCRIPT.read_text() + "1 / 0\n")
    assert python("fails.py").returncode == 7
    done = python("raises.py")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == "ZeroDivisionError: division by zero"
    assert done.stderr.count("Traceback") == 1


GUARDED = """
import multiprocessing
import dask_ctl

def square(x):
    return x * x

print("imported", __name__)
if __name__ == "__main__":
    cluster = dask_ctl.create_cluster(local_fallback=True)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(square, [2, 3]))
    cluster.close()
"""


def test_guarded_script_with_multiprocessing(python: Python, isolated: Path) -> None:
    """Beside a cluster, multiprocessing in a guarded script imports the main file as ever."""
    (isolated / "dask-cluster.yaml").write_text(PROCESSES.replace("n_workers: 2", "n_workers: 1"))
    (isolated / "guarded.py").write_text(GUARDED)
    done = python("guarded.py")
    assert (done.stderr, done.returncode) == ("", 0)
    lines = done.stdout.splitlines()
    assert "imported __mp_main__" in lines
    assert "[4, 9]" in lines


UNGUARDED = """
import multiprocessing, os, signal, sys
import dask_ctl

def square(x):
    return x * x

cluster = dask_ctl.create_cluster(local_fallback=True)
process = multiprocessing.get_context(sys.argv[1]).Process(target=square, args=[2])
process.start()
process.join(20)
print("exit code", process.exitcode)
process.kill()  # distributed 2025.7 waits for ever for a worker that cannot start
cluster.close()
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_unguarded_script_with_multiprocessing(python: Python, isolated: Path, method: str) -> None:
    """Only the cluster's processes need no guard; Python says what it always says of others."""
    (isolated / "dask-cluster.yaml").write_text(PROCESSES.replace("n_workers: 2", "n_workers: 1"))
    (isolated / "unguarded.py").write_text(UNGUARDED)
    done = python("unguarded.py", method)
    assert ("exit code 0" in done.stdout) is (method == "fork"), done.stderr
    assert ("freeze_support" in done.stderr) is (method != "fork"), done.stderr


FORKS = """
import os, signal
import dask_ctl

cluster = dask_ctl.create_cluster(local_fallback=True)
assert callable(signal.getsignal(signal.SIGTERM))
if os.fork() == 0:
    os._exit(signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL)
print(os.waitstatus_to_exitcode(os.wait()[1]), callable(signal.getsignal(signal.SIGTERM)))
cluster.close()
"""


@pytest.mark.skipif("not hasattr(__import__('os'), 'fork')")
def test_a_fork_ends_by_its_signals(python: Python, isolated: Path) -> None:
    """The cluster is not its own, so it is ended as it would be without one."""
    (isolated / "dask-cluster.yaml").write_text(PROCESSES)
    (isolated / "forks.py").write_text(FORKS)
    assert python("forks.py").stdout == "0 True\n"


@pytest.mark.parametrize(
    ("line", "processes", "unguarded"),
    [
        ("print(1)", True, True),
        ("print(1)", False, False),
        ("import logging; log = logging.getLogger(__name__)", True, True),
        ("# if __name__ == '__main__':", True, True),
        ("if __name__ == '__main__': pass", True, False),
        ("import sys; __name__ == '__main__' or sys.exit()", True, False),
        ("import multiprocessing as m\nif m.parent_process() is None: pass", True, False),
    ],
)
def test_what_counts_as_a_guard(
    python: Python, isolated: Path, line: str, *, processes: bool, unguarded: bool
) -> None:
    """Only a condition on who runs the file is a guard; any guard leaves the script alone.

    So does a cluster that has no processes.
    """
    kwargs = {"n_workers": 0, "processes": processes, "dashboard_address": ":0"}
    spec = {"module": "dask.distributed", "class": "LocalCluster", "kwargs": kwargs}
    (isolated / "script.py").write_text(
        f"{line}\n"
        "import sys, dask_ctl\n"
        f"cluster = dask_ctl.create_cluster({spec!r})\n"
        "print(sys.modules['__main__'].__spec__ is not None)\n"
        "cluster.close()\n"
    )
    done = python("script.py")
    assert done.stdout.splitlines()[-1] == str(unguarded), done.stderr


def test_from_a_thread(python: Python, isolated: Path) -> None:
    """The plain call works in a thread, also for a package that handles signals on import."""
    (isolated / "thread.py").write_text(
        "import threading, signal, dask_ctl\n"
        "spec = {'module': 'dask_jobqueue.local', 'class': 'LocalCluster', 'kwargs':\n"
        "        {'cores': 1, 'memory': '200MB',\n"
        "         'scheduler_options': {'dashboard_address': ':0'}}, 'scale': 1}\n"
        "def work():\n"
        "    with dask_ctl.create_cluster(spec) as cluster:\n"
        "        print(type(cluster).__module__)\n"
        "thread = threading.Thread(target=work); thread.start(); thread.join()\n"
        "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)\n"
    )
    done = python("thread.py")
    assert (done.stdout, done.returncode) == ("dask_jobqueue.local\nTrue\n", 0), done.stderr


def children(pid: int) -> list[int]:
    """The living descendants of a process."""
    found: list[int] = []
    for task in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = task.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            child = int(task.parent.name)
            found += [child, *children(child)]
    return found


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.mark.skipif(not Path("/proc").exists(), reason="reads processes from /proc; run on Linux")
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("delay", [0.0, 0.3, 0.8])
def test_interrupted_creation_leaves_nothing(isolated: Path, delay: float, times: int) -> None:
    """Ctrl-C at any moment of the creation, once or twice, ends all that was started."""
    (isolated / "dask-cluster.yaml").write_text(PROCESSES)
    (isolated / "slow.py").write_text(
        "import dask_ctl, distributed\n"
        "print('now', flush=True)\n"
        "try:\n"
        "    cluster = dask_ctl.create_cluster()\n"
        "except KeyboardInterrupt:\n"
        "    from distributed.deploy.spec import SpecCluster\n"
        "    print([c.status.name for c in SpecCluster._instances], flush=True)\n"
        "    raise\n"
        "print('made', flush=True)\n"
        "input()\n"
    )
    script = subprocess.Popen(
        [sys.executable, "slow.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert script.stdout is not None
    assert script.stdout.readline() == "now\n"
    # The moments differ on purpose: wherever the signal hits, the claim is the same.
    time.sleep(delay)
    started = children(script.pid)
    for _ in range(times):
        script.send_signal(signal.SIGINT)
        time.sleep(0.05)  # two signals at once are one
    output, errors = script.communicate(timeout=120)
    assert script.returncode != 0
    assert "KeyboardInterrupt" in errors
    # At the second Ctrl-C distributed's own closing may trip over workers that had hardly begun.
    if output and not output.startswith("made") and times == 1:
        assert output.strip() in ("[]", "['closed']")
    deadline = time.monotonic() + 30
    while alive(started) and time.monotonic() < deadline:
        threading.Event().wait(0.1)
    assert alive(started) == []


@pytest.mark.skipif("not hasattr(__import__('os'), 'fork')")
@pytest.mark.parametrize("signalnum", _platform.ending_signals())
def test_a_signal_closes_the_clusters_of_a_script(isolated: Path, signalnum: int) -> None:
    """What ends a script closes its cluster first, and still is what ends it."""
    (isolated / "dask-cluster.yaml").write_text(PROCESSES)
    (isolated / "script.py").write_text(
        "import time, weakref, dask_ctl\n"
        "cluster = dask_ctl.create_cluster()\n"
        "close = cluster.close\n"
        "cluster.close = lambda *a, **k: (close(*a, **k), print(cluster.status.name, flush=True))\n"
        "print('made', flush=True)\n"
        "time.sleep(3600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "script.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as script:
        assert script.stdout is not None
        assert script.stdout.readline() == "made\n"
        started = children(script.pid)
        script.send_signal(signalnum)
        assert script.communicate(timeout=60)[0] == "closed\n"
    assert script.returncode == -signalnum
    wait_until(lambda: alive(started) == [], "every process has ended")


def test_a_signal_that_the_script_heeds_itself_stays_its_own(
    python: Python, isolated: Path
) -> None:
    """A handler of the script's, or one that ignores a signal, is left as it is."""
    (isolated / "script.py").write_text(
        "import signal, dask_ctl\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "signal.signal(signal.SIGHUP, print)\n"
        f"with dask_ctl.create_cluster({THREADS!r}):\n"
        "    print(signal.getsignal(signal.SIGTERM) is signal.SIG_IGN)\n"
        "    print(signal.getsignal(signal.SIGHUP) is print)\n"
    )
    assert python("script.py").stdout == "True\nTrue\n"
