"""Print the ratios: ``python -m tests.benchmarks``, with the names of some to run only those.

The two sides of a ratio are measured in turn, in one run, and compared by their medians, so
that a slow or busy machine slows both.
"""

from __future__ import annotations

import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import dask.config
import yaml

from tests.benchmarks.managing import benchmark_completion, benchmark_list, benchmark_memory
from tests.benchmarks.measuring import (
    Measurement,
    child,
    environment,
    in_turn,
    install,
    report,
    timed,
)

KWARGS: Final = {
    "n_workers": 1,
    "threads_per_worker": 1,
    "dashboard_address": None,
}


def main(names: list[str]) -> None:
    """Run the benchmarks and print one line for each ratio."""
    for name in names or BENCHMARKS:
        with tempfile.TemporaryDirectory() as folder, isolated(Path(folder)):
            BENCHMARKS[name](Path(folder))


@contextmanager
def isolated(folder: Path) -> Iterator[None]:
    """Keep the machine's configuration out, for this process and those it starts."""
    environment, paths = dict(os.environ), list(dask.config.paths)
    for name in environment:
        if name.startswith(("DASK_", "XDG_")):
            del os.environ[name]
    os.environ |= {
        "HOME": str(folder),
        "DASK_ROOT_CONFIG": str(folder / "etc"),
        "XDG_CONFIG_DIRS": str(folder / "etc"),
    }
    dask.config.paths[:] = []
    dask.config.refresh()
    try:
        with chdir(folder):
            yield
    finally:
        os.environ.clear()
        os.environ |= environment
        dask.config.paths[:] = paths
        dask.config.refresh()


def benchmark_import(_: Path) -> None:
    """Compare the import itself, without the start of Python, in processes of their own."""

    def importing(module: str) -> Measurement:
        code = (
            "import sys, time; start = time.perf_counter()\n"
            f"import {module}\n"
            "print(time.perf_counter() - start)\n"
            "assert 'distributed' not in sys.modules"
        )
        return lambda: float(child("-c", code))

    ours, theirs = in_turn(importing("dask_ctl.lifecycle"), importing("dask"), rounds=40)
    report("import dask_ctl.lifecycle / import dask", ours, theirs, 1.10)


def benchmark_create(folder: Path) -> None:
    """Compare the creation of a cluster, which is closed outside of the measurement."""
    from distributed import LocalCluster

    from dask_ctl import create_cluster

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    spec = {"version": 1, "module": "distributed", "class": "LocalCluster"}

    def creating(create: Callable[[], LocalCluster]) -> Measurement:
        def measure() -> float:
            start = time.perf_counter()
            cluster = create()
            taken = time.perf_counter() - start
            cluster.close()
            return taken

        return measure

    for processes, rounds in (False, 150), (True, 25):
        kwargs = {**KWARGS, "processes": processes}
        Path(folder, "dask-cluster.yaml").write_text(yaml.safe_dump({**spec, "kwargs": kwargs}))
        ours, theirs = in_turn(
            creating(create_cluster),
            creating(partial(LocalCluster, **kwargs)),
            rounds=rounds,
        )
        report(f"create_cluster() / LocalCluster({processes=})", ours, theirs, 1.01)


def benchmark_resolve(folder: Path) -> None:
    """Compare the reading of 100 files with dask's own reading of them."""
    from dask_ctl import resolve_spec

    for what, everywhere in ("one", False), ("each", True):
        configure(folder / what, 100, everywhere=everywhere)
        paths = list(dask.config.paths)
        ours, theirs = in_turn(
            lambda: timed(resolve_spec),
            partial(timed, partial(dask.config.collect, paths=paths, env={})),
            rounds=15,
        )
        report(f"resolve_spec() / dask.config.collect(), {what} of 100 files", ours, theirs, 1.5)


def benchmark_growth(folder: Path) -> None:
    """Compare 1,000 files with 10: what grows faster than they do has a ratio above 100."""
    from dask_ctl import resolve_spec

    medians = {}
    for count in (1000, 10):
        configure(folder / str(count), count)
        medians[count] = statistics.median(timed(resolve_spec) for _ in range(25))
    report("resolve_spec(), 1,000 files / 10 files", medians[1000], medians[10], 100)


def configure(folder: Path, count: int, *, everywhere: bool = False) -> None:
    """Make `count` YAML files of 100 keys each dask's configuration; one or all have `ctl`."""
    folder.mkdir()
    for i in range(count):
        text = f"section-{i}:\n" + "".join(f"  key-{j}: value {j}\n" for j in range(100))
        if everywhere or i == count // 2:
            text += "ctl:\n  cluster-spec: {module: distributed, class: LocalCluster}\n"
        Path(folder, f"{i:04}.yaml").write_text(text)
    dask.config.paths[:] = [str(folder)]
    dask.config.refresh()


def benchmark_cli(folder: Path) -> None:
    """Compare ``dask --help`` with and without the package, everything else being the same."""
    sides = {"without": environment(folder / "without"), "with": environment(folder / "with")}
    install(sides["with"])

    def running(side: str, *args: str) -> Measurement:
        return lambda: timed(lambda: child("-S", "-m", "dask", *args, path=sides[side]))

    ours, theirs = in_turn(running("with", "--help"), running("without", "--help"), rounds=30)
    report("dask --help with the package / without it", ours, theirs, 1.05)
    Path(folder, "dask-cluster.yaml").write_text(
        "version: 1\nmodule: dask.distributed\nclass: LocalCluster\n"
    )
    show = ("cluster", "spec", "show")
    ours, theirs = in_turn(running("with", *show), running("with", "--help"), rounds=30)
    report("dask cluster spec show / dask --help", ours, theirs, 1.15)


BENCHMARKS: Final[dict[str, Callable[[Path], None]]] = {
    "import": benchmark_import,
    "create": benchmark_create,
    "resolve": benchmark_resolve,
    "growth": benchmark_growth,
    "cli": benchmark_cli,
    "list": benchmark_list,
    "completion": benchmark_completion,
    "memory": benchmark_memory,
}

if __name__ == "__main__":
    main(sys.argv[1:])
