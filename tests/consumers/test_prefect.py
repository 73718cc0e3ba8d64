"""A flow of Prefect whose task runner makes its cluster with ``create_cluster``."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.backends.scripts import ANSWER, EXAMPLES, Scripts

NEEDS = ("prefect", "prefect_dask")
SETTINGS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # The temporary server of a flow needs longer than the default on a busy machine.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "200",
    "PREFECT_LOGGING_ROOT_LEVEL": "INFO",
}
CREATING = "creating dask.distributed.LocalCluster from dask-cluster.yaml"
INSIDE_A_LOOP = """
    import asyncio

    @flow(task_runner=DaskTaskRunner(
        cluster_class="dask_ctl.create_cluster",
        cluster_kwargs={"spec_path": "dask-cluster.yaml"},
        adapt_kwargs={"minimum": 1, "maximum": 2},
    ))
    async def doubled_inside_a_loop(n):
        return [future.result() for future in double.map(range(n))]

    print(asyncio.run(doubled_inside_a_loop(3)))
"""


def test_runs_flows(scripts: Scripts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flow, and one inside a loop, compute on a cluster of their own that ends with them."""
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    for name, value in {**SETTINGS, "PREFECT_HOME": str(tmp_path / "prefect")}.items():
        monkeypatch.setenv(name, value)
    shutil.copy(EXAMPLES / "dask-cluster.yaml", scripts.cwd)
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__DASHBOARD_ADDRESS", ":0")
    flows = scripts.longer(INSIDE_A_LOOP, of=EXAMPLES / "prefect" / "flow.py")
    run = scripts.run(sys.executable, flows, timeout=240)
    assert (run.stdout, run.returncode) == (f"{ANSWER}[0, 2, 4]\n", 0), run.stderr
    assert run.stderr.count(CREATING) == 2
    assert run.stderr.count("Finished in state Completed()") == 10 + 3 + 2
    assert "Traceback" not in run.stderr
