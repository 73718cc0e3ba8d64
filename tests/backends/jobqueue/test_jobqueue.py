"""Batch systems without a server: what would be submitted."""

from __future__ import annotations

import pytest
import yaml

from dask_ctl import check_spec, create_cluster, resolve_spec
from tests.backends.scripts import example

# Lines of a job of each example spec.
SYSTEMS = {
    "pbs": [
        "#PBS -q batch",
        "#PBS -A my-project",
        "#PBS -l select=1:ncpus=8:mem=16GB",
        "#PBS -l walltime=01:00:00",
    ],
    "lsf": ["#BSUB -q batch", '#BSUB -P "my-project"', "#BSUB -n 8", "#BSUB -W 01:00"],
    "oar": ["#OAR -q default", "#OAR --project my-project", "walltime=01:00:00"],
    "moab": ["#PBS -q batch", "#PBS -A my-project", "#PBS -l walltime=01:00:00"],
    "htcondor": ["MY.DaskWorkerDisk = 4000000000", "accounting_group = my-project"],
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_a_spec_submits(name: str) -> None:
    """The arguments of the example spec arrive in the job script, and none is unknown."""
    path = example(name)
    assert check_spec(path) == []
    spec = resolve_spec(path).spec
    kwargs = {**spec.kwargs, "scheduler_options": {"dashboard_address": ":0"}}
    with (
        pytest.warns(UserWarning, match="starts without workers"),
        create_cluster({"module": spec.module, "class": spec.class_, "kwargs": kwargs}) as cluster,
    ):
        script = cluster.job_script()
    assert [line for line in SYSTEMS[name] if line not in script] == [], script
    assert "--nthreads 4" in script
    assert "--nworkers 2" in script


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_misspelt_argument_is_found_without_a_server(name: str) -> None:
    """An argument that no class on the way to the job knows is named, with what was meant."""
    spec = yaml.safe_load((example(name)).read_text())
    spec["kwargs"]["memry"] = spec["kwargs"].pop("memory")
    (finding, *_) = check_spec(spec)
    assert (finding.severity, finding.key) == ("error", "kwargs.memry")
    assert "memory" in str(finding)
