"""The figures of running clusters: finding them, completing their names, owning them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from tests.benchmarks.measuring import (
    Measurement,
    child,
    environment,
    in_turn,
    install,
    report,
    timed,
)

OLDER: Final = (
    "dask-ctl==2024.1.0",
    "dask==2024.1.0",
    "distributed==2024.1.0",
    "setuptools<81",  # pkg_resources
)
MANY: Final = 64
TIMEOUT: Final = 5.0  # seconds, the default of ctl.discovery.timeout
SCHEDULERS: Final = """
    import asyncio, logging, sys
    from distributed import Scheduler
    logging.disable()

    async def main(count, port):
        for i in range(count):
            await Scheduler(host="127.0.0.1", port=port, dashboard=False)
        print("ready", flush=True)
        await asyncio.Event().wait()

    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
"""
SILENT: Final = """
    import socket
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    while True:
        listening.accept()
"""
LOCAL: Final = "{n_workers: 1, threads_per_worker: 1, dashboard_address: null}"
SCRIPT: Final = """
    import os, sys
    from dask_ctl import create_cluster
    if __name__ == "__main__":
        cluster = create_cluster()
        print(os.getpid(), flush=True)
        sys.stdin.read()
"""
HUNG: Final = """
    import time

    async def discover():
        time.sleep(3600)
        yield
"""


def benchmark_list(folder: Path) -> None:
    """Compare ``dask cluster list`` with the help, with the older tool, and with its time-out."""
    here = environment(folder / "new")
    install(here)

    def running(*args: str, **env: str) -> Measurement:
        def run() -> None:
            os.environ.update(env)
            child("-S", "-m", "dask", "cluster", *args, path=here)

        return lambda: timed(run)

    ours, theirs = in_turn(running("list"), running("--help"), rounds=30)
    report("dask cluster list, nothing running / dask cluster --help", ours, theirs, 1.3)
    older = older_tool(folder / "older")  # it looks at the default port only
    with started(SCHEDULERS, str(MANY), "0"), started(SCHEDULERS, "1", "8786", python=older):
        ours, theirs = in_turn(
            running("list"),
            lambda: timed(
                lambda: child("-W", "ignore", "-m", "dask", "cluster", "list", python=older)
            ),
            rounds=10,
        )
        share = ours / (MANY + 1)
        report(f"list per scheduler, {MANY} of them / older tool, one", share, theirs, 0.1)
        with started(SILENT) as port:
            plugin(here)
            hung = f"['tcp://127.0.0.1:{port}']"
            ours, _ = in_turn(
                running("list", DASK_CTL__DISCOVERY__SCHEDULERS=hung), lambda: 0.0, rounds=3
            )
            what = f"list of {MANY}, a hung plugin and scheduler / time-out + 1 s"
            report(what, ours, TIMEOUT + 1, 1.0)


def benchmark_completion(folder: Path) -> None:
    """Compare the completion of a cluster's name with ``dask --help``."""
    here = environment(folder / "new")
    install(here)
    words = {"COMP_WORDS": "dask cluster show ", "COMP_CWORD": "3"}

    def completing() -> None:
        env = {**os.environ, **words, "_DASK_COMPLETE": "bash_complete", "PYTHONPATH": str(here)}
        code = "import sys; sys.argv[0] = 'dask'; from dask.__main__ import main; main()"
        subprocess.run([sys.executable, "-S", "-c", code], env=env, check=True, capture_output=True)

    def helping() -> None:
        child("-S", "-m", "dask", "--help", path=here)

    ours, theirs = in_turn(lambda: timed(completing), lambda: timed(helping), rounds=30)
    report("completion of names / dask --help", ours, theirs, 2.0)


def benchmark_memory(folder: Path) -> None:
    """Compare the memory of a host with that of a script that made the same cluster."""
    Path(folder, "dask-cluster.yaml").write_text(
        f"version: 1\nmodule: dask.distributed\nclass: LocalCluster\nkwargs: {LOCAL}\n"
    )
    script = folder / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))

    def hosted() -> float:
        child("-m", "dask", "cluster", "create", "--name", "host")
        pid = next(
            process.pid
            for process in psutil.process_iter(["cmdline"])
            if (process.info["cmdline"] or [])[-3:] == ["-m", "dask_ctl.hosts.owner", "host"]
        )
        try:
            return own_memory(pid)
        finally:
            child("-m", "dask", "cluster", "delete", "host")

    def scripted() -> float:
        with started(script.read_text()) as pid:
            return own_memory(int(pid))

    ours, theirs = in_turn(hosted, scripted, rounds=7)
    report("memory of a host / of a script with the same cluster, GB", ours, theirs, 1.05)


def own_memory(pid: int) -> float:
    """What a process holds for itself alone, in GB."""
    return float(psutil.Process(pid).memory_full_info().uss) / 1e9


def older_tool(folder: Path) -> Path:
    """The Python of an environment with the last release of the older tool."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    options = ["--quiet", "--disable-pip-version-check"]
    subprocess.run([python, "-m", "pip", "install", *options, *OLDER], check=True)
    return python


def plugin(folder: Path) -> None:
    """Install a discovery method that hangs without giving way."""
    Path(folder, "hung_plugin.py").write_text(textwrap.dedent(HUNG))
    info = folder / "hung_plugin-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hung-plugin\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[dask_cluster_discovery]\nhung = hung_plugin:discover\n"
    )


@contextmanager
def started(code: str, *args: str, python: Path | None = None) -> Iterator[str]:
    """Run code in a process of its own until it has printed a line, which is given."""
    process = subprocess.Popen(
        [python or sys.executable, "-c", textwrap.dedent(code), *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()
