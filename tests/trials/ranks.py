"""Many ranks on a machine that is busy: ``python -m tests.trials ranks 20``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import yaml

from tests.backends.daemons import start_daemon
from tests.backends.scripts import ANSWER, SCRIPT, example
from tests.backends.slurm.two_nodes import PROGRAMS, start
from tests.conftest import ROOT

_RANKS: Final = "8"
_LONGEST: Final = 300.0  # seconds
_BUSY: Final = "while True: pass"
_LAUNCHERS: Final = {
    "slurm-runner": ("srun", "-n", _RANKS),
    "mpi": ("mpirun", "-n", _RANKS, "--oversubscribe"),
}


def ranks(times: int = 20) -> None:
    """Run the announcement's script so often by each launcher, beside two busy processes a core."""
    with ExitStack() as at_end:
        folder = Path(at_end.enter_context(tempfile.TemporaryDirectory(prefix="ranks-")))
        for name in [name for name in os.environ if name.startswith(("DASK_", "OMPI_", "SLURM_"))]:
            del os.environ[name]
        conf = folder / "slurm.conf"
        os.environ |= {
            "HOME": str(folder),  # nobody's configuration
            "SLURM_CONF": str(conf),
            "PYTHONPATH": str(ROOT),
            "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        }
        programs = {name: path for name in PROGRAMS if (path := shutil.which(name))}
        start(at_end, folder, conf, programs)
        for _ in range(2 * (os.cpu_count() or 1)):
            start_daemon(at_end, sys.executable, "-c", _BUSY)
        for name, launcher in _LAUNCHERS.items():
            with _in_place_of(name) as cwd:
                _count(times, launcher, cwd)


@contextmanager
def _in_place_of(name: str) -> Iterator[Path]:
    """A folder with an example spec, on this machine's loopback."""
    spec = yaml.safe_load(example(name).read_text())
    loopback = {"interface": "lo"}
    spec["kwargs"] = {
        "scheduler_options": {**loopback, "dashboard_address": ":0"},
        "worker_options": {**loopback, "nthreads": 1},
    }
    with tempfile.TemporaryDirectory(prefix="ranks-") as folder:
        (Path(folder) / "dask-cluster.yaml").write_text(yaml.safe_dump(spec))
        yield Path(folder)


def _count(times: int, launcher: tuple[str, ...], cwd: Path) -> None:
    wrong, left, took = [], 0, []
    for _ in range(times):
        began = time.monotonic()
        run = subprocess.run(
            [*launcher, sys.executable, SCRIPT],
            cwd=cwd, capture_output=True, text=True, timeout=_LONGEST, check=False,
        )  # fmt: skip
        took.append(time.monotonic() - began)
        if run.stdout != ANSWER or run.returncode or "Traceback" in run.stderr:
            wrong.append(run)
        files = list(cwd.glob("*.json"))
        left += len(files)
        for file in files:
            file.unlink()
    print(
        f"{launcher[0]}, {times} runs of {_RANKS} ranks, {min(took):.1f} to {max(took):.1f} s: "
        f"{len(wrong)} with a traceback, another answer or another exit code than 0; "
        f"{left} scheduler files left",
        flush=True,
    )
    for run in wrong:
        print(run.returncode, run.stdout, run.stderr[-3000:], flush=True)
