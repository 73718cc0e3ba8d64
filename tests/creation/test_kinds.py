"""Values of another kind than their argument takes."""

from __future__ import annotations

import math
import warnings
from typing import Any

import dask
import pytest

from dask_ctl import check_spec, create_cluster, plan_spec
from dask_ctl.backends import room_of
from dask_ctl.creation.arguments import mistakes
from dask_ctl.creation.kinds import Kinds
from dask_ctl.exceptions import DaskCtlWarning, InvalidSpecError
from tests.conftest import require_package

LOCAL = {"module": "dask.distributed", "class": "LocalCluster"}
SSH = {"module": "dask.distributed", "class": "SSHCluster"}
SUBPROCESS = {"module": "dask.distributed", "class": "SubprocessCluster"}
SLURM = {"module": "dask_jobqueue", "class": "SLURMCluster"}
JOBS = {"cores": 1, "memory": "1GB", "n_workers": 1}
CONDOR = {"module": "dask_jobqueue", "class": "HTCondorCluster"}
KUBE = {"module": "dask_kubernetes.operator", "class": "KubeCluster"}
EC2 = {"module": "dask_cloudprovider.aws", "class": "EC2Cluster"}
COILED = {"module": "coiled", "class": "Cluster"}
GATEWAY = {"module": "dask_gateway", "class": "GatewayCluster", "scale": 1}
RUNNER = {"module": "dask_ctl.mpi", "class": "MPIRunner"}
PROXY = {"module": "dask_ctl.proxy", "class": "ProxyCluster"}
AT = {"address": "tcp://127.0.0.1:8786"}
OWN = {"module": __name__, "class": "own"}
HOSTS = ["a", "b"]
PACKAGES = "dask-ctl[aws,coiled,gateway,kubernetes]"


def own(
    size: int = 1,
    names: list[str] | None = None,
    quiet: bool = False,
    label: str = "",
    asynchronous: bool = False,
) -> None:
    """Stand for somebody's function that makes clusters.

    Parameters
    ----------
    size : int
        How many.
    """


def found(spec: dict[str, Any], kwargs: dict[str, Any]) -> list[tuple[str | None, str]]:
    """The keys and severities of what a check finds, but for what it says it has not checked."""
    require_package(spec["module"], PACKAGES)
    needed: dict[str, dict[str, Any]] = {
        SLURM["class"]: JOBS,
        CONDOR["class"]: {**JOBS, "disk": "1GB"},
        GATEWAY["class"]: {"address": "http://gateway.example.org"},
    }
    given = {**needed.get(spec["class"], {}), **kwargs}
    problems = check_spec({**spec, "kwargs": given})
    return [(p.key, p.severity) for p in problems if p.severity != "note"]


