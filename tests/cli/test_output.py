"""What cannot be written: the output of commands, and the files that they make."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.backends.scripts import DASK_CLUSTER, Scripts, fill, ok, refused
from tests.conftest import ROOT

COMMANDS = (
    ["spec", "show", "--local-fallback"],
    ["spec", "check", "--local-fallback"],
    ["spec", "plan", "--local-fallback"],
    ["spec", "list"],
    ["spec", "init", "local"],
    ["spec", "schema"],
    ["list", "-o", "json"],
    ["discovery", "list"],
    ["version"],
)


def redirected(into: str, *command: str) -> subprocess.CompletedProcess[str]:
    """A command whose output a shell sends somewhere."""
    return subprocess.run(
        ["sh", "-c", f'"$@" {into}', "sh", *DASK_CLUSTER, *command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_output_that_cannot_be_written(scripts: Scripts, command: list[str]) -> None:
    """Data that did not arrive is an error, in one line."""
    done = redirected(">/dev/full", *command)
    refused(done, 1, "^Error: standard output cannot be written: No space left on device; ")


def test_output_that_is_closed(scripts: Scripts) -> None:
    """The same where there is none; without standard error a command goes on."""
    refused(redirected(">&-", "version"), 1, "^Error: standard output is closed; ")
    for silent in ("2>&-", "2>/dev/full"):
        done = redirected(silent, "list", "recorded", "-o", "json")
        assert (done.returncode, done.stdout) == (0, "[]\n"), silent


def test_a_spec_on_a_full_disk(scripts: Scripts, small_disk: Path) -> None:
    """Nothing half-written is left to be found as a spec, and what was there stays."""
    before = small_disk / "before.yaml"
    before.write_text("version: 1\n")
    fill(small_disk)
    there = sorted(small_disk.iterdir())
    made = scripts.dask_cluster(
        "spec", "init", "slurm", "-o", str(small_disk / "dask-cluster.yaml")
    )
    refused(made, 1, "dask-cluster.yaml cannot be written: No space left on device")
    forced = scripts.dask_cluster("spec", "init", "slurm", "--force", "-o", str(before))
    refused(forced, 1, "before.yaml cannot be written: No space left on device")
    assert before.read_text() == "version: 1\n"
    assert sorted(small_disk.iterdir()) == there


def test_a_spec_into_a_device(scripts: Scripts) -> None:
    """What is no file is written to, not replaced."""
    ok(scripts.dask_cluster("spec", "init", "local", "--force", "-o", "/dev/null"))
    assert Path("/dev/null").is_char_device()
