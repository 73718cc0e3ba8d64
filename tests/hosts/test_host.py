"""`dask cluster create` and what is done to its clusters, each step in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from distributed import Client

from dask_ctl import BackendError, get_cluster
from dask_ctl.hosts import client as control
from dask_ctl.hosts import store as records
from tests.backends.scripts import (
    DASK_CLUSTER,
    SPEC,
    USE,
    Scripts,
    fill,
    host_of,
    kept_log,
    listed,
    ok,
    refused,
    snapshot,
    wait_until,
)
from tests.conftest import unavailable

THREADS_ALONE = ["--set", "kwargs.processes=false", "--set", "kwargs.protocol=inproc://"]
# A cluster class of the user's own, which takes its time and knows a secret.
MODULE = """
import time
from pathlib import Path
from dask.distributed import LocalCluster

OPTIONS = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": ":0"}

def slow(asynchronous=False):
    Path("starting.yaml").touch()
    while not Path("go-on.yaml").exists():
        time.sleep(0.05)
    return LocalCluster(**OPTIONS)

def hanging(asynchronous=False):
    Path("starting.yaml").touch()
    while True:
        try:
            time.sleep(3600)
        except KeyboardInterrupt:
            pass

def failing(asynchronous=False):
    raise RuntimeError("no such luck")

def dying(asynchronous=False):
    import os
    print("last words", flush=True)
    os._exit(3)

class Hanging(LocalCluster):
    def __init__(self, **kwargs):
        super().__init__(**OPTIONS, **kwargs)

    def scale(self, n):
        while True:
            time.sleep(3600)

class Guarded(LocalCluster):
    def __init__(self, user, password, options, **kwargs):
        assert (password, options["api_key"]) == ("pa55word", "t0ken")
        super().__init__(**OPTIONS, **kwargs)
"""


@pytest.fixture
def shell(scripts: Scripts) -> Iterator[Scripts]:
    """A folder with a spec of a small `LocalCluster` and a module of the user's own.

    No cluster, record or log may be left; `scripts` sees to the processes and files.
    """
    (scripts.cwd / "dask-cluster.yaml").write_text(SPEC)
    (scripts.cwd / "mine.py").write_text(MODULE)
    yield scripts
    assert not records.folder().exists() or os.listdir(records.folder()) == []


def mine(shell: Scripts, name: str) -> Path:
    """Write the spec of a function of the user's own."""
    path = shell.cwd / f"{name}.yaml"
    path.write_text(f"version: 1\nmodule: mine\nclass: {name}\n")
    return path


@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
def test_from_creation_to_deletion(shell: Scripts, *, secure: bool) -> None:
    """Every verb does its work on a cluster that another process created."""
    before = datetime.now(UTC).replace(microsecond=0)
    security = ["--secure"] if secure else []
    assert ok(shell.dask_cluster("create", "--name", "a", "--wait", "1", *security)) == "a\n"
    (row,) = listed(shell)
    created = datetime.fromisoformat(row.pop("created"))
    assert created.utcoffset() == timedelta(0)
    assert before <= created <= datetime.now(UTC)
    assert row.pop("address").startswith("tls://" if secure else "tcp://")
    assert row.pop("memory") > 2**20
    assert row == {
        "name": "a", "discovery": "recorded", "status": "running",
        "type": "dask.distributed.LocalCluster", "workers": 1, "threads": 1,
        "waiting": None,
    }  # fmt: skip
    table = ok(shell.dask_cluster("list", "recorded")).splitlines()
    assert [line.split()[0] for line in table] == ["NAME", "a"]

    ok(shell.dask_cluster("scale", "a", "2"))
    shown = json.loads(ok(shell.dask_cluster("show", "a", "--output", "json")))
    assert (shown["workers"], shown["threads"], shown["jobs"]) == (2, 2, [])
    assert shown["dashboard"].startswith("http")
    assert shown["spec"]["kwargs"]["threads_per_worker"] == 1
    assert shown["origins"]["kwargs.n_workers"] == {
        "source": "file",
        "where": "dask-cluster.yaml:5",
    }
    text = ok(shell.dask_cluster("show", "a"))
    assert "workers:    2, with 2 threads" in text
    assert "kwargs.n_workers: file: dask-cluster.yaml:5" in text
    ok(shell.dask_cluster("scale", "a", "0"))
    ok(shell.dask_cluster("adapt", "a", "--minimum", "1", "--maximum", "2"))

    (shell.cwd / "snippet.py").write_text(ok(shell.dask_cluster("snippet", "a")) + USE)
    assert ok(shell.python("snippet.py")) == "3\n"
    log = ok(shell.dask_cluster("logs", "a"))
    assert "told to adapt {'minimum': 1, 'maximum': 2}" in log
    assert "a call failed" not in log

    following = shell.start(*DASK_CLUSTER, "logs", "a", "--follow")
    assert following.stdout is not None
    assert "creating dask.distributed.LocalCluster" in following.stdout.readline()
    deleted = shell.dask_cluster("delete", "a", "--yes")
    assert (ok(deleted), deleted.stderr) == ("", "deleting a\nDeleted a.\n")
    left = shell.processes()
    assert left.keys() <= {following.pid}, left
    out, err = following.communicate(timeout=30)
    assert (err, following.returncode) == ("", 0)
    assert "closing cluster a" in out
    assert listed(shell) == []


