"""`dask cluster` on a scheduler of somebody else: recorded, used, and only ever forgotten."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from somebody import Somebody

from dask_ctl.hosts import store as records
from tests.backends.scripts import USE, Scripts, listed, ok, refused, wait_until


def test_from_creation_to_deletion(
    example: Somebody, scripts: Scripts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Any process finds it by its name, TLS included; `delete` leaves the scheduler as it was."""
    assert ok(scripts.dask_cluster("create", "--name", "a", "--wait", "1")) == "a\n"
    assert records.read("a").host is None
    wait_until(lambda: not scripts.processes(), "what has recorded it has ended")
    monkeypatch.delenv("DASK_CTL__CLUSTER_KWARGS__ADDRESS")
    (row,) = listed(scripts)
    assert (row["name"], row["address"], row["workers"]) == ("a", example.address, 1)
    refused(scripts.dask_cluster("scale", "a", "2"), 5, "cannot scale 'a'; ask whoever started it")
    refused(scripts.dask_cluster("adapt", "a", "--maximum", "2"), 5, "cannot adapt 'a'; ask whoe")
    # Certificates that the spec names from its own folder are found from elsewhere.
    (tmp_path / "snippet.py").write_text(ok(scripts.dask_cluster("snippet", "a")) + USE)
    (scripts.cwd / "elsewhere.py").write_text(
        f"import os, runpy; os.chdir('/'); runpy.run_path({str(tmp_path / 'snippet.py')!r})"
    )
    assert ok(scripts.python("elsewhere.py")) == "3\n"
    script = f"from dask.distributed import Client; client = Client(); {USE}"
    (scripts.cwd / "unmodified.py").write_text(script)
    command = ("--", sys.executable, "unmodified.py")
    assert ok(scripts.dask_cluster("run", "--name", "a", *command)) == "3\n"
    ok(scripts.dask_cluster("delete", "a"))
    assert (records.names(), listed(scripts)) == ([], [])
    assert example.counts()["workers"] == 1
