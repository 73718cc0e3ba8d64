"""Kill what runs at random moments, and count what is left: ``python -m tests.trials kill 50``.

Each trial has a home of its own, by which its processes are known. ``mixed`` runs commands on a few
names side by side; ``calls`` looks whether a host grows by being asked; ``ranks`` is of Runners.
`tests.trials.fuzz` stands apart, as it needs more.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

from tests.backends.scripts import DASK_CLUSTER, SPEC, Scripts
from tests.conftest import ROOT
from tests.trials.ranks import ranks

_UP_TO: Final = 4.0  # seconds, in which a command is killed
_ENDS_WITHIN: Final = 60.0  # seconds
_SCRIPT: Final = "from dask_ctl import create_cluster\ncluster = create_cluster()\ninput()\n"


class Trial:
    """A home, and commands in it.

    Parameters
    ----------
    folder : Path
        Where it lies.
    """

    def __init__(self, folder: Path) -> None:
        for name in ("home", "cwd", "tmp"):
            (folder / name).mkdir()
        self.scripts = Scripts(folder / "cwd", folder / "home", folder / "tmp")
        (folder / "cwd" / "dask-cluster.yaml").write_text(SPEC)
        (folder / "cwd" / "script.py").write_text(_SCRIPT)
        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith("DASK_")},
            "HOME": str(folder / "home"),
            "XDG_STATE_HOME": str(folder / "home" / "state"),
            "XDG_CONFIG_HOME": str(folder / "home" / "config"),
            "TMPDIR": str(folder / "tmp"),
            "PYTHONPATH": str(ROOT),
            "DASK_CTL__DISABLE_DISCOVERY": "[schedulers]",
        }

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, env=self.env, cwd=self.scripts.cwd, text=True, start_new_session=True,
            stdin=pipe, stdout=pipe, stderr=pipe,
        )  # fmt: skip

    def dask_cluster(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``dask cluster`` to its end."""
        process = self.start(*DASK_CLUSTER, *arguments)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def names(self) -> list[str]:
        """The clusters that ``list`` names."""
        return [each["name"] for each in json.loads(self.dask_cluster("list", "-o", "json").stdout)]

    def remains(self) -> str:
        """How it ended: what is left, once that had time to end by itself and was deleted."""
        named = self.names()
        failed = [name for name in named if self.dask_cluster("delete", "-y", name).returncode]
        if failed:
            return f"not deleted: {self.dask_cluster('delete', '-y', *failed).stderr}"
        deadline = time.monotonic() + _ENDS_WITHIN
        while left := self.scripts.processes():
            if time.monotonic() > deadline:
                self.scripts.kill_all()
                return f"processes that nothing names: {left}"
            time.sleep(0.2)
        records = self.scripts.home / "state" / "dask-ctl" / "clusters"
        files = sorted(path.name for path in records.glob("*")) if records.exists() else []
        if files:
            return f"files: {files}"
        return "named and ended" if named else "nothing left"


@contextmanager
def trial() -> Iterator[Trial]:
    """A trial in a temporary folder, of which no process is left however it ends."""
    with tempfile.TemporaryDirectory(prefix="dask-ctl-trial-") as folder:
        one = Trial(Path(folder))
        try:
            yield one
        finally:
            one.scripts.kill_all()


def of_command(one: Trial, *command: str) -> None:
    """Kill a command at a random moment."""
    process = one.start(*command)
    with suppress(subprocess.TimeoutExpired):
        process.wait(random.uniform(0, _UP_TO))
    process.kill()
    process.wait()


def of_host(one: Trial) -> None:
    """Kill a host at a random moment while it scales."""
    one.dask_cluster("create", "--name", "a")
    (record,) = (one.scripts.home / "state" / "dask-ctl" / "clusters").glob("a.json")
    pid = json.loads(record.read_text())["host"]["pid"]
    scaling = one.start(*DASK_CLUSTER, "scale", "a", "2", "--timeout", "20")
    time.sleep(random.uniform(0, _UP_TO))
    os.kill(pid, signal.SIGKILL)
    scaling.communicate()