def test_scaling_ends_adapting(shell: Scripts) -> None:
    """A size that was asked for stays; what is in force is shown."""
    ok(shell.dask_cluster("create", "--name", "a", "--wait", "1"))
    ok(shell.dask_cluster("adapt", "a", "--maximum", "3"))
    adapts = "adapts:     minimum 0, maximum 3"
    assert adapts in ok(shell.dask_cluster("show", "a"))
    ok(shell.dask_cluster("scale", "a", "2"))
    assert "adapts:" not in ok(shell.dask_cluster("show", "a"))
    with get_cluster("a") as cluster, Client(cluster) as client:
        # Adapting would have looked five times meanwhile, and ended an idle worker after three.
        work = client.submit(time.sleep, 5)
        while not work.done():
            assert len(client.scheduler_info(n_workers=-1)["workers"]) == 2
            time.sleep(0.1)
    ok(shell.dask_cluster("adapt", "a", "--minimum", "1", "--maximum", "1"))
    assert "adapts:     minimum 1, maximum 1" in ok(shell.dask_cluster("show", "a"))
    ok(shell.dask_cluster("wait", "a", "--timeout", "1m"))
    off = shell.dask_cluster("adapt", "--off")
    assert ok(off) == ""
    assert re.fullmatch(r"a stays at (1 worker|2 workers)\.\n", off.stderr)
    assert json.loads(ok(shell.dask_cluster("show", "-o", "json")))["adapt"] is None
    ok(shell.dask_cluster("delete", "a"))


def test_the_only_one(shell: Scripts) -> None:
    """Where there is one cluster it need not be named; of none and of several, that is said."""
    refused(shell.dask_cluster("logs"), 6, "there is no cluster of the command line")
    ok(shell.dask_cluster("create", "--name", "a"))
    assert ok(shell.dask_cluster("dashboard")) == ok(shell.dask_cluster("dashboard", "a"))
    assert ok(shell.dask_cluster("ls", "recorded", "-o", "name")) == "a\n"
    late = shell.dask_cluster("wait", "--workers", "50", "--timeout", "1s")
    refused(late, 5, "has . workers, not yet as many")
    ok(shell.dask_cluster("create", "--name", "b"))
    refused(shell.dask_cluster("show"), 4, "there are several clusters; name one: a, b")
    ok(shell.dask_cluster("rm", "-y", "a", "b"))


def test_a_class_that_hangs_in_scale(shell: Scripts) -> None:
    """Neither `scale` nor `delete` takes much longer than its user gave it."""
    ok(shell.dask_cluster("create", mine(shell, "Hanging"), "--name", "a"))
    began = time.monotonic()
    run = shell.dask_cluster("scale", "a", "2", "--timeout", "3")
    refused(run, 5, "the host of cluster 'a' does not answer: timed out; see .*a.log")
    assert time.monotonic() < began + 8
    began = time.monotonic()
    ok(shell.dask_cluster("delete", "a", "--timeout", "5"))
    assert time.monotonic() < began + 12