@pytest.mark.parametrize(
    ("spec", "kwargs"),
    [
        (LOCAL, {"n_workers": "two"}),
        (LOCAL, {"n_workers": "4"}),
        (LOCAL, {"n_workers": 2.5}),
        (LOCAL, {"threads_per_worker": [1]}),
        (LOCAL, {"processes": "false"}),
        (LOCAL, {"processes": "No"}),
        (LOCAL, {"security": "off"}),
        (LOCAL, {"protocol": ["tcp"]}),
        (LOCAL, {"resources": ["GPU"]}),
        (LOCAL, {"env": "A=1"}),
        (LOCAL, {"memory_limit": ["4GB"]}),
        (LOCAL, {"scheduler_kwargs": "port=0"}),
        (LOCAL, {"scheduler_kwargs": [0]}),
        (SSH, {"hosts": "localhost"}),
        (SSH, {"hosts": HOSTS, "worker_options": "nthreads=2"}),
        (SUBPROCESS, {"n_workers": "two"}),
        (SUBPROCESS, {"worker_kwargs": ["nthreads"]}),
        (SLURM, {"nanny": "false"}),
        (SLURM, {"cores": "8"}),
        (SLURM, {"queue": ["short", "long"]}),
        (SLURM, {"job_script_prologue": "module load python"}),
        (SLURM, {"job_extra_directives": "--exclusive"}),
        (SLURM, {"job_extra_directives": {"exclusive": True}}),
        (SLURM, {"job_directives_skip": "--mem"}),
        (CONDOR, {"job_extra_directives": ["a"]}),
        (KUBE, {"n_workers": "many"}),
        (KUBE, {"jupyter": "false"}),
        (KUBE, {"namespace": ["bar"]}),
        (EC2, {"spot": "no"}),
        (EC2, {"filesystem_size": "large"}),
        (COILED, {"arm": "false"}),
        (COILED, {"spot_policy": "sopt"}),
        (COILED, {"worker_memory": "lots"}),
        (COILED, {"scheduler_memory": ["4GiB", "8QiB"]}),
        (GATEWAY, {"shutdown_on_close": "false"}),
        (GATEWAY, {"address": "gateway.example.org"}),
        (GATEWAY, {"auth": "kerbros"}),
        (RUNNER, {"worker_options": "nthreads=1"}),
        (OWN, {"size": "many"}),
        (OWN, {"quiet": "false"}),
        (LOCAL, {"n_workers": -1}),
        (LOCAL, {"threads_per_worker": -2}),
        (LOCAL, {"memory_limit": "4QB"}),
        (LOCAL, {"memory_limit": "-4GB"}),
        (LOCAL, {"protocol": "htp"}),
        (LOCAL, {"silence_logs": "loud"}),
        (LOCAL, {"interface": "no-such"}),
        (LOCAL, {"protocol": "tls"}),
        (LOCAL, {"dashboard_address": ":abc"}),
        (LOCAL, {"lifetime": "soon"}),
        (LOCAL, {"death_timeout": "1 min"}),
        (LOCAL, {"worker_class": "Nanny"}),
        (LOCAL, {"security": "temporary"}),
        (LOCAL, {"security": {"require_encryption": True}}),
        (LOCAL, {"loop": "asyncio"}),
        (LOCAL, {"shutdown_on_close": False}),
        (LOCAL, {"workers": {}}),
        (SLURM, {"shutdown_on_close": False}),
        (SLURM, {"security": "on"}),
        (SLURM, {"death_timeout": "a minute"}),
        (SLURM, {"dashboard_address": "localhost:http"}),
        (SSH, {"hosts": HOSTS, "n_workers": 2}),
        (SSH, {"hosts": HOSTS, "name": "mine"}),
        (SSH, {"hosts": []}),
        (SSH, {"hosts": HOSTS, "connect_options": [{}]}),
        (SLURM, {"partition": "short"}),
        (SLURM, {"gres": "gpu:1"}),
        (KUBE, {"replicas": 2}),
        (EC2, {"n_worker": 2}),
        (RUNNER, {"n_workers": 2}),
        (PROXY, {"address": ""}),
        (PROXY, {"address": "http://127.0.0.1:8786"}),
        (PROXY, {"address": "tcp://127.0.0.1"}),
        (PROXY, {"address": "tcp://scheduler:port"}),
        (KUBE, {"image": "my image"}),
        (KUBE, {"namespace": "My_Namespace"}),
        (KUBE, {"scheduler_service_type": "Clusterip"}),
        (KUBE, {"resource_timeout": "1m"}),
        (KUBE, {"custom_cluster_spec": "nosuch.yaml"}),
        (SLURM, {"cores": 0}),
        (SLURM, {"cores": -1}),
        (SLURM, {"job_cpu": 0}),
        (KUBE, {"n_workers": -2}),
        (LOCAL, {"n_workers": 2.0}),
        (SLURM, {"n_workers": 2.0}),
    ],
)
def test_what_must_fail_or_means_the_opposite_is_an_error(
    spec: dict[str, Any], kwargs: dict[str, Any]
) -> None:
    (name,) = [name for name in kwargs if name != "hosts" or kwargs[name] != HOSTS]
    assert found(spec, kwargs) == [(f"kwargs.{name}", "error")]


