"""Small clusters, and what the script of the announcement prints."""

from tests.conftest import ROOT

SCRIPT = ROOT / "docs" / "examples" / "myscript.py"
ANSWER = "[0, 2, 4, 6, 8, 10, 12, 14, 16, 18]\n"
QUICK = {"n_workers": 1, "processes": False, "dashboard_address": ":0"}
THREADS = {"module": "dask.distributed", "class": "LocalCluster", "kwargs": QUICK}
PROCESSES = (
    "version: 1\nmodule: dask.distributed\nclass: LocalCluster\n"
    "kwargs: {n_workers: 2, threads_per_worker: 1, dashboard_address: ':0'}\n"
)
