"""A module or a class that is not there: what was meant, or what to install."""

from __future__ import annotations

from pathlib import Path

import pytest

from dask_ctl import check_spec, resolve_spec
from dask_ctl.creation.missing import import_failed
from dask_ctl.hosts.launch import secured
from dask_ctl.lifecycle import list_arguments
from tests.conftest import require_package

OPERATOR = "write 'module: dask_kubernetes.operator' and 'class: KubeCluster'"
LOCAL = "write 'module: dask.distributed' and 'class: LocalCluster'"


@pytest.mark.parametrize(
    ("module", "name", "remedy"),
    [
        ("dask_jobqueue", "SlurmCluster", "did you mean 'SLURMCluster'?"),
        ("dask_jobqueue", "sgecluster", "did you mean 'SGECluster'?"),
        ("dask_jobqueue", "HTCONDORCluster", "did you mean 'HTCondorCluster'?"),
        ("dask_jobqueue", "Pbs", "did you mean 'PBSCluster'?"),  # and no module
        ("dask_jobqueue", "SlurmRunner", "dask_jobqueue.slurm' and 'class: SLURMRunner'"),
        ("distributed", "PBSCluster", "write 'module: dask_jobqueue' and 'class: PBSCluster'"),
        ("dask_kubernetes", "KubeCluster", OPERATOR),
        ("dask_kubernetes.classic", "KubeCluster", OPERATOR),
        ("dask_kubernetes.experimental", "KubeCluster", OPERATOR),
        ("dask_kubernetes", "HelmCluster", "dask cluster spec init proxy"),
        ("dask_kubernetes.helm", "HelmCluster", "dask cluster spec init proxy"),
        ("dask_cloudprovider", "EC2Cluster", "dask_cloudprovider.aws' and 'class: EC2Cluster'"),
        ("dask.Distributed", "LocalCluster", LOCAL),
        ("dask", "LocalCluster", LOCAL),
        ("dask_jobqueues", "SLURMCluster", "dask_jobqueue' and 'class: SLURMCluster'"),
        ("dask_cloudprovider.azure", "AzureVMCluster", "pip install 'dask-cloudprovider[azure]'"),
        ("dask_cloudprovider.gcp", "GCPCluster", "pip install 'dask-cloudprovider[gcp]'"),
        ("acme_of_nobody.clusters", "Cluster", "and that it can be imported from here"),
    ],
)  # fmt: skip
def test_what_was_meant_is_said(module: str, name: str, remedy: str) -> None:
    if module.startswith(("dask_kubernetes", "dask_cloudprovider")):
        require_package(module.partition(".")[0], "dask-ctl[aws,kubernetes]")
    (problem,) = check_spec({"module": module, "class": name})
    assert str(problem.remedy).endswith(remedy)


@pytest.mark.parametrize(
    ("spec", "name", "meant"),
    [
        ({"module": "dask_jobqueue", "class": "SLURMCluster"}, "WALLTIME", "walltime"),
        ({"module": "dask_jobqueue", "class": "PBSCluster"}, "Cores", "cores"),
        ({"module": "dask.distributed", "class": "LocalCluster"}, "N_WORKERS", "n_workers"),
        ({"module": "dask.distributed", "class": "SSHCluster", "args": [["a"]]}, "Hosts", "hosts"),
    ],
)
def test_letter_case_is_looked_at_first(spec: dict[str, object], name: str, meant: str) -> None:
    found = [problem for problem in check_spec({**spec, "kwargs": {name: 1}}) if problem.key]
    assert (found[0].key, found[0].remedy) == (f"kwargs.{name}", f"did you mean {meant!r}?")


def test_the_extra_is_said_where_its_package_is_missing_too() -> None:
    absent = ModuleNotFoundError(name="dask_cloudprovider")
    problem = import_failed("dask_cloudprovider.aws", "EC2Cluster", None, absent).problem
    assert problem.summary == "module 'dask_cloudprovider' is not installed"
    assert problem.remedy == "pip install 'dask-cloudprovider[aws]'"


def test_who_needs_what_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that needs a backend which is not installed, at once or when it is asked."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "needs_yarn.py").write_text("from dask_yarn import YarnCluster\n")
    (tmp_path / "lazy_yarn.py").write_text(
        "def __getattr__(name):\n"
        "    try:\n"
        "        import dask_yarn.core\n"
        "    except ImportError as error:\n"
        "        raise ImportError('its requirements are not installed') from error\n"
    )
    (problem,) = check_spec({"module": "needs_yarn", "class": "YarnCluster"})
    assert str(problem).endswith(
        "module 'dask_yarn', which needs_yarn needs, is not installed; pip install dask-yarn"
    )
    (problem,) = check_spec({"module": "lazy_yarn", "class": "YarnCluster"})
    assert "its requirements are not installed" in str(problem)


def test_variables_in_the_names_of_a_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are replaced wherever the class is looked at, also before a cluster is made."""
    monkeypatch.setenv("SITE", "LocalCluster")
    spec = {"module": "dask.distributed", "class": "${env:SITE}", "kwargs": {"name": "${env:NO}"}}
    assert "n_workers" in list_arguments(spec)
    assert secured(resolve_spec(spec)).spec.kwargs["security"] is True