@pytest.mark.parametrize(
    ("spec", "kwargs"),
    [
        (LOCAL, {"n_workers": True}),
        (LOCAL, {"processes": "true"}),
        (LOCAL, {"scheduler_port": "8786"}),
        (LOCAL, {"host": 5}),
        (LOCAL, {"local_directory": True}),
        (LOCAL, {"memory_limit": 4}),
        (SLURM, {"walltime": "one hour"}),
        (SSH, {"hosts": ["a"]}),
        (SLURM, {"walltime": 30}),
        (SLURM, {"queue": False}),
        (KUBE, {"image": 3.1}),
        (OWN, {"size": "4"}),
        (OWN, {"names": "one"}),
        (OWN, {"label": 5}),
    ],
)
def test_what_may_go_well_is_a_warning(spec: dict[str, Any], kwargs: dict[str, Any]) -> None:
    (name,) = kwargs
    assert found(spec, kwargs) == [(f"kwargs.{name}", "warning")]


@pytest.mark.parametrize(
    ("spec", "kwargs"),
    [
        *((LOCAL, {"memory_limit": each}) for each in ("auto", "4GB", 0.5, 4_000_000, 0, None)),
        *((LOCAL, {"dashboard_address": each}) for each in (":0", 8787, None)),
        *((LOCAL, {"silence_logs": each}) for each in ("error", 30, False)),
        *((LOCAL, {"protocol": each}) for each in ("tcp", "tcp://", "inproc://")),
        (LOCAL, {"n_workers": 0, "threads_per_worker": 0}),
        *((LOCAL, {"security": each}) for each in (True, None)),
        *((LOCAL, {"death_timeout": each}) for each in ("60s", "60", 60, 1.5)),
        *((LOCAL, {"processes": each}) for each in (True, 0, None)),
        (LOCAL, {"n_workers": None, "threads_per_worker": 2}),
        (LOCAL, {"protocol": "tls", "security": True}),
        (LOCAL, {"lifetime": "1 hour", "death_timeout": "60"}),
        (LOCAL, {"worker_class": None, "security": None, "loop": None}),
        (SSH, {"hosts": HOSTS, "worker_class": "distributed.Worker"}),
        (LOCAL, {"preload": "mysite.py"}),
        (LOCAL, {"name": 5, "lifetime": "1 hour", "resources": {"GPU": 2}}),
        (LOCAL, {"scheduler_kwargs": {"idle_timeout": "5s", "port": 0}}),
        (SSH, {"hosts": HOSTS, "connect_options": [{}, {}], "remote_python": ["a", "b"]}),
        (SSH, {"hosts": HOSTS, "worker_options": {"nthreads": 2, "n_workers": 2}}),
        (SLURM, {"account": 12345, "death_timeout": "60s", "silence_logs": False}),
        (SLURM, {"scheduler_options": {"interface": "lo", "dashboard_address": ":0"}}),
        (SLURM, {"walltime": "00:30:00", "job_extra_directives": ["--exclusive"]}),
        (SLURM, {"worker_command": "dask_cuda.cli", "python": "python3", "name": 5}),
        (SLURM, {"walltime": "1-12:00:00"}),
        (SLURM, {"walltime": "UNLIMITED"}),
        (CONDOR, {"job_extra_directives": {"+Group": "x"}}),
        (KUBE, {"env": {"A": "b"}, "worker_command": "dask worker"}),
        *(
            (PROXY, {"address": each})
            for each in ("tcp://h:1", "h:8786", "tls://[::1]:5", "ws://h:1")
        ),
        (EC2, {"shutdown_on_close": False, "name": "a"}),
        (KUBE, {"scheduler_service_type": "NodePort", "namespace": "a-b", "quiet": True}),
        (SSH, {"hosts": ["::1", "10.0.0.1"], "connect_options": {"username": "a", "port": 22}}),
        (KUBE, {"resources": {"requests": {"cpu": "1"}}}),
        (EC2, {"security": False, "env_vars": {"A": "b"}, "security_groups": ["a"]}),
        (COILED, {"n_workers": [2, 4], "idle_timeout": 20, "worker_vm_types": "m6i.large"}),
        (RUNNER, {"worker_options": {"nthreads": 1}, "scheduler_file": "a.json"}),
        (OWN, {"size": 2, "names": ("a",), "quiet": 1, "label": "x"}),
        (LOCAL, {"preload_nanny": ["a"]}),
    ],
)
def test_what_an_argument_takes_is_no_alarm(spec: dict[str, Any], kwargs: dict[str, Any]) -> None:
    assert found(spec, kwargs) == []


