"""`spec plan`: every backend says what it would start, and nothing is started."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from dask_ctl import plan_spec
from dask_ctl.exceptions import BackendError
from dask_ctl.lifecycle import spec_template, spec_templates
from tests.backends.scripts import Scripts, ok, refused

# Lines of the plan of a template.
SAYS: dict[str, list[str]] = {
    "local": ["workers: 2 (processes)"],
    "ssh": ["scheduler on: login.example.org", "- node2.example.org", "  nthreads: 4"],
    "slurm": ["#SBATCH -t 12:00:00", "# submitted by: sbatch", "# starts with: 4 workers (4 jobs)"],
    "sge": ["#$ -pe smp 8", "# scales to: 4 workers (2 jobs)"],
    "slurm-runner": ["rank 0: scheduler", "calls: SLURMRunner"],
    "mpi": ["other ranks: a worker each", "calls: MPIRunner"],
    "kubernetes": ["kind: DaskCluster", "    replicas: 20"],
    "gateway": ["gateway: http://gateway.example.org", "  worker_cores: 1"],
    "proxy": ["starts nothing, and connects to what is there"],
    "coiled": ["calls: Cluster", "  n_workers: 10"],
    "ec2": ["  instance_type: t3.large"],
    "fargate": ["  worker_mem: 4096"],
}


@pytest.mark.parametrize("name", spec_templates())
def test_every_backend_says_what_it_would_start(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script, the manifest, the options, the machines; at least the call."""
    monkeypatch.setenv("SLURM_ACCOUNT", "physics")
    try:
        plan = plan_spec(yaml.safe_load(spec_template(name)))
    except BackendError as error:
        if "cannot be imported" not in str(error) and "not installed" not in str(error):
            raise
        pytest.skip(str(error))
    assert plan.endswith("\n")
    assert set(SAYS.get(name, [])) <= set(plan.splitlines()), plan


def sized(**sizes: Any) -> list[str]:
    """The comments of the plan of a cluster of jobs with two workers each."""
    kwargs = {"cores": 2, "processes": 2, "memory": "2GB", "interface": "lo"}
    spec = {"module": "dask_jobqueue", "class": "SLURMCluster", "kwargs": kwargs, **sizes}
    return [line for line in plan_spec(spec).splitlines() if line.startswith("# ")][1:]


@pytest.mark.parametrize(
    ("sizes", "lines"),
    [
        ({"scale": 5}, ["# scales to: 5 workers (3 jobs)"]),
        ({"scale": {"jobs": 2}}, ["# scales to: 4 workers (2 jobs)"]),
        ({"scale": {"cores": 16}}, ["# scales to: cores 16"]),
        ({"adapt": {"minimum": 1, "maximum": 8}}, ["# adapts to: 1 to 8 workers (1 to 4 jobs)"]),
        ({"adapt": {"maximum_jobs": 3}}, ["# adapts to: 0 to 6 workers (0 to 3 jobs)"]),
        (
            {"adapt": {"minimum": 2, "interval": "5s"}},
            ["# adapts to: 2 workers or more", "# adapts with: interval 5s"],
        ),
    ],
)
def test_sizes_in_jobs(sizes: dict[str, Any], lines: list[str]) -> None:
    """Workers, and the jobs that they come in."""
    assert sized(**sizes) == lines


def test_differences(scripts: Scripts) -> None:
    """``--diff`` shows what another spec would change, in the lines of the plan."""
    for name, n in (("one", 2), ("two", 3)):
        (scripts.cwd / f"{name}.yaml").write_text(
            "version: 1\nmodule: dask.distributed\nclass: LocalCluster\n"
            f"kwargs: {{n_workers: {n}, threads_per_worker: 1, memory_limit: 1GiB}}\n"
        )
    told = ok(scripts.dask_cluster("spec", "plan", "one", "--diff", "two"))
    assert told.splitlines() == [
        "--- one.yaml:1",
        "+++ two.yaml:1",
        "@@ -1,3 +1,3 @@",
        "-workers: 2 (processes)",
        "+workers: 3 (processes)",
        " threads of each: 1",
        " memory of each: 1.00 GiB",
    ]
    refused(scripts.dask_cluster("spec", "plan", "one", "--diff", "no"), 3, "^Error: --diff: ")
    told = ok(scripts.dask_cluster("spec", "plan", "one", "--diff", "one+two"))
    assert told.splitlines()[1] == "+++ two.yaml:1, one.yaml:1"
    same = scripts.dask_cluster("spec", "plan", "one", "--diff", "one.yaml")
    assert (ok(same), same.stderr) == (
        "",
        "Both plans are the same; what they do not tell, such as env, may differ.\n",
    )
