"""What scripts, commands and configuration for dask-ctl 2024.1.0 say is understood."""

from __future__ import annotations

import copy
import importlib
import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dask.config
import pytest
from distributed import LocalCluster

import dask_ctl
from dask_ctl import InvalidSpecError, NoSuchClusterError, get_cluster, list_discovery_methods
from dask_ctl.management import discovery
from dask_ctl.management.info import ClusterInfo
from dask_ctl.proxy import ProxyCluster
from dask_ctl.spec.settings import disabled_discovery
from tests.backends.scripts import Scripts, listed, ok, refused
from tests.conftest import ROOT
from tests.test_schedulers import configured, free_port

SPELLINGS = ["proxycluster-{}", "localhost:{}", "{}"]


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a scheduler that runs here."""
    with LocalCluster(n_workers=0, dashboard_address=":0") as cluster:
        yield int(cluster.scheduler_address.rpartition(":")[2])


def test_version() -> None:
    """It is the one that is installed."""
    assert dask_ctl.__version__ == version("dask-ctl")


def test_modules_need_no_import_of_their_own() -> None:
    """``import dask_ctl`` is enough for ``dask_ctl.lifecycle``, and loads nothing by itself."""
    code = (
        "import sys, dask_ctl\n"
        "assert 'dask_ctl.lifecycle' not in sys.modules\n"
        "print(dask_ctl.lifecycle.create_cluster is dask_ctl.create_cluster)\n"
        "print(dask_ctl.proxy.ProxyCluster, dask_ctl.discovery, dask_ctl.exceptions)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert ran.stdout.startswith("True\n")


@pytest.mark.parametrize(
    "name", ["discover_cluster_names", "discover_clusters", "list_discovery_methods"]
)
def test_imports_that_moved(name: str) -> None:
    """They give the very function, and a warning that names where it is, at the importing line."""
    told = re.escape(f"dask_ctl.discovery.{name} is deprecated; import it from dask_ctl")
    names: dict[str, Any] = {}
    with pytest.warns(DeprecationWarning, match=told) as caught:
        exec(compile(f"from dask_ctl.discovery import {name}", "old.py", "exec"), names)
    assert [warning.filename for warning in caught] == ["old.py"]
    assert names[name] is getattr(dask_ctl, name)


@pytest.mark.parametrize(
    ("module", "name", "instead"),
    [
        ("proxy", "discover", "discover_clusters"),
        ("proxy", "gen_name", "the address"),
        ("spec", "load_spec", "dask_ctl.resolve_spec"),
    ],
)
def test_imports_that_are_gone(module: str, name: str, instead: str) -> None:
    """The error of the import itself says what to use."""
    with pytest.raises(ImportError, match=f"dask_ctl.{module}.{name} is gone .*; use .*{instead}"):
        exec(f"from dask_ctl.{module} import {name}", {})


@pytest.mark.parametrize("module", ["discovery", "proxy", "spec"])
def test_what_never_was(module: str) -> None:
    """Any other name is as missing as in any module."""
    assert not hasattr(importlib.import_module(f"dask_ctl.{module}"), "never_was")


def test_an_entry_of_a_list_is_no_cluster() -> None:
    """What it had as one names what connects; whatever else looks at it finds nothing new."""
    entry = ClusterInfo(name="mine", discovery="recorded", status="running")
    for name in ("scale", "scheduler_info"):
        with pytest.raises(AttributeError, match=rf"'{name}'; .* dask_ctl.get_cluster\('mine'\)"):
            getattr(entry, name)
    with pytest.raises(AttributeError, match=r"no attribute 'never_was'$"):
        entry.never_was  # type: ignore[attr-defined]  # noqa: B018
    assert pickle.loads(pickle.dumps(entry)) == copy.copy(entry) == entry


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_scheduler_by_its_port(port: int, spelling: str, scripts: Scripts) -> None:
    """In Python and in commands it is the scheduler that listens there."""
    name = spelling.format(port)
    with get_cluster(name) as cluster:
        assert cluster.scheduler_address == f"tcp://localhost:{port}"
    shown = json.loads(ok(scripts.dask_cluster("show", name, "--output", "json")))
    assert (shown["status"], shown["address"]) == ("running", f"tcp://127.0.0.1:{port}")
    assert f"tcp://localhost:{port}" in ok(scripts.dask_cluster("snippet", name))
    refused(
        scripts.dask_cluster("scale", name, "2"),
        5,
        "cannot scale .*; ask whoever started its scheduler",
    )
    refused(scripts.dask_cluster("delete", name, "--yes"), 5, "was started by somebody else")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_port_where_nothing_listens(spelling: str) -> None:
    """It is the error of a missing cluster, which scripts catch as a RuntimeError."""
    name = spelling.format(free_port())
    with configured(timeout="5s"), pytest.raises(RuntimeError, match=name[-5:]) as caught:
        get_cluster(name)
    assert isinstance(caught.value, NoSuchClusterError)


@pytest.mark.parametrize("name", ["0", "65536", "08786", "mine-8786", "localhost:x"])
def test_what_is_no_port(name: str) -> None:
    """It is a name like any other."""
    with pytest.raises(NoSuchClusterError, match=f"there is no cluster '{name}'"):
        get_cluster(name)


def test_a_cluster_created_under_such_a_name(port: int, scripts: Scripts, isolated: Path) -> None:
    """It goes before the scheduler at that port."""
    spec = isolated / "spec.yaml"
    spec.write_text(
        "version: 1\nmodule: distributed\nclass: LocalCluster\n"
        "kwargs: {n_workers: 0, processes: false}\n"
    )
    # As typed for the older tool, with -f.
    assert ok(scripts.dask_cluster("create", "-f", spec, "--name", str(port))) == f"{port}\n"
    (entry,) = listed(scripts)
    shown = json.loads(ok(scripts.dask_cluster("show", str(port), "--output", "json")))
    assert shown["address"] == entry["address"] != f"tcp://127.0.0.1:{port}"
    ok(scripts.dask_cluster("delete", str(port), "--yes"))


def test_proxy_cluster(port: int) -> None:
    """It attaches by the port, by the name that old snippets hold, and by an address."""
    for attach in (
        lambda: ProxyCluster.from_port(port),
        lambda: ProxyCluster.from_name(f"proxycluster-{port}"),
        lambda: ProxyCluster.from_name(f"tcp://127.0.0.1:{port}"),
    ):
        with attach() as cluster:
            assert cluster.scheduler_address.endswith(f":{port}")


@pytest.mark.parametrize("key", ["disable-discovery", "disable_discovery"])
def test_disabled_by_its_old_name(key: str) -> None:
    """What looks for local schedulers is not asked, under either name."""
    with dask.config.set({f"ctl.{key}": ["proxycluster"]}):
        assert disabled_discovery() == ["schedulers"]
        assert not list_discovery_methods()["schedulers"]["enabled"]
        with pytest.raises(InvalidSpecError, match="'schedulers' is disabled"):
            discovery.chosen("proxycluster")
    assert [method.name for method in discovery.chosen("proxycluster")] == ["schedulers"]


def test_enabled_again_by_either_name(scripts: Scripts) -> None:
    """The old name does not stay behind in the file."""
    config = scripts.home / ".config" / "dask" / "dask-ctl.yaml"
    for disabled, enabled in (("proxycluster", "schedulers"), ("schedulers", "proxycluster")):
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(f"ctl:\n  disable-discovery: [{disabled}]\n")
        ok(scripts.dask_cluster("discovery", "enable", enabled))
        assert "disable-discovery: []" in config.read_text()