def test_names_that_exist(shell: Scripts) -> None:
    """A second cluster of a name is refused, and the first one is not touched."""
    ok(shell.dask_cluster("create", "--name", "a"))
    record = records.read("a")
    refused(shell.dask_cluster("create", "--name", "a"), 4, "there is a cluster 'a' already; ")
    refused(shell.dask_cluster("create", "--name", "a/b"), 4, "'a/b' cannot be the name of a ")
    refused(shell.dask_cluster("show", "aa"), 6, "no cluster 'aa'.*; did you mean 'a'.* a")
    assert records.read("a") == record
    assert listed(shell)[0]["workers"] == 1
    ok(shell.dask_cluster("delete", "a"))
    refused(shell.dask_cluster("delete", "a"), 6, "there is no cluster 'a'")


def test_many_at_once(shell: Scripts) -> None:
    """Several creates at once are several clusters; of two of one name, one is refused."""
    names = [None, None, "b", "b"]
    started = [
        shell.start(*DASK_CLUSTER, "create", *(["--name", name] if name else [])) for name in names
    ]
    done = [(*process.communicate(timeout=120), process.returncode) for process in started]
    assert sorted(code for _, _, code in done) == [0, 0, 0, 4], done
    created = {out.strip() for out, _, code in done if code == 0}
    assert len(created) == 3
    rows = listed(shell)
    assert {row["name"] for row in rows} == created
    assert {(row["status"], row["workers"]) for row in rows} == {("running", 1)}
    assert len({row["address"] for row in rows}) == 3
    deleted = shell.dask_cluster("delete", "--all")
    said = {line.format(name) for name in created for line in ("deleting {}", "Deleted {}.")}
    assert set(deleted.stderr.splitlines()) == said
    assert shell.dask_cluster("delete", "--all").stderr == "There is none.\n"


def test_fifty_records(shell: Scripts) -> None:
    """Fifty clusters are listed each, and none is lost when one of them ends."""
    ok(shell.dask_cluster("create", "--name", "a"))
    address = records.read("a").address
    host = records.Host.here()
    locks = []
    for number in range(49):
        other = records.Record(name=f"c{number}", target="a.B", created="now", host=host)
        locks.append(records.add(replace(other, address=address, status="running")))
    assert len(listed(shell)) == 50
    ok(shell.dask_cluster("delete", "a"))
    assert len(records.names()) == 49
    for lock, name in zip(locks, records.names(), strict=True):
        records.remove(name)
        lock.release()


def test_workers_that_do_not_come(shell: Scripts) -> None:
    """Without the workers that `--wait` asks for, `--timeout` ends it all."""
    run = shell.dask_cluster("create", "--name", "a", "--wait", "2", "--timeout", "4")
    refused(run, 5, "cluster 'a' has 1 workers, not yet as many as .*; .* --timeout, .* its log: ")
    assert "creating dask.distributed.LocalCluster" in kept_log(run)


def test_no_wait(shell: Scripts) -> None:
    """A cluster that is still starting is listed as that, and refuses what it cannot do yet."""
    assert ok(shell.dask_cluster("create", mine(shell, "slow"), "--name", "a", "--no-wait"))
    wait_until((shell.cwd / "starting.yaml").exists, "its class is called")
    (row,) = listed(shell)
    assert (row["status"], row["address"], row["workers"]) == ("starting", None, None)
    assert "status:     starting" in ok(shell.dask_cluster("show", "a"))
    for verb in (["scale", "a", "2"], ["adapt", "a", "--maximum", "2"]):
        refused(shell.dask_cluster(*verb), 5, "cluster 'a' is still starting; see: ")
    (shell.cwd / "go-on.yaml").touch()
    wait_until(lambda: records.read("a").status == "running", "it is there")
    ok(shell.dask_cluster("scale", "a", "2"))
    ok(shell.dask_cluster("delete", "a"))


def test_deleted_while_it_starts(shell: Scripts) -> None:
    """`delete` waits until what has been started can be ended, and ends it."""
    ok(shell.dask_cluster("create", mine(shell, "slow"), "--name", "a", "--no-wait"))
    wait_until((shell.cwd / "starting.yaml").exists, "its class is called")
    deleting = shell.start(*DASK_CLUSTER, "delete", "a")
    wait_until(lambda: "interrupted: mine.slow" in records.read("a").log.read_text(), "it is told")
    (shell.cwd / "go-on.yaml").touch()
    out, err = deleting.communicate(timeout=60)
    assert (out, err, deleting.returncode) == ("", "deleting a\nDeleted a.\n", 0)


