"""What is done to clusters of `dask cluster create`, each step in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from distributed import Client

from dask_ctl import BackendError, get_cluster
from dask_ctl.hosts import client as control
from dask_ctl.hosts import store as records
from tests.backends.scripts import (
    CREATED,
    DASK_CLUSTER,
    USE,
    Scripts,
    host_of,
    listed,
    ok,
    refused,
    snapshot,
)


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
    address = row.pop("address")
    assert address.startswith("tls://" if secure else "tcp://")
    assert row.pop("memory") > 2**20
    assert row.pop("idle_since") >= before.isoformat()
    assert row == {
        "name": "a", "discovery": "recorded", "status": "running",
        "type": "dask.distributed.LocalCluster", "workers": 1, "threads": 1,
        "waiting": None, "adapt": None, "command": None,
    }  # fmt: skip
    table = ok(shell.dask_cluster("list", "recorded")).splitlines()
    assert [line.split()[0] for line in table] == ["NAME", "a"]
    # What is known is not looked for.
    others = json.loads(ok(shell.dask_cluster("list", "schedulers", "--output", "json")))
    assert address not in {each["address"] for each in others}

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
    refused(late, 5, "has 1 worker, not yet as many")
    scaled = shell.dask_cluster("scale", "2")
    assert ok(scaled) == ""
    assert scaled.stderr.endswith("\na has 2 workers.\n")
    for wrong in ((), ("a",), ("a", "2", "3")):
        assert shell.dask_cluster("scale", *wrong).returncode == 2, wrong
    ok(shell.dask_cluster("create", "--name", "b"))
    several = "there are several clusters; name one: a, b"
    refused(shell.dask_cluster("show"), 6, several)
    refused(shell.dask_cluster("scale", "2"), 6, several)
    ok(shell.dask_cluster("rm", "-y", "a", "b"))


def test_a_class_that_hangs_in_scale(shell: Scripts, mine: Callable[[str], Path]) -> None:
    """Neither `scale` nor `delete` takes much longer than its user gave it."""
    ok(shell.dask_cluster("create", mine("Hanging"), "--name", "a"))
    began = time.monotonic()
    run = shell.dask_cluster("scale", "a", "2", "--timeout", "3")
    refused(run, 5, "the host of cluster 'a' does not answer: timed out; see .*a.log")
    assert time.monotonic() < began + 8
    began = time.monotonic()
    ok(shell.dask_cluster("delete", "a", "--timeout", "5"))
    assert time.monotonic() < began + 12


def test_names_that_exist(shell: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second cluster of a name is refused, and the first one is not touched."""
    ok(shell.dask_cluster("create", "--name", "a"))
    record = records.read("a")
    refused(shell.dask_cluster("create", "--name", "a"), 4, "there is a cluster 'a' already; ")
    refused(shell.dask_cluster("create", "--name", "a/b"), 4, "'a/b' cannot be the name of a ")
    # A variable of the shell that is not set is no wish for any name, nor for the only cluster.
    refused(shell.dask_cluster("create", "--name", ""), 4, "'' cannot be the name of a ")
    refused(shell.dask_cluster("scale", "", "3"), 6, "there is no cluster ''; there are: a")
    refused(shell.dask_cluster("run", "--name", "", "--", "true"), 6, "there is no cluster ''")
    refused(shell.dask_cluster("show", "aa"), 6, "no cluster 'aa'.*; did you mean 'a'.* a")
    # Each once, by its name: its scheduler is found by another method too.
    with monkeypatch.context() as context:
        context.setenv("DASK_CTL__DISABLE_DISCOVERY", "[]")
        others = shell.dask_cluster("show", "zz")
    assert re.search(r"there are: (.*, )?a\b", others.stderr)
    assert str(record.address) not in others.stderr
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
        other = records.Record(name=f"c{number}", target="a.B", created=CREATED, host=host)
        locks.append(records.add(replace(other, address=address, status="running")))
    assert len(listed(shell)) == 50
    ok(shell.dask_cluster("delete", "a"))
    assert len(records.names()) == 49
    for lock, name in zip(locks, records.names(), strict=True):
        records.remove(name)
        lock.release()


def test_looking_writes_nothing(shell: Scripts) -> None:
    """No command that only asks changes a byte of what is recorded, the log included."""
    ok(shell.dask_cluster("create", "--name", "a", "--wait", "1"))
    folder = records.folder().parent
    before = snapshot(folder)
    for command in (["list"], ["list", "recorded"], ["show", "a"], ["snippet", "a"], ["logs", "a"]):
        ok(shell.dask_cluster(*command))
        assert snapshot(folder) == before, command
    ok(shell.dask_cluster("delete", "a"))


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


def test_secrets_of_a_spec(
    shell: Scripts, mine: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is secret in a spec is in no record, no log, and in no process list."""
    monkeypatch.setenv("MY_TOKEN", "t0ken")
    spec = mine("Guarded")
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


def test_secrets_in_an_error(
    shell: Scripts, mine: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a class quotes of them is hidden, whatever the argument is called."""
    monkeypatch.setenv("DB_PASSWORD", "pa55word")
    (shell.cwd / "mine.py").write_text(
        "def quoting(asynchronous=False, **kwargs):\n"
        "    raise RuntimeError(f\"{kwargs}: {kwargs['a']}\")\n"
    )
    spec = mine("quoting")
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
