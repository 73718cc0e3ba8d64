"""What the structure of the package promises: each thing in its room, and rooms to live in."""

from __future__ import annotations

import re
from functools import reduce
from importlib import import_module

import pytest
from distributed import LocalCluster

from dask_ctl import _private
from dask_ctl.backends import _private as _private_of_backends
from tests.conftest import ROOT, require_package

PACKAGE = ROOT / "dask_ctl"
# The name by which specs know a class of our own.
APART = {PACKAGE / "mpi.py"}
NAMES = re.compile(
    r"\b(dask_jobqueue|dask_kubernetes|kr8s|dask_gateway|coiled|dask_cloudprovider|SSHCluster"
    r"|KubeCluster|JobQueueCluster|GatewayCluster|[A-Z]{3,}Cluster|[A-Z]{3,}Runner)\b"
)
LONGEST = 350


def test_backends_are_named_in_their_rooms_only() -> None:
    """No other module names a package or a class of a backend."""
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in PACKAGE.rglob("*.py")
        if PACKAGE / "backends" not in path.parents and path not in APART
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if NAMES.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("name", _private.USED + _private_of_backends.USED)
def test_private_names_exist(name: str) -> None:
    """What is used of another package's private names is there in the version installed."""
    module, _, attribute = name.partition(":")
    found = require_package(module, module.partition(".")[0].replace("_", "-"))
    assert reduce(getattr, attribute.split("."), found) is not None


def test_private_names_exist_on_objects() -> None:
    """The same for what only objects have."""
    kwargs = {"n_workers": 0, "processes": False, "dashboard_address": ":0"}
    with LocalCluster(**kwargs) as cluster:
        cluster.adapt(maximum=0)
        assert all(hasattr(cluster, name) for name in _private.USED_ON_OBJECTS)


def test_no_module_is_too_long() -> None:
    """A module that has grown past what one reads at once is to be two."""
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in PACKAGE.rglob("*.py")
    }
    assert {path: n for path, n in lengths.items() if n > LONGEST} == {}


def test_every_module_imports_alone() -> None:
    """Nothing depends on what was imported before, and nothing happens at import."""
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[-1] != "__init__":
            import_module(".".join(parts))
