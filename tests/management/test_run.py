"""`dask cluster run`: a command that never heard of this package finds a cluster."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from dask_ctl.hosts import store as records
from tests.backends.scripts import DASK_CLUSTER, SPEC, USE, Scripts, ok, refused, wait_until
from tests.conftest import ROOT, own_words

UNMODIFIED = f"from dask.distributed import Client\nclient = Client()\n{USE}"
CREATES = """\
import os
from dask.distributed import Client
from dask_ctl import create_cluster

with create_cluster() as cluster, Client(cluster) as client:
    print(client.submit(sum, [1, 2]).result())
    print(cluster.scheduler_address == os.environ["DASK_SCHEDULER_ADDRESS"], type(cluster).__name__)
"""
# Says how many signals it got, once there was one and then time for another.
COUNTS = """\
import signal, sys, time
from pathlib import Path

got = []
for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(each, lambda number, _: got.append(signal.Signals(number).name))
Path("ready.yaml").touch()
while not got:
    time.sleep(0.05)
time.sleep(1)
print(got, flush=True)
sys.exit(9)
"""


@pytest.fixture
def shell(scripts: Scripts) -> Iterator[Scripts]:
    """A folder with a spec, and scripts; `scripts` sees to it that nothing is left."""
    (scripts.cwd / "dask-cluster.yaml").write_text(SPEC)
    for name, text in (("unmodified", UNMODIFIED), ("creates", CREATES), ("counts", COUNTS)):
        (scripts.cwd / f"{name}.py").write_text(text)
    yield scripts
    assert records.names() == []


@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
def test_client_finds_it(shell: Scripts, *, secure: bool) -> None:
    """A script with a plain `Client()` runs on the cluster, and stdout is all its own."""
    security = ["--set", "kwargs.security=true"] if secure else []
    run = shell.dask_cluster("run", *security, "--", sys.executable, "unmodified.py")
    assert (run.stdout, run.returncode) == ("3\n", 0), run.stderr
    if not secure:  # a worker that loses a TLS connection may say so
        assert run.stderr == "creating dask.distributed.LocalCluster from dask-cluster.yaml:3\n"


@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
def test_create_cluster_finds_it(
    shell: Scripts, monkeypatch: pytest.MonkeyPatch, *, secure: bool
) -> None:
    """`create_cluster()` in the command gives this cluster, whatever else is configured."""
    dask = shell.home / ".config" / "dask"
    dask.mkdir(parents=True)
    (dask / "ctl.yaml").write_text(
        "ctl:\n  cluster-spec: other\n  cluster-kwargs: {n_workers: 1}\n"
    )
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__THREADS_PER_WORKER", "1")
    security = ["--set", "kwargs.security=true"] if secure else []
    command = ["--", sys.executable, "creates.py"]
    run = shell.dask_cluster("run", "dask-cluster.yaml", *security, *command)
    assert (run.stdout, run.returncode) == ("3\nTrue ProxyCluster\n", 0), run.stderr


def test_streams_and_exit_code_are_the_commands(shell: Scripts) -> None:
    """Standard input, output, error and the exit code pass through untouched."""
    command = ["sh", "-c", "cat; echo $0 $1 >&2; exit 7", "--name", "--"]
    process = subprocess.Popen(
        [*DASK_CLUSTER, "run", "--", *command],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(shell.tmp)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = process.communicate(b"\xff\x00raw", timeout=60)
    assert (out, process.returncode) == (b"\xff\x00raw", 7)
    assert own_words(err.decode()).splitlines()[-1] == "--name --"


def test_a_running_cluster_is_left(shell: Scripts) -> None:
    """With `--name` the command uses a cluster that runs, TLS included, and leaves it as it is."""
    ok(shell.dask_cluster("create", "--name", "a", "--set", "kwargs.security=true"))
    for script in ("unmodified.py", "creates.py"):
        run = shell.dask_cluster("run", "--name", "a", "--", sys.executable, script)
        assert (run.stdout[:2], run.returncode) == ("3\n", 0), run.stderr
    run = shell.dask_cluster("run", "--name", "a", "dask-cluster.yaml", "--", "true")
    assert (run.returncode, run.stderr.splitlines()[-1]) == (
        2,
        "Error: --name takes a running cluster as it is; leave out the spec",
    )
    refused(shell.dask_cluster("run", "--name", "b", "--", "true"), 6, "there is no cluster 'b'")
    ok(shell.dask_cluster("delete", "a"))


@pytest.mark.parametrize(
    ("command", "code", "last"),
    [
        ([], 2, "Error: name a COMMAND after '--': dask cluster run -- python script.py"),
        (["nix"], 5, "Error: there is no program 'nix'; check the command, and PATH"),
        (["./"], 5, "Error: there is no program './'; check the command, and PATH"),
        (["counts.py"], 5, "Error: 'counts.py' is a script, not a program; write: python counts"),
        (["./counts"], 5, "Error: there is no program './counts'; check the command, and PATH"),
        (["./dask-cluster.yaml"], 5, "Error: './dask-cluster.yaml' is not executable; chmod +x "),
        (["dask-cluster.yaml"], 5, "Error: there is no program 'dask-cluster.yaml'; for the one "),
        (["sh", "-c", "kill -9 $$"], 137, "creating dask.distributed.LocalCluster from dask-clu"),
        ([sys.executable, "-c", "1 / 0"], 1, "ZeroDivisionError: division by zero"),
    ],
    ids=["none", "missing", "folder", "script", "neither", "mode", "path", "killed", "failing"],
)
def test_however_the_command_ends(shell: Scripts, command: list[str], code: int, last: str) -> None:
    """The cluster is closed, and the exit code says what happened."""
    run = shell.dask_cluster("run", "--", *command)
    assert (run.stdout, run.returncode) == ("", code), run.stderr
    assert run.stderr.splitlines()[-1].startswith(last), run.stderr


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["sh", "-c", "true"], "-- sh -c true"),
        (["hpc", "sh", "a b.sh"], "hpc -- sh 'a b.sh'"),
        (["hpc", "my script.py", "1"], "hpc -- python 'my script.py' 1"),
        (["--set", "kwargs.n_workers=1", "sh", "x"], "--set kwargs.n_workers=1 -- sh x"),
    ],
)
def test_dashes_that_were_forgotten(shell: Scripts, words: list[str], meant: str) -> None:
    """It says where they belong, and creates nothing."""
    (shell.cwd / "my script.py").touch()
    run = shell.dask_cluster("run", *words)
    refused(
        run, 2, f"'--' is missing before the command; write: dask cluster run {re.escape(meant)}"
    )


def test_a_cluster_that_fails_runs_no_command(shell: Scripts) -> None:
    """What cannot be created, or not reached by another process, is one line, and no command."""
    touch = ["--", "touch", "ran.py"]
    refused(shell.dask_cluster("run", "nix.yaml", *touch), 3, "'nix.yaml' does not exist")
    refused(shell.dask_cluster("run", "--set", "module=nix", *touch), 5, "there is no module 'nix'")
    threads = ["--set", "kwargs.processes=false", "--set", "kwargs.protocol=inproc://"]
    run = shell.dask_cluster("run", *threads, *touch)
    refused(run, 5, "another process cannot reach inproc://.*; have the cluster listen on tcp")
    assert not (shell.cwd / "ran.py").exists()


@pytest.mark.parametrize("signalnum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_passed_on(shell: Scripts, signalnum: signal.Signals) -> None:
    """A signal to `dask cluster run` reaches the command once, which decides what to do."""
    process = shell.start(*DASK_CLUSTER, "run", "--", sys.executable, "counts.py")
    wait_until((shell.cwd / "ready.yaml").exists, "the command runs", 60)
    process.send_signal(signalnum)
    out, err = process.communicate(timeout=60)
    assert (out, process.returncode) == (f"['{signalnum.name}']\n", 9), err


def test_a_signal_while_it_starts(shell: Scripts) -> None:
    """It reaches the command, which would go on without anybody to end it."""
    (shell.cwd / "early.py").write_text(
        "import os, signal, sys, time\nfrom dask_ctl.management import run\n"
        "start = run.start\n"
        "def interrupted(*args, **kwargs):\n"
        "    process = start(*args, **kwargs)\n"
        "    while not os.path.exists('ready.yaml'):\n"
        "        time.sleep(0.1)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    return process\n"
        "run.start = interrupted\n"
        "sys.exit(run._run([sys.executable, 'counts.py'], os.environ))\n"
    )
    done = shell.python("early.py")
    assert (done.stdout, done.returncode) == ("['SIGINT']\n", 9), done.stderr


def test_ctrl_c_of_a_group_without_a_terminal(shell: Scripts) -> None:
    """What is sent to the whole group, as Jupyter and CI do, reaches the command once, too."""
    process = shell.start(*DASK_CLUSTER, "run", "--", sys.executable, "counts.py")
    wait_until((shell.cwd / "ready.yaml").exists, "the command runs", 60)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (out, process.returncode) == ("['SIGINT']\n", 9), err


def test_killed_it_leaves_no_file(shell: Scripts) -> None:
    """A process that is killed cannot remove anything, so it needs no file."""
    kills = "import os, signal; os.kill(os.getppid(), signal.SIGKILL)"
    process = shell.start(*DASK_CLUSTER, "run", "--", sys.executable, "-c", kills)
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, err
    assert not list(shell.tmp.glob("dask-ctl*"))


def test_credentials_of_a_killed_process_are_removed(shell: Scripts) -> None:
    """Where there must be files, the next that writes such removes what is left of others."""
    script = shell.cwd / "writes.py"
    script.write_text(
        "import os, signal, sys\nfrom contextlib import ExitStack\n"
        "from dask_ctl.hosts.command import write_private\n"
        "with ExitStack() as kept:\n"
        "    print(write_private(kept, 'key.pem', 'x'), flush=True)\n"
        "    os.kill(os.getpid(), int(sys.argv[1]))\n"
    )
    here = shell.start(sys.executable, script, str(signal.SIGSTOP.value))
    assert here.stdout
    used = Path(here.stdout.readline().strip())
    killed = shell.start(sys.executable, script, str(signal.SIGKILL.value))
    left = Path(killed.communicate(timeout=60)[0].strip())
    assert (left.exists(), left.parent.stat().st_mode & 0o777) == (True, 0o700)
    out, err = shell.start(sys.executable, script, "0").communicate(timeout=60)
    assert (out[-8:], left.parent.exists(), used.exists()) == ("key.pem\n", False, True), err
    here.send_signal(signal.SIGCONT)
    here.communicate(timeout=60)
    assert not list(shell.tmp.glob("dask-ctl*"))


def test_a_signal_while_it_is_created(shell: Scripts) -> None:
    """Ctrl-C before the command runs ends the cluster, and no command is run."""
    (shell.cwd / "mine.py").write_text(
        "import time\nfrom pathlib import Path\nfrom dask.distributed import LocalCluster\n"
        "def slow(asynchronous=False):\n"
        "    Path('starting.yaml').touch()\n"
        "    time.sleep(1)\n"
        "    return LocalCluster(n_workers=1, dashboard_address=':0')\n"
    )
    slow = ["--set", "module=mine", "--set", "class=slow", "--set", "kwargs={}"]
    (shell.cwd / "dask-cluster.yaml").write_text("version: 1\nmodule: mine\nclass: slow\n")
    process = shell.start(*DASK_CLUSTER, "run", *slow, "--", "touch", "ran.py")
    wait_until((shell.cwd / "starting.yaml").exists, "its class is called", 60)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert not (shell.cwd / "ran.py").exists()


def test_ctrl_c_in_a_terminal(shell: Scripts) -> None:
    """The terminal sends Ctrl-C to both; the command gets it once, and then the cluster closes."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [*DASK_CLUSTER, "run", "--", sys.executable, "counts.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(shell.tmp)},
        stdin=child,
        stdout=child,
        stderr=child,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
    )
    os.close(child)
    wait_until((shell.cwd / "ready.yaml").exists, "the command runs", 60)
    os.write(parent, b"\x03")
    said = read_all(parent)
    os.close(parent)
    assert process.wait(timeout=60) == 9, said
    assert "['SIGINT']" in said
    assert "KeyboardInterrupt" not in said  # of workers, which have no business with it


def test_workers_are_not_of_the_terminals_group(shell: Scripts, spec: Path) -> None:
    """A command that lives on after Ctrl-C keeps its workers, and what these hold."""
    script = (
        "import os\nfrom distributed import Client\nclient = Client()\n"
        "print(client.submit(os.getpgrp).result() not in (os.getpgrp(), os.getpgid(os.getppid())))"
    )
    ran = shell.dask_cluster("run", spec, "--", sys.executable, "-c", script)
    assert ok(ran) == "True\n"


@pytest.fixture
def spec(shell: Scripts) -> Path:
    """The spec of a cluster whose workers are processes."""
    path = shell.cwd / "processes.yaml"
    path.write_text(
        "version: 1\nmodule: dask.distributed\nclass: LocalCluster\n"
        "kwargs: {n_workers: 1, threads_per_worker: 1, dashboard_address: null}\n"
    )
    return path


def read_all(terminal: int) -> str:
    """What is written to a terminal until nobody has it open any more."""
    said = b""
    while True:
        try:
            said += os.read(terminal, 4096)
        except OSError:
            return said.decode()