def after_create(one: Trial, *command: str) -> None:
    """Kill a command on a cluster that runs."""
    one.dask_cluster("create", "--name", "a")
    of_command(one, *DASK_CLUSTER, *command)


KILLED: Final[dict[str, Callable[[Trial], None]]] = {
    "create": lambda one: of_command(one, *DASK_CLUSTER, "create", "--name", "a", "--wait", "1"),
    "run": lambda one: of_command(one, *DASK_CLUSTER, "run", "--", "sleep", "60"),
    "scale": lambda one: after_create(one, "scale", "a", "2"),
    "delete": lambda one: after_create(one, "delete", "-y", "a"),
    "host": of_host,
    "script": lambda one: of_command(one, sys.executable, "script.py"),
}


def kill(times: int = 50) -> None:
    """Kill each of six so many times."""
    for what, kills in KILLED.items():
        ends: Counter[str] = Counter()
        for _ in range(times):
            with trial() as one:
                kills(one)
                ends[one.remains()] += 1
        print(f"kill -9 of {what}, {times} times: {dict(ends)}", flush=True)


def mixed(commands: int = 200) -> None:
    """Run commands on four names, five at a time, and look for tracebacks and what is left."""
    verbs = (
        ("create", "--name", "{}"), ("create", "--name", "{}", "--no-wait"), ("list",),
        ("show", "{}"), ("scale", "{}", "2", "--timeout", "30"), ("scale", "{}", "0"),
        ("adapt", "{}", "--maximum", "2", "--no-wait"), ("logs", "{}"), ("snippet", "{}"),
        ("delete", "-y", "{}"),
    )  # fmt: skip
    with trial() as one:

        def any_of(_: int) -> subprocess.CompletedProcess[str]:
            name, verb = random.choice("abcd"), random.choice(verbs)
            return one.dask_cluster(*(word.format(name) for word in verb))

        with ThreadPoolExecutor(5) as pool:
            runs = list(pool.map(any_of, range(commands)))
        codes = Counter(f"{run.args[0]} {run.returncode}" for run in runs)
        bad = [run for run in runs if "Traceback" in run.stderr or run.returncode == 1]
        print(f"{commands} commands: {dict(codes)}", flush=True)
        for run in bad:
            print(run.args, run.returncode, run.stderr[-2000:])
        print(f"unexpected: {len(bad)}; {one.remains()}", flush=True)


def calls(times: int = 1000) -> None:
    """Ask one host so many times, and list as often: descriptors, memory and log.

    It has TLS, so that it would log of each connection that does not speak that.
    """
    with trial() as one:
        one.dask_cluster("create", "--name", "a", "--secure")
        (record,) = (one.scripts.home / "state" / "dask-ctl" / "clusters").glob("a.json")
        host = psutil.Process(json.loads(record.read_text())["host"]["pid"])
        log = record.with_suffix(".log")
        loop = (
            "import dask\n"
            "from dask_ctl import list_clusters, scale_cluster\n"
            "dask.config.set({'ctl.disable-discovery': []})\n"
            f"for n in range({times // 10}):\n"
            "    scale_cluster('a', 1)\n"
            "    list_clusters('recorded'), list_clusters('schedulers')\n"
        )
        (one.scripts.cwd / "loop.py").write_text(loop)
        for part in range(11):
            if part:
                done = one.start(sys.executable, "loop.py").communicate()
                assert not re.search("Traceback", done[1]), done[1]
            said = log.read_bytes()
            lines = [line for line in said.splitlines() if b"told to" not in line]
            print(
                f"{part * times // 10} calls and lists: {host.num_fds()} descriptors, "
                f"{host.memory_info().rss / 2**20:.1f} MiB, {len(lines)} lines besides those that "
                "say what it was told",
                flush=True,
            )
        print(one.remains(), flush=True)


if __name__ == "__main__":
    {"kill": kill, "mixed": mixed, "calls": calls, "ranks": ranks}[sys.argv[1]](
        *map(int, sys.argv[2:])
    )