def test_a_constructor_that_hangs(shell: Scripts) -> None:
    """`--timeout` ends a class that never comes back."""
    run = shell.dask_cluster("create", mine(shell, "slow"), "--name", "a", "--timeout", "2")
    refused(run, 5, "cluster 'a' was not there in time; it said: .*mine.slow.*; give it more")


@pytest.mark.parametrize("name", ["slow", "hanging"])
def test_interrupted(shell: Scripts, name: str) -> None:
    """Ctrl-C during `create` ends what was begun; whoever presses it again does not wait."""
    process = shell.start(*DASK_CLUSTER, "create", mine(shell, name), "--name", "a")
    wait_until((shell.cwd / "starting.yaml").exists, "its class is called")
    log = records.read("a").log
    os.killpg(process.pid, signal.SIGINT)
    wait_until(lambda: "interrupted: mine." in log.read_text(), "its host is told")
    if name == "slow":
        (shell.cwd / "go-on.yaml").touch()
    else:
        for _ in range(2):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.5)  # two signals at once are one
    out, err = process.communicate(timeout=60)
    assert (out, process.returncode) == ("", 1)
    assert "Traceback" not in err
    assert err.rstrip().endswith("Aborted!")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("failing", "failing.yaml:3: mine.failing failed: no such luck; check its args"),
        ("dying", "creating cluster 'a' ended without a word: last words; see whether"),
    ],
)
def test_a_class_that_fails(shell: Scripts, name: str, error: str) -> None:
    """The reason that a class gives, or else the last line of the log, is the error."""
    refused(shell.dask_cluster("create", mine(shell, name), "--name", "a"), 5, error)


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["nix.yaml"], 3, "spec file 'nix.yaml' does not exist .*; create it"),
        (["--set", "kwargs.n_worker=1"], 4, "takes no such argument; did you mean 'n_workers'"),
        (["--set", "class=LocalClustr"], 4, "has no 'LocalClustr'; did you mean 'LocalCluster'"),
        (THREADS_ALONE, 4, "inside its own process only; write 'protocol: tcp"),
        (["--set", "module=nix"], 5, "there is no module 'nix'; check the name"),
        (["--wait", "1", "--no-wait"], 2, "exclude each other"),
    ],
)
def test_what_cannot_be_created(
    shell: Scripts, arguments: list[str], code: int, error: str
) -> None:
    """A spec that is missing or wrong is one line and its exit code; nothing is left."""
    run = shell.dask_cluster("create", *arguments)
    assert (run.stdout, run.returncode) == ("", code), run.stderr
    assert re.search(error, run.stderr.splitlines()[-1]), run.stderr
    assert "Traceback" not in run.stderr


def test_threads_that_listen(shell: Scripts) -> None:
    """A cluster of threads can be created if it is told to listen, as the refusal says."""
    tcp = ["--set", "kwargs.processes=false", "--set", "kwargs.protocol=tcp"]
    ok(shell.dask_cluster("create", "--name", "a", *tcp))
    (shell.cwd / "snippet.py").write_text(ok(shell.dask_cluster("snippet", "a")) + USE)
    assert ok(shell.python("snippet.py")) == "3\n"
    ok(shell.dask_cluster("delete", "a"))


