"""A folder with the spec of a small cluster, for commands that create and manage it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dask_ctl.hosts import store as records
from tests.backends.scripts import SPEC, Scripts, wait_until

# A cluster class of the user's own, which takes its time and knows a secret.
MODULE = """
import time
from pathlib import Path
from dask.distributed import LocalCluster

OPTIONS = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": ":0"}

def slow(asynchronous=False):
    Path("starting.yaml").touch()
    while not Path("go-on.yaml").exists():
        time.sleep(0.05)
    return LocalCluster(**OPTIONS)

def hanging(asynchronous=False):
    Path("starting.yaml").touch()
    while True:
        try:
            time.sleep(3600)
        except KeyboardInterrupt:
            pass

def failing(asynchronous=False):
    raise RuntimeError("no such luck")

def exiting(asynchronous=False):
    raise SystemExit("no licence")

def dying(asynchronous=False):
    import os
    print("last words", flush=True)
    os._exit(3)

class Hanging(LocalCluster):
    def __init__(self, **kwargs):
        super().__init__(**OPTIONS, **kwargs)

    def scale(self, n):
        while True:
            time.sleep(3600)

class Guarded(LocalCluster):
    def __init__(self, user, password, options, **kwargs):
        assert (password, options["api_key"]) == ("pa55word", "t0ken")
        super().__init__(**OPTIONS, **kwargs)
"""


@pytest.fixture
def shell(scripts: Scripts) -> Iterator[Scripts]:
    """A folder with a spec of a small `LocalCluster` and a module of the user's own.

    No cluster, record or log may be left; `scripts` sees to the processes and files.
    """
    (scripts.cwd / "dask-cluster.yaml").write_text(SPEC)
    (scripts.cwd / "mine.py").write_text(MODULE)
    yield scripts
    folder = records.folder()
    # A host that ends by itself removes its lock last, when its record is no more.
    wait_until(lambda: not folder.exists() or os.listdir(folder) == [], "no record is left")


@pytest.fixture
def mine(shell: Scripts) -> Callable[[str], Path]:
    """Give a function that writes the spec of a function of the user's own."""

    def write(name: str) -> Path:
        path = shell.cwd / f"{name}.yaml"
        path.write_text(f"version: 1\nmodule: mine\nclass: {name}\n")
        return path

    return write