@pytest.mark.parametrize("system", ["SLURM", "PBS", "SGE", "LSF", "OAR", "Moab", "HTCondor"])
def test_what_a_package_has_by_default_is_no_alarm(system: str) -> None:
    """In its part of dask's configuration, whatever its docstring says."""
    module = require_package("dask_jobqueue", "dask-jobqueue")
    room = room_of(getattr(module, f"{system}Cluster"))
    defaults = dask.config.get(f"jobqueue.{room.target.job_cls.config_name}")
    given = {name.replace("-", "_"): value for name, value in defaults.items()}
    assert list(mistakes(room, [], given, {})) == []


@pytest.mark.parametrize(
    ("spec", "kwargs", "key"),
    [
        (LOCAL, {"scheduler_kwargs": {"idle_timeot": "5s"}}, "scheduler_kwargs.idle_timeot"),
        (LOCAL, {"scheduler_kwargs": {"port": "any"}}, "scheduler_kwargs.port"),
        (LOCAL, {"scheduler_kwargs": {"dashboard": "false"}}, "scheduler_kwargs.dashboard"),
        (SSH, {"scheduler_options": {"dashbord": ":0"}}, "scheduler_options.dashbord"),
        (SSH, {"worker_options": {"nthread": 2}}, "worker_options.nthread"),
        (SUBPROCESS, {"worker_kwargs": {"memory_limt": "1GB"}}, "worker_kwargs.memory_limt"),
        (SLURM, {"scheduler_options": {"interfac": "lo"}}, "scheduler_options.interfac"),
        (RUNNER, {"scheduler_options": {"Interface": "lo"}}, "scheduler_options.Interface"),
        (EC2, {"worker_options": {"nthread": 2}}, "worker_options.nthread"),
    ],
)  # fmt: skip
def test_nested_arguments_are_checked_as_others_are(
    spec: dict[str, Any], kwargs: dict[str, Any], key: str
) -> None:
    given = {"hosts": HOSTS, **kwargs} if spec is SSH else kwargs
    assert found(spec, given) == [(f"kwargs.{key}", "error")]


def test_what_was_not_looked_at_is_said() -> None:
    """Arguments for a class of which nothing is known, and options of a service."""
    cases: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        (SSH, {"hosts": HOSTS, "worker_class": "a.B", "worker_options": {}}, "worker_options"),
        (GATEWAY, {"address": "http://a", "flavour": "big"}, "flavour"),
    ]  # fmt: skip
    for spec, kwargs, name in cases:
        require_package(spec["module"], PACKAGES)
        (note,) = check_spec({**spec, "kwargs": kwargs})
        assert (note.key, note.severity) == (f"kwargs.{name}", "note")
        assert note.summary.startswith("not checked: ")


def test_positional_arguments_and_options_of_scaling_are_checked_too() -> None:
    for wrong, key in (
        ({**SSH, "args": ["localhost"]}, "args.0"),
        ({**LOCAL, "adapt": {"maximum": "many"}}, "adapt.maximum"),
        ({**SLURM, "kwargs": JOBS, "scale": {"job": 2}}, "scale.job"),
    ):
        assert [(p.key, p.severity) for p in check_spec(wrong)] == [(key, "error")]


def test_the_place_of_a_nested_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "DASK_CTL__CLUSTER_KWARGS__SCHEDULER_OPTIONS__PORT"
    monkeypatch.setenv(name, "any")
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC", repr({**SLURM, "kwargs": JOBS}))
    (problem,) = check_spec()
    assert str(problem.origin) == name


