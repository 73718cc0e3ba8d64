"""Scripts that run as a user would run them, and what they leave behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dask_ctl.hosts import store as records
from tests.conftest import ROOT, aborted, own_words

EXAMPLES = ROOT / "docs" / "examples"
TEMPLATES = ROOT / "dask_ctl" / "backends" / "templates"
SCRIPT = EXAMPLES / "myscript.py"
ASYNCHRONOUS = EXAMPLES / "asynchronous.py"
ANSWER = "[0, 2, 4, 6, 8, 10, 12, 14, 16, 18]\n"
# As a user types it: `python -m dask` would put the current directory on the path of imports.
DASK_CLUSTER = (str(Path(sys.executable).with_name("dask")), "cluster")
CREATED = "2026-11-25T12:00:00+00:00"  # of records that a test writes
# A cluster that starts fast.
SPEC = """\
version: 1
module: dask.distributed
class: LocalCluster
kwargs:
  n_workers: 1
  threads_per_worker: 1
  dashboard_address: ":0"
"""
WORK_FOR_EVER = """
import pathlib, time

def work(started):
    started.touch()
    time.sleep(3600)

client.submit(work, pathlib.Path("working").absolute()).result()
"""
# A preload of dask's servers: each says that it starts, and waits until it may go on.
_HELD = """
import asyncio
from pathlib import Path

async def dask_setup(server):
    Path({started!r}).touch()
    while not Path({go_on!r}).exists():
        await asyncio.sleep(0.01)
"""
# The end of a script that is a snippet.
USE = "print(client.submit(sum, [1, 2]).result())\n"
# What a spec hands on, and the end of a script that says what a task sees of it.
CARRIED = """
env: {Kept_Case: a b, VERSION: 1.20}
config: {acme.level: 3, acme: {colour: red}}
"""
SEES = """
import os, dask

def seen():
    return dask.config.get("acme", None), os.environ.get("Kept_Case"), os.environ.get("VERSION")

print(dask.config.get("acme"))
print(client.submit(seen).result())
client.close()
cluster.close()
print(dask.config.get("acme.level", None))
"""
SEEN = f"""\
{ANSWER}{{'level': 3, 'colour': 'red'}}
({{'level': 3, 'colour': 'red'}}, 'a b', '1.20')
None
"""
_LOCKS = {".lock", ".dirlock"}


def example(name: str) -> Path:
    """The example spec of a backend: the one that ``spec init`` begins with, or one of the docs."""
    template = TEMPLATES / f"{name}.yaml"
    return template if template.exists() else EXAMPLES / name / "dask-cluster.yaml"


def examples() -> list[str]:
    """The names that `example` knows."""
    folders = [path.parent.name for path in EXAMPLES.glob("*/dask-cluster.yaml")]
    return sorted([*folders, *(path.stem for path in TEMPLATES.glob("*.yaml"))])


def wait_until(done: Callable[[], object], what: str, timeout: float = 30) -> None:
    """Wait for a condition, and fail with what was awaited if it does not come true.

    Parameters
    ----------
    done : callable
        The condition.
    what : str
        Its description.
    timeout : float
        How long to wait, in seconds.
    """
    deadline = time.monotonic() + timeout
    while not done():
        if time.monotonic() > deadline:
            pytest.fail(f"after {timeout:g} s still not: {what}")
        time.sleep(0.05)


def fill(folder: Path) -> Path:
    """Write a file that leaves no room for another."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return path


