"""Batch systems without a server: what would be submitted."""

from __future__ import annotations

import pytest
import yaml

from dask_ctl import check_spec, create_cluster, resolve_spec
from tests.backends.scripts import Scripts, example

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


def test_one_that_cannot_be_closed_again(scripts: Scripts) -> None:
    """dask-jobqueue waits for ever for a scheduler that never ran; its error is still told."""
    script = scripts.cwd / "misspelt.py"
    script.write_text(
        "from dask_ctl import create_cluster\n"
        "from dask_ctl.creation import exits\n"
        "exits.HALF_BUILT_TIMEOUT = 0.5\n"
        "options = {'host': 'no-such-host.invalid', 'dashboard_address': ':0'}\n"
        "kwargs = {'cores': 1, 'memory': '1GB', 'scheduler_options': options}\n"
        "create_cluster({'module': 'dask_jobqueue', 'class': 'SLURMCluster', 'kwargs': kwargs})\n"
    )
    ran = scripts.python(script)
    assert ran.returncode == 1
    assert "cannot get address of non-running Server" in ran.stderr
    assert "what there is of it could not be closed within 0.5 s" in ran.stderr
