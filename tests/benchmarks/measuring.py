"""Measuring two sides in turn, and the environments to measure them in."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

Measurement = Callable[[], float]


def in_turn(ours: Measurement, theirs: Measurement, rounds: int) -> tuple[float, float]:
    """The medians of both sides, in seconds, each going first every second time."""
    ours(), theirs()  # bytecode and caches
    taken: tuple[list[float], list[float]] = ([], [])
    for i in range(rounds):
        for side in (0, 1) if i % 2 else (1, 0):
            taken[side].append((ours, theirs)[side]())
    return statistics.median(taken[0]), statistics.median(taken[1])


def report(what: str, ours: float, theirs: float, target: float) -> None:
    """Print a ratio, its target, and the two sides in milliseconds."""
    ratio = ours / theirs
    verdict = "" if ratio <= target else "  OVER"
    sides = f"{ours * 1000:.2f} ms / {theirs * 1000:.2f} ms"
    print(f"{what:<58} {ratio:6.3f}  (target {target:.2f})  {sides}{verdict}", flush=True)


def timed(call: Callable[[], object]) -> float:
    """How many seconds a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def child(*args: str, path: Path | None = None, python: Path | None = None) -> str:
    """Run Python, or another one with what it has installed, and return what it prints."""
    env = {**os.environ, "PYTHONPATH": "" if python else str(path or ROOT)}
    return subprocess.run(
        [python or sys.executable, *args], env=env, check=True, capture_output=True, text=True
    ).stdout


def environment(folder: Path) -> Path:
    """A folder to import from: what is installed here without this package, and without plugins."""
    folder.mkdir()
    for found in Path(sysconfig.get_path("purelib")).iterdir():
        if "dask_ctl" not in found.name and found.suffix != ".pth" and not _is_plugin(found):
            Path(folder, found.name).symlink_to(found)
    return folder


def install(folder: Path) -> None:
    """Install this package into an environment."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    options = ["--no-deps", "--no-build-isolation", "--target", folder, ROOT]
    subprocess.run([*command, *options], check=True, capture_output=True)


def _is_plugin(found: Path) -> bool:
    entry_points = found / "entry_points.txt"
    return entry_points.is_file() and "[dask_cluster_discovery]" in entry_points.read_text()