@dataclass(frozen=True)
class Moment:
    """When to press Ctrl-C.

    Parameters
    ----------
    reached : callable
        Whether it has come.
    let_go : callable, optional
        Lets go of what is held at that moment; called right after Ctrl-C.
    """

    reached: Callable[[], object]
    let_go: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Scripts:
    """A user's folder and environment; whatever runs in them can be found again.

    Parameters
    ----------
    cwd, home, tmp : Path
        The current directory, the home and the folder of temporary files.
    """

    cwd: Path
    home: Path
    tmp: Path

    def use_example(self, name: str) -> None:
        """Make the example spec of a backend the current one."""
        shutil.copy(example(name), self.cwd / "dask-cluster.yaml")

    def carry(self) -> Path:
        """Have the spec hand configuration and variables on; give a script that prints `SEEN`."""
        spec = self.cwd / "dask-cluster.yaml"
        spec.write_text(spec.read_text() + CARRIED)
        return self.longer(SEES)

    def longer(self, end: str, of: Path = SCRIPT) -> Path:
        """Write a script, by default the announcement's, with something more at its end."""
        script = self.cwd / "longer.py"
        script.write_text(of.read_text() + end)
        return script

    def start(self, *command: str | Path) -> subprocess.Popen[str]:
        """Start a command in a process group of its own, as a shell does in a terminal."""
        return subprocess.Popen(
            [*map(str, command)],
            env={"PYTHONPATH": str(ROOT), **os.environ, "TMPDIR": str(self.tmp)},
            cwd=self.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str | Path, timeout: float = 90) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, and a script whose code was lost at its end once more.

        Parameters
        ----------
        *command : str or Path
            The command.
        timeout : float
            How long it may take, in seconds; a command that takes longer is killed.
        """
        run = self._ended(self.start(*command), timeout)
        if aborted(run.returncode, run.stderr) and command[: len(DASK_CLUSTER)] != DASK_CLUSTER:
            return self.run(*command, timeout=timeout)
        run.stderr = own_words(run.stderr)
        return run

    def finished(
        self, process: subprocess.Popen[str], timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Wait for the end of a command that was started; where its code was lost, tell it.

        Parameters
        ----------
        process : Popen
            The command, as `start` gives it.
        timeout : float
            How long it may take, in seconds; a command that takes longer is killed.
        """
        run = self._ended(process, timeout)
        if aborted(run.returncode, run.stderr):
            run.returncode = -signal.SIGINT if "KeyboardInterrupt" in run.stderr else 0
        run.stderr = own_words(run.stderr)
        return run

    def _ended(
        self, process: subprocess.Popen[str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.kill_all()
            out, err = process.communicate()
            pytest.fail(f"not done after {timeout:g} s: {process.args}\n{out}\n{err}")
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def python(self, script: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a script with Python to its end."""
        return self.run(sys.executable, script)

    def dask_cluster(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run ``dask cluster`` with arguments, in a process of its own."""
        return self.run(*DASK_CLUSTER, *arguments)

    def hold(self, role: str, monkeypatch: pytest.MonkeyPatch) -> Moment:
        """Hold every scheduler, or every worker, that is started by a script of this home."""
        started, go_on, preload = (
            self.home.parent / name for name in ("started", "go-on", "held.py")
        )
        preload.write_text(_HELD.format(started=str(started), go_on=str(go_on)))
        monkeypatch.setenv(f"DASK_DISTRIBUTED__{role.upper()}__PRELOAD", str(preload))
        return Moment(started.exists, go_on.touch)

    def interrupt(
        self, process: subprocess.Popen[str], moment: Moment | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Press Ctrl-C in the terminal of `process`, by default once its task for ever runs."""
        working = self.cwd / "working"
        moment = moment or Moment(working.exists, working.unlink)
        wait_until(lambda: moment.reached() or process.poll() is not None, "time for Ctrl-C", 60)
        assert process.poll() is None, process.communicate()
        os.killpg(process.pid, signal.SIGINT)
        moment.let_go()
        return self.finished(process)

    def processes(self) -> dict[int, str]:
        """Give the living processes of this home, started by whomever, and their commands."""
        mark, found = os.fsencode(self.home), {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                # A zombie's environment is empty.
                if mark in (folder / "environ").read_bytes() and int(folder.name) != os.getpid():
                    command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                    found[int(folder.name)] = command.decode(errors="replace")
        return found

    def kill_all(self) -> None:
        """Kill the processes of this home."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def files(self) -> set[Path]:
        """Give all files in the home, the current directory and that of temporary files."""
        # Those of its scratch space are dask's own; the next worker there removes stale ones. The
        # log of a cluster that has ended by itself is kept for a while.
        return {
            path
            for folder in (self.cwd, self.home, self.tmp)
            for inner, _, names in os.walk(folder)  # which folders that go meanwhile do not stop
            for path in (Path(inner, name) for name in names)
            if path.is_file()
            and path.suffix != ".pyc"
            and path.suffix not in _LOCKS
            and path.parent.name != "ended"
        }


def snapshot(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """What a folder holds, byte for byte, and when each file was last written."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def ok(run: subprocess.CompletedProcess[str]) -> str:
    """What a command printed that has done its work."""
    assert run.returncode == 0, (run.args, run.stderr)
    assert "Traceback" not in run.stderr, run.stderr
    return run.stdout


def refused(run: subprocess.CompletedProcess[str], code: int, error: str) -> None:
    """Check that a command ended with an exit code and one line that says why, as its last."""
    assert run.returncode == code, (run.args, run.stderr)
    last = run.stderr.splitlines()[-1]
    assert re.search(error, last), run.stderr
    assert last.startswith("Error: ")
    assert run.stderr.count("Error: ") == 1, run.stderr
    assert "; " in last, last
    assert "Traceback" not in run.stderr, run.stderr


def kept_log(run: subprocess.CompletedProcess[str]) -> str:
    """What is in the log that a command has kept and named, which is then removed."""
    path = Path(run.stderr.rpartition("its log: ")[2].strip())
    text = path.read_text()
    path.unlink()
    return text


def listed(scripts: Scripts) -> list[dict[str, Any]]:
    """The clusters of the command line, as `dask cluster list` gives them."""
    found: list[dict[str, Any]] = json.loads(
        ok(scripts.dask_cluster("list", "recorded", "--output", "json"))
    )
    return found


def host_of(name: str) -> records.Host:
    """The host that a record names."""
    host = records.read(name).host
    assert host is not None
    return host
