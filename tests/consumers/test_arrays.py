"""Arrays of Dask and of xarray, computed on the cluster that is configured."""

from __future__ import annotations

import pytest

from tests.backends.scripts import EXAMPLES, Scripts

NEEDS = ("numpy", "xarray")
ARRAYS = EXAMPLES / "arrays" / "arrays.py"
WHO_WORKED = """
workers = client.run(lambda dask_worker: dask_worker.state.transition_counter > 0)
print(list(workers.values()))
"""


def test_computes_on_the_cluster(scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The results are right, and all workers of the spec had a share in them."""
    scripts.use_example("local")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__DASHBOARD_ADDRESS", ":0")
    run = scripts.python(scripts.longer(WHO_WORKED, of=ARRAYS))
    total = sum(range(365 * 1000))
    warmest = sum(range(999, 365 * 1000, 1000)) / 365
    assert (run.stdout, run.stderr) == (f"{total}\n{warmest}\n[True, True]\n", "")
    assert run.returncode == 0
