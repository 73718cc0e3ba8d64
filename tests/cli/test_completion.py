"""The shell completes what can be named, and runs nothing for it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dask_ctl.hosts import store as records

Python = Callable[..., subprocess.CompletedProcess[str]]
COMPLETE = "import sys; sys.argv[0] = 'dask'; from dask.__main__ import main; main()"
SPEC = "version: 1\nmodule: dask.distributed\nclass: LocalCluster\n"


@pytest.fixture
def completions(python: Python) -> Callable[[str], set[str]]:
    """What bash is offered for the last word of a command line."""

    def complete(line: str) -> set[str]:
        words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
        done = python("-c", COMPLETE, env={**words, "_DASK_COMPLETE": "bash_complete"})
        assert (done.stderr, done.returncode) == ("", 0)
        return {offer.partition(",")[2] for offer in done.stdout.split()}

    return complete


@pytest.mark.parametrize("command", ["show", "scale", "adapt", "delete", "snippet", "logs"])
def test_names_of_clusters(completions: Callable[[str], set[str]], command: str) -> None:
    """The names of recorded clusters are offered, wherever one is asked for."""
    for name in ("analysis", "another", "other"):
        records.add(records.Record(name=name, target="a.B", created="2026-01-01T00:00:00+00:00"))
    assert completions(f"dask cluster {command} an") == {"analysis", "another"}


def test_names_with_their_places(completions: Callable[[str], set[str]]) -> None:
    """So are those that say where they are, as ``namespace/name``."""
    for name, place in (("analysis", "research"), ("local", None)):
        record = records.Record(name=name, target="a.B", created="2026-01-01T00:00:00+00:00")
        records.add(replace(record, place=place))
    assert completions("dask cluster show research/") == {"research/analysis"}


@pytest.mark.parametrize("command", ["logs", "wait"])
def test_names_of_ended_clusters(completions: Callable[[str], set[str]], command: str) -> None:
    """Whose log and exit code are kept is offered where one asks for these."""
    kept = records.folder().parent / "ended"
    kept.mkdir(parents=True)
    (kept / "night.json").touch()
    assert completions(f"dask cluster {command} n") == {"night"}
    assert completions("dask cluster scale n") == set()


@pytest.mark.parametrize("command", ["create", "run", "spec show", "spec check"])
def test_names_of_specs(
    completions: Callable[[str], set[str]], isolated: Path, command: str
) -> None:
    """The specs that can be named here are offered."""
    for name in ("hpc.yaml", "dask-cluster.yaml"):
        (isolated / name).write_text(SPEC)
    assert "hpc" in completions(f"dask cluster {command} h")
    # A file is one that the shell itself offers.
    assert completions(f"dask cluster {command} da") == {"da"}


def test_names_of_methods(completions: Callable[[str], set[str]]) -> None:
    """So are the discovery methods; completing imports none of them."""
    assert "schedulers" in completions("dask cluster discovery disable s")
    assert "schedulers" in completions("dask cluster list s")


def test_settings(completions: Callable[[str], set[str]], isolated: Path) -> None:
    """The keys of a spec are offered, and the arguments of the class that it names."""
    (isolated / "hpc.yaml").write_text(SPEC)
    assert completions("dask cluster create --set mod") == {"module="}
    offered = completions("dask cluster create hpc --set kwargs.n_")
    assert offered == {"kwargs.n_workers="}
    assert "kwargs.memory_limit=" in completions("dask cluster create hpc --set kwargs.m")
    assert completions("dask cluster create nix --set kwargs.n_") == set()