def test_creation_refuses_only_what_the_class_would_not_notice() -> None:
    """Where the class itself fails, its own error is what its caller gets."""
    quiet = {"n_workers": 0, "dashboard_address": ":0"}
    with pytest.raises(InvalidSpecError, match="any text counts as true"):
        create_cluster({**LOCAL, "kwargs": {**quiet, "processes": "false"}})
    with pytest.raises(TypeError):
        create_cluster({**LOCAL, "kwargs": {**quiet, "processes": False, "n_workers": "2"}})
    with pytest.warns(DaskCtlWarning, match="scheduler_port: must be a whole number"):
        create_cluster(
            {**LOCAL, "kwargs": {**quiet, "processes": False, "scheduler_port": "0"}}
        ).close()
    with pytest.raises(InvalidSpecError, match="must be a whole number"):
        plan_spec({**LOCAL, "kwargs": {"n_workers": "two"}})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        create_cluster({**LOCAL, "kwargs": {**quiet, "processes": False}}).close()


@pytest.mark.parametrize(
    ("text", "types", "is_open"),
    [
        ("int", {int}, False),
        ("Optional[List[dict] | Dict[str, str]]", {list, dict}, False),
        ("Union[int, List[int]] | None", {int, list}, False),
        ('str, float, int, or None, default "auto"', {str, float, int}, False),
        ("bool (False by default)", {bool}, False),
        ("str (optional)", {str}, False),
        ("list of str", {list}, False),
        ("List(string)", {list}, False),
        ("Mapping[str, Callable[[Worker], Any]]", {dict}, False),
        ("int | Literal[False]", {int, bool}, False),
        ("Security or bool, optional", {bool}, True),
        ("logging level", set(), True),
        ("string literal", set(), True),
        ("Any | None", set(), True),
    ],
)
def test_what_annotations_and_docstrings_say(text: str, types: set[type], is_open: bool) -> None:
    kinds = Kinds()
    kinds.add(text)
    assert (kinds.types, kinds.open) == (types, is_open)


SCHEDULER_IDLE = "scheduler_kwargs.idle_timeout"


@pytest.mark.parametrize(
    ("spec", "kwargs", "key", "severity"),
    [
        (SSH, {"hosts": ["user@a", "b"]}, "hosts.0", "error"),
        (SSH, {"hosts": ["a", "b:22"]}, "hosts.1", "error"),
        (SSH, {"hosts": [1, "b"]}, "hosts.0", "error"),
        (SSH, {"hosts": ["a", "ssh://b"]}, "hosts.1", "error"),
        (SLURM, {"job_extra_directives": ["exclusive"]}, "job_extra_directives.0", "warning"),
        (SLURM, {"job_extra_directives": ["#SBATCH -x"]}, "job_extra_directives.0", "warning"),
        (KUBE, {"worker_command": ["dask", 1]}, "worker_command.1", "error"),
        (PROXY, {**AT, "timeout": "soon"}, "timeout", "error"),
        (PROXY, {**AT, "timeout": -1}, "timeout", "error"),
        (PROXY, {**AT, "security": {"tls_ca": "x"}}, "security", "error"),
        (PROXY, {**AT, "security": {"tls_ca_file": "/no"}}, "security.tls_ca_file", "error"),
        (LOCAL, {"scheduler_kwargs": {"idle_timeout": "x"}}, SCHEDULER_IDLE, "error"),
        (LOCAL, {"scheduler_kwargs": {"idle_timeout": math.inf}}, SCHEDULER_IDLE, "error"),
        (LOCAL, {"heartbeat_interval": math.nan}, "heartbeat_interval", "error"),
        (LOCAL, {"processes": False, "preload_nanny": ["a"]}, "preload_nanny", "error"),
    ],
)
def test_the_very_part_that_is_wrong(
    spec: dict[str, Any], kwargs: dict[str, Any], key: str, severity: str
) -> None:
    assert found(spec, kwargs) == [(f"kwargs.{key}", severity)]


def test_a_job_script_that_cannot_be_written() -> None:
    """The class itself would only say so when it submits."""
    lines = ["module load python", 5]
    assert [severity for _, severity in found(SLURM, {"job_script_prologue": lines})] == ["error"]


def test_an_option_of_asyncssh() -> None:
    """Of what connects to the machines the options are known, where it is installed."""
    require_package("asyncssh", "dask-ctl[ssh]")
    options = {"hosts": HOSTS, "connect_options": {"user": "x"}}
    assert found(SSH, options) == [("kwargs.connect_options.user", "error")]
