"""The log of a host: it is read in pieces, and never grows without end."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dask_ctl.backends.logs import Wanted
from dask_ctl.hosts import log
from dask_ctl.hosts import store as records
from dask_ctl.management.live import parts_of_log
from tests.backends.scripts import DASK_CLUSTER, Scripts, ok, wait_until


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("", None),
        ("2026-01-01 12:00:00,000 dask_ctl INFO creating it\nno error here\n", None),
        (
            "a\n2026-01-01 12:00:00,000 x.y ERROR gone\nb\n",
            "2026-01-01 12:00:00,000 x.y ERROR gone",
        ),
        ("Traceback:\n  raise A\na.bError: refused\nb\n", "a.bError: refused"),
        ("sbatch: error: no such partition\nb\n", "sbatch: error: no such partition"),
    ],
)
def test_last_error(tmp_path: Path, text: str, last: str | None) -> None:
    """Of a log the last line that tells of one: of logging, a traceback or a command."""
    assert log.last_error(tmp_path / "absent.log") is None
    (tmp_path / "a.log").write_text(text)
    assert log.last_error(tmp_path / "a.log") == last


def test_a_log_that_is_read_while_it_is_shortened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last half is kept from the head of a line; who has it open goes on at its new end."""
    monkeypatch.setattr(log, "MAX_BYTES", 40)
    path = tmp_path / "a.log"
    ended = iter([False, False, True])
    with path.open("a", buffering=1) as writer:
        writer.write("äaaaaaaaaa\nbbbbbbbbbb\ncccccccccc\n")
        reading = log.texts(path, Wanted(follow=True), lambda: next(ended))
        log.shorten(path)
        assert next(reading).startswith("ä")
        writer.write("dddddddddd\n")
        log.shorten(path)
        assert path.read_text() == "dddddddddd\n"
        writer.write("e\n")
        assert "".join(reading) == "dddddddddd\ne\n"


def test_the_log_of_a_host_is_bounded(shell: Scripts) -> None:
    """Whatever its cluster says, the host keeps the last of it, and `logs` prints that."""
    ok(shell.dask_cluster("create", "--name", "a"))
    path = records.read("a").log
    with path.open("a") as writer:
        writer.writelines(f"line {number} of {'x' * 1000}\n" for number in range(11_000))
    wait_until(lambda: path.stat().st_size <= log.MAX_BYTES, "it is shortened")
    assert ok(shell.dask_cluster("logs", "a")).splitlines()[-1].startswith("line 10999 of x")
    assert len(ok(shell.dask_cluster("logs", "a", "--tail", "2")).splitlines()) == 2
    following = shell.start(*DASK_CLUSTER, "logs", "a", "--follow", "--tail", "1")
    assert following.stdout is not None
    assert following.stdout.readline().startswith("line 10999 of x")
    ok(shell.dask_cluster("delete", "a"))
    followed = following.communicate(timeout=60)[0]
    assert "closing cluster a" in followed
    assert "line 10998" not in followed


@pytest.mark.parametrize(("tail", "kept"), [(0, ""), (1, "c"), (2, "b\nc"), (9, "ä\nb\nc")])
def test_the_last_lines(tmp_path: Path, tail: int, kept: str) -> None:
    """As many as are asked for, if there are as many; the last may have no end yet."""
    path = tmp_path / "a.log"
    path.write_text("ä\nb\nc")
    wanted = Wanted(tail=tail)
    assert "".join(log.texts(path, wanted, lambda: True)) == kept
    (part,) = parts_of_log([("Scheduler", wanted.of("ä\nb\nc"))])
    assert part == f"== Scheduler\n{kept}".rstrip() + "\n"


@pytest.mark.parametrize(("ago", "kept"), [(30, "C\n c\n"), (90, "B\nC\n c\n"), (0.0, "")])
def test_no_older_than(ago: float, kept: str) -> None:
    """By the times of lines; one that has none, as in a traceback, belongs to the one before it."""

    def at(seconds: int) -> str:
        return time.strftime("%Y-%m-%d %H:%M:%S,000 ", time.localtime(time.time() - seconds))

    old, older, new = (at(seconds) for seconds in (60, 120, 10))
    text = f"head\n{older}A\n a\n{old}B\n{new}C\n c\n"
    found = Wanted(since=ago).of(text)
    assert found.replace(old, "").replace(new, "") == kept
    assert Wanted(since=ago, tail=1).of(text) == "".join(found.splitlines(keepends=True)[-1:])
