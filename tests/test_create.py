"""The contract of creation, on real clusters in this machine."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.config
import pytest
from distributed import Client, LocalCluster
from distributed.deploy.spec import SpecCluster

from dask_ctl import _platform, create_cluster
from dask_ctl.exceptions import InvalidSpecError
from tests.backends.scripts import wait_until
from tests.conftest import ROOT, require_package

SCRIPT = ROOT / "docs" / "examples" / "myscript.py"
ANSWER = "[0, 2, 4, 6, 8, 10, 12, 14, 16, 18]\n"
QUICK = {"n_workers": 1, "processes": False, "dashboard_address": ":0"}
THREADS = {"module": "dask.distributed", "class": "LocalCluster", "kwargs": QUICK}
PROCESSES = (
    "version: 1\nmodule: dask.distributed\nclass: LocalCluster\n"
    "kwargs: {n_workers: 2, threads_per_worker: 1, dashboard_address: ':0'}\n"
)
Python = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def nothing_left() -> Any:
    """No test leaves a cluster open."""
    yield
    left = [c for c in SpecCluster._instances if c.status.name not in ("closed", "created")]
    assert left == []


def test_announcement(python: Python) -> None:
    """The script of the announcement runs as it stands: no guard, no `with`, nothing on stderr."""
    done = python(SCRIPT)
    assert (done.stdout, done.stderr, done.returncode) == (ANSWER, "", 0)


def test_switching_backends(python: Python, isolated: Path) -> None:
    """One variable switches the same script between a spec in processes and one in threads."""
    (isolated / "cluster-a.yaml").write_text(PROCESSES)
    (isolated / "cluster-b.yaml").write_text(
        PROCESSES.replace("n_workers", "processes: no, n_workers")
    )
    probe = SCRIPT.read_text() + "print(type(cluster).__name__, cluster.processes)\n"
    (isolated / "probe.py").write_text(probe)
    for name, processes in (("a", True), ("b", False)):
        done = python("probe.py", env={"DASK_CTL__CLUSTER_SPEC": f"cluster-{name}.yaml"})
        assert (done.stderr, done.returncode) == ("", 0)
        assert done.stdout == f"{ANSWER}LocalCluster {processes}\n"


def test_one_variable_changes_one_argument(python: Python, isolated: Path) -> None:
    """Path and override together, in the environment, as the first thing that Python sees."""
    (isolated / "hpc.yaml").write_text(PROCESSES)
    (isolated / "probe.py").write_text(
        "import dask_ctl\ncluster = dask_ctl.create_cluster()\nprint(len(cluster.workers))\n"
    )
    done = python(
        "probe.py",
        env={"DASK_CTL__CLUSTER_SPEC": "hpc.yaml", "DASK_CTL__CLUSTER_KWARGS__N_WORKERS": "3"},
    )
    assert (done.stdout, done.returncode) == ("3\n", 0), done.stderr


def test_restarted_worker(python: Python, isolated: Path) -> None:
    """A worker that is killed comes back in an unguarded script."""
    (isolated / "dask-cluster.yaml").write_text(PROCESSES)
    killing = (
        "import os, signal, time\n"
        "before = client.run(os.getpid)\n"
        "os.kill(next(iter(before.values())), signal.SIGKILL)\n"
        "deadline = time.time() + 60\n"
        "while time.time() < deadline:\n"
        "    pids = set(client.run(os.getpid, on_error='ignore').values())\n"
        "    if len(pids) == 2 and pids != set(before.values()): break\n"
        "print('back', client.submit(double, 4).result())\n"
    )
    (isolated / "kill.py").write_text(SCRIPT.read_text() + killing)
    done = python("kill.py")
    assert done.stdout == f"{ANSWER}back 8\n"
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


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


def test_variables_and_imports_in_a_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    """`${env:...}` and `${import:...}` are replaced at creation, `$NAME` never."""
    monkeypatch.setenv("CLUSTER_NAME", "mine")
    kwargs = {
        **QUICK,
        "name": "${env:CLUSTER_NAME}-${env:NOT_SET:-x}-${HOME}-$HOME",
        "worker_class": "${import:distributed:Worker}",
    }
    with create_cluster({**THREADS, "kwargs": kwargs}) as cluster:
        assert cluster.name == "mine-x-${HOME}-$HOME"


def test_scale_and_adapt() -> None:
    """`scale` and `adapt` are called on the live cluster."""
    kwargs = {**QUICK, "n_workers": 0}
    with (
        create_cluster({**THREADS, "kwargs": kwargs, "scale": 2}) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(2, timeout=60)
    with (
        create_cluster({**THREADS, "kwargs": kwargs, "adapt": {"minimum": 1}}) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(1, timeout=60)


@pytest.mark.usefixtures("mysite")
def test_failure_after_construction_leaves_nothing() -> None:
    """If `adapt` fails, what was started is closed, and the error names backend and key."""
    spec = {**THREADS, "module": "mysite_clusters", "class": "Rigid", "adapt": {"maximum": 1}}
    with pytest.raises(ValueError, match=r"^no\n") as caught:
        create_cluster(spec)
    (note,) = caught.value.__notes__
    assert note.startswith("dask_ctl: create_cluster(...): mysite_clusters.Rigid failed: no; ")


def test_backend_that_fails_to_start_leaves_nothing() -> None:
    """If the class itself fails, its error is what is raised, and a note says which spec it was."""
    kwargs = {**QUICK, "scheduler_port": "not a port"}
    with pytest.raises(RuntimeError, match="Cluster failed to start") as caught:
        create_cluster({**THREADS, "kwargs": kwargs})
    (note,) = caught.value.__notes__
    assert note.startswith("dask_ctl: create_cluster(...): kwargs.scheduler_port: ")
    assert "dask.distributed.LocalCluster failed: Cluster failed to start" in note
    assert "\n" not in note


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"n_workers": "two"}, TypeError, "unsupported operand|not supported|str"),
        ({"security": 1}, TypeError, "security must be a Security object"),
    ],
)
def test_the_error_of_a_class_that_has_hardly_begun(
    kwargs: dict[str, Any], error: type[Exception], words: str
) -> None:
    """An error before the class has a loop is the class's own, and undoing does not replace it."""
    with pytest.raises(error, match=words):
        create_cluster({**THREADS, "kwargs": {**QUICK, **kwargs}})