@pytest.mark.parametrize("signalnum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_host(shell: Scripts, signalnum: int) -> None:
    """SIGTERM closes the cluster in order: its workers, its record, its log."""
    ok(shell.dask_cluster("create", "--name", "a"))
    os.kill(host_of("a").pid, signalnum)
    wait_until(lambda: records.names() == [], "its record has gone")
    wait_until(lambda: not shell.processes(), "every process has ended")


def test_shut_down_from_elsewhere(shell: Scripts) -> None:
    """A client that shuts the cluster down ends its host, too."""
    ok(shell.dask_cluster("create", "--name", "a"))
    address = records.read("a").address
    (shell.cwd / "ends.py").write_text(
        f"from dask.distributed import Client\nClient({address!r}).shutdown()\n"
    )
    ok(shell.python("ends.py"))
    wait_until(lambda: records.names() == [], "its record has gone")


def test_a_killed_host(shell: Scripts) -> None:
    """After `kill -9` of the host, every verb says so; only `delete` removes what it left."""
    ok(shell.dask_cluster("create", "--name", "a"))
    os.kill(host_of("a").pid, signal.SIGKILL)
    wait_until(lambda: not shell.processes(), "its workers have ended")
    before = snapshot(records.folder())
    (row,) = listed(shell)
    assert (row["name"], row["status"], row["workers"]) == ("a", "dead", None)
    assert shell.dask_cluster("show", "a").returncode == 5
    assert "creating dask.distributed.LocalCluster" in ok(shell.dask_cluster("logs", "a"))
    ended = "the host of cluster 'a' has ended without .*; it logged last: .*cluster delete a"
    for verb in (["scale", "a", "2"], ["adapt", "a", "--maximum", "2"], ["snippet", "a"]):
        refused(shell.dask_cluster(*verb), 6, ended)
    refused(shell.dask_cluster("run", "--name", "a", "--", "true"), 6, ended)
    refused(shell.dask_cluster("create", "--name", "a"), 4, "there is a cluster 'a' already; ")
    assert snapshot(records.folder()) == before
    run = shell.dask_cluster("delete", "a")
    assert (run.stderr, run.returncode) == ("deleting a\nDeleted a.\n", 0)


def test_a_scheduler_that_outlives_its_host(shell: Scripts) -> None:
    """What goes on without its host is used as any scheduler, and ended with its record."""
    file = shell.cwd / "scheduler.yaml"
    options = ["--port", "0", "--no-dashboard", "--scheduler-file", file]
    scheduler = shell.start(DASK_CLUSTER[0], "scheduler", *options)
    wait_until(lambda: file.exists() and file.read_text(), "it listens")
    address = json.loads(file.read_text())["address"]
    record = records.Record(name="a", target="a.B", created="now", host=records.Host.here())
    records.add(replace(record, address=address, status="running")).release()
    (row,) = listed(shell)
    assert (row["status"], row["workers"]) == ("orphaned", 0)
    assert repr(address) in ok(shell.dask_cluster("snippet", "a"))
    refused(shell.dask_cluster("scale", "a", "2"), 6, "has ended without closing it")
    ok(shell.dask_cluster("delete", "a"))
    shell.finished(scheduler)


def test_a_process_that_only_has_the_id_of_a_host(shell: Scripts) -> None:
    """A living process that has the id of a host which ended is not called, nor ended."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        host = replace(records.Host.here(), pid=other.pid, port=1)
        record = records.Record(name="a", target="a.B", created="now", host=host)
        records.add(replace(record, status="running", address="tcp://127.0.0.1:1")).release()
        assert listed(shell)[0]["status"] == "dead"
        ok(shell.dask_cluster("delete", "a"))
        assert other.poll() is None


def test_a_record_that_lost_its_lock(shell: Scripts) -> None:
    """Whether a host lives is not said of a record without its lock, nor is it removed."""
    host = replace(records.Host.here(), pid=os.getpid(), port=1)
    record = records.Record(name="a", target="a.B", created="now", host=host)
    records.add(replace(record, status="running", address="tcp://127.0.0.1:1")).release()
    record.lock.unlink()
    assert listed(shell)[0]["status"].startswith("unknown: ")
    refused(shell.dask_cluster("delete", "a"), 5, ".*")
    assert records.names() == ["a"]
    records.remove("a")


ISOLATE = ("unshare", "--net", "--pid", "--fork", "--mount-proc")


def test_from_another_container(shell: Scripts) -> None:
    """Where neither process nor port of a host can be seen, nothing is made of that."""
    if subprocess.run([*ISOLATE, "true"], capture_output=True, check=False).returncode:
        unavailable("no namespaces can be made here", "root, or a container that may")
    ok(shell.dask_cluster("create", "--name", "a"))
    before = snapshot(records.folder())
    run = shell.run(*ISOLATE, *DASK_CLUSTER, "list", "recorded", "--output", "json")
    (row,) = json.loads(ok(run))
    assert re.match("unknown: |unreachable: ", row["status"])
    assert snapshot(records.folder()) == before
    assert listed(shell)[0]["status"] == "running"
    ok(shell.dask_cluster("delete", "a"))


def test_looking_writes_nothing(shell: Scripts) -> None:
    """No command that only asks changes a byte of what is recorded, the log included."""
    ok(shell.dask_cluster("create", "--name", "a", "--wait", "1"))
    folder = records.folder().parent
    before = snapshot(folder)
    for command in (["list"], ["list", "recorded"], ["show", "a"], ["snippet", "a"], ["logs", "a"]):
        ok(shell.dask_cluster(*command))
        assert snapshot(folder) == before, command
    ok(shell.dask_cluster("delete", "a"))


BAD = {
    "newer": (b'{"version": 3, "name": "a"}', "is a record of version 3, and this dask-ctl .*"),
    "garbage": (b"{", "is not a record of a cluster"),
    "deep": (b"[" * 100_000, "is not a record of a cluster"),
    "pipe": (None, "is not a record of a cluster"),
}


@pytest.mark.parametrize(("text", "error"), BAD.values(), ids=BAD)
def test_a_record_that_cannot_be_read(shell: Scripts, text: bytes | None, error: str) -> None:
    """It is named, hides no other, is never replaced, and no verb guesses at it."""
    path = records.prepare_folder() / "a.json"
    if text is None:
        os.mkfifo(path, 0o600)
    else:
        path.write_bytes(text)
    records.add(records.Record(name="b", target="a.B", created="now")).release()
    run = shell.dask_cluster("list", "recorded", "--output", "json")
    assert [row["name"] for row in json.loads(ok(run))] == ["b"]
    assert re.fullmatch(f"warning: {path}: {error}; .*\n", run.stderr)
    for verb in ("show", "snippet", "logs", "delete"):
        refused(shell.dask_cluster(verb, "a"), 5, f"{path}: {error}; ")
    refused(shell.dask_cluster("create", "--name", "a"), 5, f"{path}: {error}; ")
    assert text is None or path.read_bytes() == text
    path.unlink()
    records.remove("b")


def test_a_folder_that_cannot_be_written(shell: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a place for its record no cluster is begun."""
    monkeypatch.setenv("XDG_STATE_HOME", "/proc")
    refused(shell.dask_cluster("create"), 5, "/proc/dask-ctl/clusters: cannot be written: .*; ")


def test_a_full_disk(shell: Scripts, small_disk: Path) -> None:
    """A full disk refuses a new cluster, and does not keep an old one from being ended."""
    ok(shell.dask_cluster("create", "--name", "a"))
    filler = fill(small_disk)
    refused(shell.dask_cluster("create", "--name", "b"), 5, "cannot be written: No space left .*; ")
    ok(shell.dask_cluster("scale", "a", "2"))
    assert [row["name"] for row in listed(shell)] == ["a"]
    ok(shell.dask_cluster("delete", "a"))
    filler.unlink()


@pytest.mark.parametrize("output", [">/dev/full", "| true"], ids=["full", "pipe"])
def test_a_name_that_cannot_be_printed(shell: Scripts, output: str) -> None:
    """A cluster of which nobody has learnt the name is ended, and the exit code says so."""
    into = f'{{ "$0" "$1" create; echo $? >code.yaml; }} {output}'
    _, err = shell.start("sh", "-c", into, *DASK_CLUSTER).communicate(timeout=90)
    assert (shell.cwd / "code.yaml").read_text() == "5\n", err
    assert "the name of the cluster cannot be printed: " in err.splitlines()[-1]
    assert records.names() == []


def test_strangers(shell: Scripts) -> None:
    """The host answers on the loopback only, and only to who knows its secret; it lives on."""
    ok(shell.dask_cluster("create", "--name", "a"))
    record = records.read("a")
    host = host_of("a")
    assert host.port is not None
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(host.pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == host.port
    ]
    assert listening == ["127.0.0.1"]
    call = {"secret": "", "verb": "close", "arguments": {}}
    half = socket.create_connection(("127.0.0.1", host.port))
    half.sendall(b'{"secret": ')
    for sent in (
        json.dumps(call).encode() + b"\n",
        json.dumps({**call, "secret": host.secret[:-1]}).encode() + b"\n",
        json.dumps({**call, "secret": None}).encode() + b"\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\x00\n",
        b"[]\n",
        b"x" * 10_000_000 + b"\n",
        b"[" * 60_000 + b"\n",
    ):
        assert answer(host.port, sent) in (b'{"error": "this is not for you"}\n', b"")
    with pytest.raises(BackendError, match="unknown verb 'fly'"):
        control.call(record, "fly")
    with pytest.raises(BackendError, match="-1 is no number of workers"):
        control.call(record, "scale", n=-1)
    with pytest.raises(BackendError, match="'adapt' takes no such option"):
        control.call(record, "adapt", foo=1)
    assert "Traceback" not in record.log.read_text()
    assert records.read("a") == record
    ok(shell.dask_cluster("scale", "a", "2"))
    half.close()
    ok(shell.dask_cluster("delete", "a"))


def answer(port: int, sent: bytes) -> bytes:
    """Send something to a host; what it answers, or nothing if it hung up."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        try:
            connection.sendall(sent)
            return connection.makefile("rb").readline()
        except ConnectionError:
            return b""


def test_a_host_that_hangs_holds_up_no_loop(
    shell: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connecting by TLS and scaling ask the host, while the user's loop goes on."""
    ok(shell.dask_cluster("create", "--name", "a", "--set", "kwargs.security=true"))
    pid = host_of("a").pid
    monkeypatch.setattr(control, "TIMEOUT", 3.0)

    async def main() -> None:
        async with await get_cluster("a", asynchronous=True) as cluster:
            os.kill(pid, signal.SIGSTOP)
            for asked in (cluster.scale(2), get_cluster("a", asynchronous=True)):
                waiting = asyncio.ensure_future(asked)
                begun = time.monotonic()
                await asyncio.wait([waiting], timeout=0.5)
                assert (waiting.done(), time.monotonic() - begun < 2) == (False, True)
                with pytest.raises(BackendError, match="'a' does not answer"):
                    await waiting

    try:
        asyncio.run(main())
    finally:
        os.kill(pid, signal.SIGCONT)
    ok(shell.dask_cluster("delete", "a"))


def test_secrets_of_a_spec(shell: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is secret in a spec is in no record, no log, and in no process list."""
    monkeypatch.setenv("MY_TOKEN", "t0ken")
    spec = mine(shell, "Guarded")
    spec.write_text(
        spec.read_text()
        + "kwargs:\n  user: me\n  password: pa55word\n  options: {api_key: '${env:MY_TOKEN}'}\n"
    )
    ok(shell.dask_cluster("create", spec, "--name", "a"))
    ok(shell.dask_cluster("scale", "a", "2"))
    said = [
        ok(shell.dask_cluster("show", "a", "--output", "json")),
        ok(shell.dask_cluster("snippet", "a")),
        *(path.read_text() for path in records.folder().iterdir()),
        *shell.processes().values(),
    ]
    assert "dask_ctl.hosts.owner a" in "\n".join(said)
    for secret in ("pa55word", "t0ken"):
        assert [text for text in said if secret in text] == []
    ok(shell.dask_cluster("delete", "a"))


def test_secrets_in_an_error(shell: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a class quotes of them is hidden, whatever the argument is called."""
    monkeypatch.setenv("DB_PASSWORD", "pa55word")
    (shell.cwd / "mine.py").write_text(
        "def quoting(asynchronous=False, **kwargs):\n"
        "    raise RuntimeError(f\"{kwargs}: {kwargs['a']}\")\n"
    )
    spec = mine(shell, "quoting")
    spec.write_text(
        f"{spec.read_text()}kwargs: {{a: '${{env:DB_PASSWORD}}', b: [--token, t0ken]}}\n"
    )
    for command in (["create", spec], ["run", spec, "--", "true"]):
        run = shell.dask_cluster(*command)
        assert run.returncode == 5, run.stderr
        assert "mine.quoting failed: " in run.stderr.splitlines()[-1]
        assert not re.search("pa55word|t0ken", run.stderr)


def test_from_python(shell: Scripts) -> None:
    """The verbs of Python do the same, and what is connected leaves the cluster running."""
    from dask_ctl import (
        adapt_cluster,
        delete_cluster,
        get_snippet,
        list_clusters,
        scale_cluster,
    )

    ok(shell.dask_cluster("create", "--name", "a"))
    with get_cluster("a") as cluster, Client(cluster) as client:
        scale_cluster("a", 2)
        client.wait_for_workers(2, timeout=60)
        cluster.scale(1)
        adapt_cluster("a", minimum=2, maximum=2)
        client.wait_for_workers(2, timeout=60)
    assert [info.name for info in list_clusters("recorded")] == ["a"]
    assert "get_cluster('a')" in get_snippet("a")
    delete_cluster("a")
    assert list_clusters("recorded") == []
