"""What discovery asks of Coiled; there is no server to ask here, so the contract is held."""

from __future__ import annotations

import inspect
import subprocess
from collections.abc import Callable

import dask.config
import pytest

from dask_ctl import list_discovery_methods
from tests.conftest import require_package


def test_only_with_a_token(
    python: Callable[..., subprocess.CompletedProcess[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a token there is no such method, and the package, which would log in, stays out."""
    require_package("coiled", "coiled")
    code = (
        "import sys, dask_ctl\n"
        "dask_ctl.list_clusters()\n"
        "print('coiled' in sys.modules, 'coiled' in dask_ctl.list_discovery_methods())"
    )
    others = "kubecluster, helmcluster, schedulers"
    done = python("-c", code, env={"DASK_CTL__DISABLE_DISCOVERY": others})
    assert (done.stdout, done.returncode) == ("False False\n", 0), done.stderr
    monkeypatch.setenv("DASK_COILED__TOKEN", "secret")
    dask.config.refresh()
    assert list_discovery_methods()["coiled"]["path"] == "dask_ctl.backends.coiled:Coiled"


def test_what_is_called_exists() -> None:
    """The calls bind to the real functions and class."""
    coiled = require_package("coiled", "coiled")
    inspect.signature(coiled.list_clusters).bind(just_mine=True)
    inspect.signature(coiled.delete_cluster).bind(name="mine", workspace="team")
    inspect.signature(coiled.Cluster).bind(
        name="mine", shutdown_on_close=False, asynchronous=True, workspace="team"
    )