CLUSTERS = """
from distributed import LocalCluster, SpecCluster

class Rigid(LocalCluster):
    def adapt(self, **options):
        raise ValueError("no")

def annotated() -> LocalCluster:
    return LocalCluster(n_workers=1, processes=False, dashboard_address=":0")

def flagged(n=1, asynchronous=False):
    return LocalCluster(
        n_workers=n, processes=False, dashboard_address=":0", asynchronous=asynchronous
    )

def neither():
    raise AssertionError("called")

def liar(asynchronous=False):
    return "no cluster"

"""


@pytest.fixture
def mysite(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the user's own, beside the script."""
    (isolated / "mysite_clusters.py").write_text(CLUSTERS)
    monkeypatch.syspath_prepend(str(isolated))
    sys.modules.pop("mysite_clusters", None)


@pytest.mark.usefixtures("mysite")
@pytest.mark.parametrize("name", ["annotated", "flagged"])
def test_functions_of_the_users_own(name: str) -> None:
    """A function with a parameter `asynchronous` or a cluster annotation makes a cluster."""
    with create_cluster({"module": "mysite_clusters", "class": name}) as cluster:
        assert isinstance(cluster, LocalCluster)


@pytest.mark.usefixtures("mysite")
def test_functions_that_make_no_cluster() -> None:
    """A function that does not say that it makes clusters is not called; one that lies is told."""
    with pytest.raises(InvalidSpecError, match="not a cluster class"):
        create_cluster({"module": "mysite_clusters", "class": "neither"})
    with pytest.raises(InvalidSpecError, match="returned str, which is not a cluster"):
        create_cluster({"module": "mysite_clusters", "class": "liar"})


def test_asynchronous_await() -> None:
    """Inside a running loop the cluster is awaited, and is the backend's own object."""

    async def main() -> None:
        cluster = await create_cluster({**THREADS, "scale": 2}, asynchronous=True)
        assert type(cluster) is LocalCluster
        async with Client(cluster, asynchronous=True) as client:
            await client.wait_for_workers(2, timeout=60)
            assert await client.submit(sum, [1, 2]) == 3
        await cluster.close()

    asyncio.run(main())


def test_asynchronous_with() -> None:
    """`async with` gives the backend's own object, and closes it."""

    async def main() -> LocalCluster:
        spec = {**THREADS, "adapt": {"minimum": 1, "maximum": 2}}
        async with (
            create_cluster(spec, asynchronous=True) as cluster,
            Client(cluster, asynchronous=True) as client,
        ):
            assert await client.submit(sum, [1, 2]) == 3
        return cluster

    cluster = asyncio.run(main())
    assert type(cluster) is LocalCluster
    assert cluster.status.name == "closed"


def test_asynchronous_scales_once() -> None:
    """Awaiting again, as a Client does, leaves alone what was scaled since."""

    async def main() -> int:
        cluster = create_cluster({**THREADS, "scale": 2}, asynchronous=True)
        await cluster
        cluster.scale(0)
        async with Client(cluster, asynchronous=True):
            wanted = len(cluster.worker_spec)
        await cluster.close()
        return wanted

    assert asyncio.run(main()) == 0


def test_asynchronous_like_the_class_itself() -> None:
    """What is returned can be handed to a Client and closed without being awaited first."""

    async def main() -> None:
        cluster = create_cluster(THREADS, asynchronous=True)
        async with Client(cluster, asynchronous=True) as client:
            assert await client.submit(sum, [1, 2]) == 3
        assert "LocalCluster" in repr(cluster)
        await cluster.close()

    asyncio.run(main())


@pytest.mark.usefixtures("mysite")
def test_asynchronous_failure_leaves_nothing() -> None:
    """A failure while starting closes what was started, and names backend and spec."""

    async def main() -> None:
        spec = {**THREADS, "module": "mysite_clusters", "class": "Rigid", "adapt": {"maximum": 1}}
        await create_cluster(spec, asynchronous=True)

    with pytest.raises(ValueError, match=r"^no\n"):
        asyncio.run(main())


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


def test_import_of_jobqueue_keeps_ctrl_c() -> None:
    """Creating a jobqueue cluster leaves the handler of SIGINT as it was."""
    before = signal.getsignal(signal.SIGINT)
    kwargs = {"cores": 1, "memory": "200MB", "scheduler_options": {"dashboard_address": ":0"}}
    spec = {"module": "dask_jobqueue.local", "class": "LocalCluster", "kwargs": kwargs, "scale": 0}
    with create_cluster(spec):
        assert signal.getsignal(signal.SIGINT) is before


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


def test_logs_which_backend_and_from_where(caplog: pytest.LogCaptureFixture) -> None:
    """One line at INFO says what is created, and where that was configured."""
    with (
        caplog.at_level("INFO", logger="dask_ctl"),
        dask.config.set({"ctl.cluster-spec": THREADS}),
        create_cluster(),
    ):
        pass
    messages = [record.getMessage() for record in caplog.records if record.name == "dask_ctl"]
    assert messages == ["creating dask.distributed.LocalCluster from dask.config.set"]


def test_notebook(isolated: Path) -> None:
    """The plain call and the awaited one work in a real Jupyter kernel."""
    nbformat = require_package("nbformat", "nbclient ipykernel")
    nbclient = require_package("nbclient", "nbclient ipykernel")
    cells = [
        f"import dask_ctl\ncluster = dask_ctl.create_cluster({THREADS!r})",
        (
            "from dask.distributed import Client\nclient = Client(cluster)\n"
            "print(client.submit(sum, [1, 2]).result())"
        ),
        "cluster",
        "client.close(); cluster.close()",
        (
            f"async with dask_ctl.create_cluster({THREADS!r}, asynchronous=True) as other:\n"
            "    print(type(other).__name__)"
        ),
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(ROOT)
    try:
        nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    finally:
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)
    texts = ["".join(o.get("text", "") for o in c.outputs) for c in notebook.cells]
    assert texts[1] == "3\n"
    assert texts[4] == "LocalCluster\n"
    assert "text/html" in notebook.cells[2].outputs[0]["data"] or notebook.cells[2].outputs


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


def test_a_secret_that_a_backend_quotes_is_not_shown(isolated: Path, python: Python) -> None:
    """What looks secret among the arguments is left out of the note on a backend's error."""
    (isolated / "mine.py").write_text(
        "def connect(password, asynchronous=False):\n"
        "    raise ConnectionError(f'{password!r} was refused')\n"
    )
    (isolated / "script.py").write_text(
        "from dask_ctl import create_cluster\n"
        "spec = {'module': 'mine', 'class': 'connect', 'kwargs': {'password': '${env:WORD}'}}\n"
        "try:\n    create_cluster(spec)\n"
        "except ConnectionError as error:\n    print(*error.__notes__)\n"
    )
    note = python("script.py", env={"WORD": "hunter22"}).stdout
    assert "mine.connect failed: '***' was refused; " in note
