"""Records of clusters: a file each, whole or not there, for their user alone."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from dask_ctl import (
    BackendError,
    DiscoveryError,
    InvalidSpecError,
    NoSuchClusterError,
)
from dask_ctl.hosts import store as records
from dask_ctl.lifecycle import list_recorded
from tests.backends.scripts import CREATED, Scripts, fill, refused


def record(name: str, **known: object) -> records.Record:
    """A record of a cluster whose host is this process."""
    host = records.Host.here()
    return replace(records.Record(name=name, target="a.B", created=CREATED, host=host), **known)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_for_its_user_alone(umask: int) -> None:
    """A record and its lock are 0600 in a folder of 0700, whatever the umask."""
    before = os.umask(umask)
    try:
        records.add(record("a"))
        records.update(record("a", status="running"))
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in records.folder().iterdir()}
    assert modes == {"a.json": 0o600, "a.lock": 0o600}
    assert stat.S_IMODE(records.folder().stat().st_mode) == 0o700


def test_a_folder_that_others_can_enter_is_closed() -> None:
    """A folder that was there, and open, is closed before anything is written into it."""
    records.folder().mkdir(parents=True)
    records.folder().chmod(0o755)
    records.add(record("a"))
    assert stat.S_IMODE(records.folder().stat().st_mode) == 0o700


def test_a_folder_of_somebody_else_is_refused() -> None:
    """Nothing is written into a folder of another user, who could read or replace it."""
    path = records.folder()
    path.parent.mkdir(parents=True)
    if os.geteuid() == 0:
        path.mkdir()
        os.chown(path, 65534, 65534)
    else:
        path.symlink_to("/usr")
    with pytest.raises(BackendError, match=r"belongs to another user .*; set XDG_STATE_HOME"):
        records.add(record("a"))
    assert "a.json" not in os.listdir(path)


@pytest.mark.parametrize("where", ["/proc", "file"])
def test_a_folder_that_cannot_be_made(
    isolated: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """One line says where, why, and what to do."""
    (isolated / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(isolated / where))
    with pytest.raises(BackendError, match=r"clusters: cannot be written: .*; clusters of .* make"):
        records.add(record("a"))


def test_a_full_disk_loses_nothing(small_disk: Path) -> None:
    """No half of a record is written: the old one stays, and a new one is refused."""
    lock = records.add(record("a"))
    fill(small_disk)
    large = tuple(str(n) for n in range(10_000))
    with pytest.raises(BackendError, match=r"No space left on device; .* make"):
        records.update(record("a", jobs=large))
    with pytest.raises(BackendError, match="cannot be written: No space left on device"):
        records.add(record("b"))
    assert records.read("a").jobs == ()
    assert sorted(os.listdir(records.folder())) == ["a.json", "a.lock"]
    lock.release()


def test_a_name_is_given_once() -> None:
    """Of many processes that want a name at once, one gets it, and its record is not touched."""
    code = (
        "import sys\n"
        "from dask_ctl import InvalidSpecError\n"
        "from dask_ctl.hosts import store as records\n"
        "sys.stdin.readline()\n"
        "record = records.Record(name='a', target=sys.argv[1], created='2026-11-25T12:00:00Z')\n"
        "try:\n"
        "    lock = records.add(record)\n"
        "except InvalidSpecError as error:\n"
        "    print(error)\n"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, f"a.B{n}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(4)
    ]
    said = [process.communicate("go\n", timeout=60)[0] for process in started]
    refused = "there is a cluster 'a' already; choose another --name, or: dask cluster delete a\n"
    assert sorted(said) == ["", refused, refused, refused]
    assert records.read("a").target == f"a.B{said.index('')}"


def test_no_record_is_lost() -> None:
    """Fifty hosts that write at once, again and again, lose none, nor does a reader see half."""

    def work(name: str) -> None:
        records.add(record(name))
        for number in range(20):
            records.update(record(name, jobs=(str(number),)))

    threads = [threading.Thread(target=work, args=(f"c{n}",)) for n in range(50)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert records.everything()[1] == []
    assert {each.name for each in records.everything()[0]} == {f"c{n}" for n in range(50)}
    assert {each.jobs for each in records.everything()[0]} == {("19",)}


def write(name: str, text: bytes) -> Path:
    """Write a file as a record."""
    path = records.prepare_folder() / f"{name}.json"
    path.write_bytes(text)
    return path


def text_of(**changed: object) -> bytes:
    """What the record `bad` would hold, and what has been changed of it."""
    written = {"version": records.VERSION, **asdict(record("bad")), **changed}
    return json.dumps(written).encode()


HOST = asdict(records.Host.here())
GARBAGE = {
    "nothing": b"",
    "half": text_of()[:60],
    "list": b"[1]",
    "number": b"3",
    "bytes": b"\xff\xfe\x00",
    "empty": b"{}",
    "deep": b"[" * 100_000,
    "other": b'{"version": 2, "host": null, "other": 2}',
    "name": text_of(name="good"),
    "key": text_of(colour="red"),
    "jobs": text_of(jobs=7),
    "job": text_of(jobs=[7]),
    "pid": text_of(host={**HOST, "pid": -1}),
    "types": text_of(host={**HOST, "machine": 3}),
    "part": text_of(host={"pid": 1}),
    "date": text_of(created="9999-99-99T00:00:00+00:00"),
    "zone": text_of(created="2026-11-25T12:00:00"),
    "state": text_of(status="red"),
    "system": text_of(system="slrum"),
    "letters": text_of(jobs="12"),
}


@pytest.mark.parametrize("text", GARBAGE.values(), ids=GARBAGE)
def test_garbage(text: bytes) -> None:
    """What is no record says so with its path, hides no other, and is left as it is."""
    records.add(record("good"))
    path = write("bad", text)
    with pytest.raises(BackendError) as caught:
        records.read("bad")
    assert str(caught.value) == (
        f"{path}: is not a record of a cluster; remove it if you did not write it"
    )
    found, problems = records.everything()
    assert ([each.name for each in found], [str(each) for each in problems]) == (
        ["good"],
        [str(caught.value)],
    )
    assert path.read_bytes() == text


def test_a_newer_version_is_refused() -> None:
    """The record of a newer version is not guessed at."""
    text = json.dumps({"version": 3, "name": "a", "host": {"pid": os.getpid()}}).encode()
    path = write("a", text)
    with pytest.raises(BackendError, match=r"a record of version 3, and this .* only 2; use the"):
        records.read("a")
    with pytest.raises(InvalidSpecError, match="there is a cluster 'a' already"):
        records.add(record("a"))
    assert path.read_bytes() == text


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/b", "-a", "a b", "a\n", "ä", "a" * 101])
def test_a_name_must_be_one_of_a_file(name: str) -> None:
    """What would be another file, or an option, is no name; nothing is written."""
    with pytest.raises(InvalidSpecError, match="cannot be the name of a cluster; use letters"):
        records.add(record(name))
    assert records.names() == []


@pytest.mark.parametrize("name", ["con", "NUL", "Com1", "lpt9.x"])
def test_a_name_must_be_one_of_a_file_on_windows(name: str) -> None:
    with pytest.raises(InvalidSpecError, match="cannot be the name of a cluster; use another"):
        records.add(record(name))


def test_what_cannot_be_restored_is_tried_again() -> None:
    """A record that cannot be written leaves no new lock behind, which nobody would hold."""
    lost = record("a")
    lock = records.add(lost)
    shutil.rmtree(records.folder())
    in_the_way = records.folder() / "a.json"
    in_the_way.mkdir(parents=True)
    with pytest.raises(BackendError, match="cannot be written"):
        records.restore(lost, lock)
    assert (lock.is_replaced, lost.lock.exists()) == (False, False)
    in_the_way.rmdir()
    held = records.restore(lost, lock)
    assert (held.is_replaced, records.read("a")) == (False, lost)
    held.remove()


def test_nothing_is_there() -> None:
    """Without a folder there are no clusters, and none is made by looking."""
    assert (records.names(), records.everything()) == ([], ([], []))
    with pytest.raises(NoSuchClusterError, match="there is no cluster 'a'"):
        records.read("a")
    assert not records.folder().exists()


def test_a_folder_that_cannot_be_listed(scripts: Scripts) -> None:
    """That there is none is only said where that is known."""
    records.folder().parent.mkdir(parents=True)
    records.folder().symlink_to("clusters")  # a circle, which not even root can enter
    said = "clusters: the clusters of the command line cannot be listed: Too many levels of symbol"
    for code, *method in (0,), (7, "recorded"):
        run = scripts.dask_cluster("list", *method)
        assert (run.returncode, said in run.stderr, "No clusters" in run.stderr) == (
            code,
            True,
            False,
        )
    for command in (["delete", "-y", "a"], ["delete", "-y", "--all"], ["show"]):
        refused(scripts.dask_cluster(*command), 7, said)
    with pytest.raises(DiscoveryError, match="cannot be listed"):
        list_recorded()


def test_what_is_no_file() -> None:
    """A pipe is no record; whoever reads it is not held up."""
    os.mkfifo(records.prepare_folder() / "x.json", 0o600)
    records.add(record("good"))
    found, problems = records.everything()
    assert [each.name for each in found] == ["good"]
    assert ["x.json: is not a record of a cluster" in str(each) for each in problems] == [True]


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_somebody_else_may_have_written_is_not_believed(what: str) -> None:
    """A record that another user owns or could write is one warning, and nothing is read of it."""
    records.add(record("a"))
    path = records.folder() / "a.json"
    if what == "file":
        path.chmod(0o666)
    elif os.geteuid() == 0:
        os.chown(path.parent, 65534, 65534)
    else:
        pytest.skip("only root can give a folder away")
    found, problems = records.everything()
    assert found == []
    assert ["is not believed; set XDG_STATE_HOME" in str(each) for each in problems] == [True]


def test_a_lock_is_a_life() -> None:
    """A host lives while it holds its lock, and has ended once it does not, on its machine."""
    lock = records.add(record("a"))
    assert records.read("a").life == "alive"
    assert record("a", host=ELSEWHERE).life == "alive"
    lock.release()
    assert records.read("a").life == "dead"


# Its machine is another, or it is in another container, or that was started again.
ELSEWHERE = replace(records.Host.here(), machine="elsewhere")


@pytest.mark.parametrize("host", [ELSEWHERE, replace(records.Host.here(), boot="before"), None])
def test_a_host_that_cannot_be_judged_from_here(host: records.Host | None) -> None:
    """A free lock says nothing of a host elsewhere, whose lock may not be seen here."""
    records.add(record("a", host=host)).release()
    assert records.read("a").life == "unknown"


def test_without_a_lock_nothing_is_known() -> None:
    """Of a record alone, whatever its process id, neither life nor death is said."""
    records.add(record("a")).release()
    records.read("a").lock.unlink()
    assert records.read("a").life == "unknown"


def test_a_clock_that_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the time is plays no part in whether a host lives."""
    lock = records.add(record("a"))
    for step in (-3600.0, 3600.0):
        now = time.time() + step
        monkeypatch.setattr(time, "time", lambda now=now: now)
        assert records.read("a").life == "alive"
    lock.release()


def test_a_killed_process_holds_nothing() -> None:
    """A host that was killed is dead, even before somebody has waited for it."""
    code = (
        "from dask_ctl.hosts import store as records\n"
        "host = records.Host.here()\n"
        f"record = records.Record(name='a', target='a.B', created={CREATED!r}, host=host)\n"
        "lock = records.add(record)\n"
        "print(flush=True)\n"
        "input()\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as process:
        process.stdout.readline()
        assert records.read("a").life == "alive"
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert records.read("a").life == "dead"
