"""The contract of creation, on real clusters in this machine."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.config
import pytest
from distributed import Client, LocalCluster

from dask_ctl import create_cluster
from dask_ctl.exceptions import InvalidSpecError
from tests.conftest import ROOT, require_package
from tests.creation.specs import ANSWER, PROCESSES, QUICK, SCRIPT, THREADS

Python = Callable[..., "subprocess.CompletedProcess[str]"]


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


def test_import_of_jobqueue_keeps_ctrl_c() -> None:
    """Creating a jobqueue cluster leaves the handler of SIGINT as it was."""
    before = signal.getsignal(signal.SIGINT)
    kwargs = {"cores": 1, "memory": "200MB", "scheduler_options": {"dashboard_address": ":0"}}
    spec = {"module": "dask_jobqueue.local", "class": "LocalCluster", "kwargs": kwargs, "scale": 0}
    with create_cluster(spec):
        assert signal.getsignal(signal.SIGINT) is before


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
