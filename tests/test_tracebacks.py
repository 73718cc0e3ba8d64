"""A traceback shows who called and what failed, and not the way between."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import require_package

Python = Callable[..., subprocess.CompletedProcess[str]]
FRAME = re.compile(r'^  File "(.*?)", line', re.MULTILINE)
CALLS = (
    "create_cluster({'module': 'dask.distributed', 'class': 'LocalCluster', 'kwarg': {}})",
    "create_cluster('nope')",
    "check_spec('nope')",
    "plan_spec('nope')",
    "launch_cluster('nope')",
    "get_cluster('nope')",
    "scale_cluster('nope', 2)",
)
# An interface that no machine has: the class itself finds that out.
FAILING = """\
import dask_ctl
kwargs = {"n_workers": 1, "dashboard_address": ":0", "interface": "nix0"}
dask_ctl.create_cluster({"module": "dask.distributed", "class": "LocalCluster", "kwargs": kwargs})
"""


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.partition("(")[0])
def test_of_our_own_errors(python: Python, call: str) -> None:
    """It ends at the call, or in the one frame of its verb, and says what is wrong."""
    Path("script.py").write_text(f"from dask_ctl import *\n{call}\n")
    error = python("script.py", env={"DASK_CTL__DISCOVERY__TIMEOUT": "1"}).stderr
    assert error.count("Traceback") == 1
    assert len(FRAME.findall(error)) <= 2, error
    assert error.splitlines()[-1].startswith("dask_ctl.exceptions.")


def test_in_full(python: Python) -> None:
    """Whoever looks for a mistake of ours gets all of it, at level DEBUG."""
    begin = "import logging; logging.getLogger('dask_ctl').setLevel('DEBUG')\n"
    Path("script.py").write_text(f"{begin}from dask_ctl import *\ncreate_cluster('nope')\n")
    assert len(FRAME.findall(python("script.py").stderr)) > 3


def test_of_a_backends_error(python: Python) -> None:
    """Python shows the whole way, and IPython only the script and the class."""
    require_package("IPython", "ipython")
    Path("script.py").write_text(FAILING)
    assert "dask_ctl/creation/call.py" in python("script.py").stderr
    shown = python("-m", "IPython", "--colors=NoColor", "script.py").stdout
    assert "distributed/deploy/local.py" in shown.replace("\\", "/")
    assert not re.search(r"dask_ctl/(creation/call|lifecycle/creating|backends/base)\.py", shown)
    assert "ValueError: 'nix0' is not a valid network interface" in shown
