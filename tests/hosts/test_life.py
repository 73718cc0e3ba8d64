"""The life and death of a host, and who may ask it for something."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from dask_ctl import BackendError
from dask_ctl.hosts import client as control
from dask_ctl.hosts import store as records
from tests.backends.scripts import (
    CREATED,
    DASK_CLUSTER,
    Scripts,
    host_of,
    listed,
    ok,
    refused,
    snapshot,
    wait_until,
)
from tests.conftest import unavailable


@pytest.mark.parametrize("signalnum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_host(shell: Scripts, signalnum: int) -> None:
    """SIGTERM closes the cluster in order: its workers, its record, its log."""
    ok(shell.dask_cluster("create", "--name", "a"))
    os.kill(host_of("a").pid, signalnum)
    wait_until(lambda: records.names() == [], "its record has gone")
    wait_until(lambda: not shell.processes(), "every process has ended")


def test_a_host_that_is_stopped(shell: Scripts) -> None:
    """What neither answers nor heeds a signal is killed in time, and what it leaves is ended."""
    ok(shell.dask_cluster("create", "--name", "a"))
    os.kill(host_of("a").pid, signal.SIGSTOP)
    refused(
        shell.dask_cluster("scale", "a", "1", "--timeout", "1"), 5, "does not answer: timed out"
    )
    ok(shell.dask_cluster("delete", "-y", "a", "--timeout", "8"))
    assert records.names() == []
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
    for verb in (
        ["scale", "a", "2"],
        ["adapt", "a", "--maximum", "2"],
        ["adapt", "a", "--off"],
        ["snippet", "a"],
        ["dashboard", "a"],
        ["wait", "a", "--workers", "1"],
    ):
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
    record = records.Record(name="a", target="a.B", created=CREATED, host=records.Host.here())
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
        record = records.Record(name="a", target="a.B", created=CREATED, host=host)
        records.add(replace(record, status="running", address="tcp://127.0.0.1:1")).release()
        assert listed(shell)[0]["status"] == "dead"
        ok(shell.dask_cluster("delete", "a"))
        assert other.poll() is None


def test_a_record_that_lost_its_lock(shell: Scripts) -> None:
    """Whether a host lives is not said of a record without its lock, nor is it removed."""
    host = replace(records.Host.here(), pid=os.getpid(), port=1)
    record = records.Record(name="a", target="a.B", created=CREATED, host=host)
    records.add(replace(record, status="running", address="tcp://127.0.0.1:1")).release()
    record.lock.unlink()
    assert listed(shell)[0]["status"].startswith("unknown: ")
    refused(shell.dask_cluster("delete", "a"), 5, ".*")
    assert records.names() == ["a"]
    records.remove("a")


def test_a_host_that_lost_its_lock(shell: Scripts) -> None:
    """It answers, so it lives, and is ended in order."""
    ok(shell.dask_cluster("create", "--name", "a"))
    records.read("a").lock.unlink()
    ok(shell.dask_cluster("delete", "a"))
    assert os.listdir(records.folder()) == []


def test_a_record_that_was_removed(shell: Scripts) -> None:
    """A host that lives writes it again: whoever emptied the folder did not end it."""
    ok(shell.dask_cluster("create", "--name", "a"))
    before = records.read("a")
    shutil.rmtree(records.folder())
    wait_until(lambda: records.names() == ["a"] and before.lock.exists(), "it is written again")
    assert records.read("a") == before
    assert listed(shell)[0]["status"] == "running"
    ok(shell.dask_cluster("delete", "a"))
    assert os.listdir(records.folder()) == []


def test_a_name_that_another_has_taken(shell: Scripts) -> None:
    """A host whose record was removed by hand leaves that of the next one alone."""
    ok(shell.dask_cluster("create", "--name", "a"))
    first = psutil.Process(records.read("a").host.pid)
    first.suspend()  # or it would write its own again
    shutil.rmtree(records.folder())
    ok(shell.dask_cluster("create", "--name", "a"))
    first.resume()
    first.terminate()
    wait_until(lambda: not first.is_running() or first.status() == "zombie", "it ends")
    assert listed(shell)[0]["status"] == "running"
    ok(shell.dask_cluster("delete", "a"))


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
    records.add(records.Record(name="b", target="a.B", created=CREATED)).release()
    run = shell.dask_cluster("list", "recorded", "--output", "json")
    assert [row["name"] for row in json.loads(ok(run))] == ["b"]
    assert re.fullmatch(f"warning: {path}: {error}; .*\n", run.stderr)
    for verb in ("show", "snippet", "logs", "delete"):
        refused(shell.dask_cluster(verb, "a"), 5, f"{path}: {error}; ")
    refused(shell.dask_cluster("create", "--name", "a"), 5, f"{path}: {error}; ")
    assert text is None or path.read_bytes() == text
    path.unlink()
    records.remove("b")


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
