"""No test of creation leaves a cluster; and a module of the user's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from distributed.deploy.spec import SpecCluster

CLUSTERS = """
from distributed import LocalCluster, SpecCluster

class Rigid(LocalCluster):
    def adapt(self, **options):
        raise ValueError("no")

def annotated() -> LocalCluster:
    return LocalCluster(n_workers=1, processes=False, dashboard_address=":0")

def flagged(n=1, asynchronous=False):
    return LocalCluster(
        n_workers=n, processes=False, dashboard_address=":0", asynchronous=asynchronous
    )

def neither():
    raise AssertionError("called")

def liar(asynchronous=False):
    return "no cluster"

"""


@pytest.fixture(autouse=True)
def nothing_left() -> Any:
    """No test leaves a cluster open."""
    yield
    left = [c for c in SpecCluster._instances if c.status.name not in ("closed", "created")]
    assert left == []


@pytest.fixture
def mysite(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the user's own, beside the script."""
    (isolated / "mysite_clusters.py").write_text(CLUSTERS)
    monkeypatch.syspath_prepend(str(isolated))
    sys.modules.pop("mysite_clusters", None)
