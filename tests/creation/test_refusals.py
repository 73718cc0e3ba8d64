"""What a class would refuse: said by a check before, and beside the class's own error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dask
import pytest

from dask_ctl import check_spec, create_cluster, plan_spec
from dask_ctl.exceptions import InvalidSpecError, explained
from tests.backends.scripts import Scripts, ok, refused
from tests.conftest import require_package

SLURM = {"module": "dask_jobqueue", "class": "SLURMCluster", "scale": 1}
THREADS = {"n_workers": 0, "processes": False, "dashboard_address": ":0"}
JOBS = {"cores": 1, "memory": "1GB"}
NO_SECTION = "kwargs.config_name: dask's configuration has no section"
SPEC = "version: 1\nmodule: dask_jobqueue\nclass: SLURMCluster\nkwargs:\n  cores: 1\nscale: 1\n"


def found(kwargs: dict[str, Any], **more: Any) -> list[str]:
    """The errors of a SLURMCluster."""
    problems = check_spec({**SLURM, "kwargs": kwargs, **more})
    return [str(problem).partition(": ")[2] for problem in problems if problem.severity == "error"]


def configure(isolated: Path, text: str) -> Path:
    """Write a file of dask's configuration, and have dask read it."""
    path = isolated.parent / "home" / ".config" / "dask" / "jobqueue.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    dask.config.refresh()
    return path


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({}, "kwargs: SLURMCluster needs cores and memory; "),
        ({"cores": 1}, "kwargs: SLURMCluster needs memory; "),
        ({"memory": "1GB"}, "kwargs: SLURMCluster needs cores; "),
        ({"cores": 1, "memory": "16QB"}, "kwargs.memory: is no size of a job's memory; "),
        ({"cores": 1, "memory": "lots"}, "kwargs.memory: is no size of a job's memory; "),
        ({"cores": 1, "memory": 16}, "kwargs.memory: is no size of a job's memory; "),
        ({"cores": 1, "memory": "-4GB"}, "kwargs.memory: is no size of a job's memory; "),
        ({**JOBS, "processes": 0}, "kwargs.processes: must be at least 1, not 0; "),
        ({**JOBS, "config_name": "slrum"}, f"{NO_SECTION} 'jobqueue.slrum'; did you mean 'slurm'?"),
        ({**JOBS, "config_name": "xyz"}, f"{NO_SECTION} 'jobqueue.xyz'; known: "),
    ],
)
def test_what_a_job_must_have_is_checked(kwargs: dict[str, Any], said: str) -> None:
    (line,) = found(kwargs)
    assert line.startswith(said)


def test_a_path_that_dask_is_configured_with(isolated: Path) -> None:
    """Dask replaces the variables of its files, and nobody replaces their tildes."""
    text = "jobqueue: {slurm: {log-directory: ~/logs, local-directory: ~/scratch, shebang: ~/x}}"
    path = configure(isolated, text)
    (problem,) = check_spec({**SLURM, "kwargs": JOBS})  # the job's shell reads local_directory
    said = (
        "jobqueue.slurm.log-directory: no shell reads it, so '~' stays as it is; write $HOME/logs"
    )
    assert (problem.severity, str(problem)) == ("warning", f"{path}:1: {said}")
    path.write_text(text.replace("~/logs", "$HOME/logs"))
    dask.config.refresh()
    assert check_spec({**SLURM, "kwargs": JOBS}) == []


HOSTS = ["localhost", "localhost"]


@pytest.mark.parametrize(
    ("class_", "args", "said"),
    [
        ("LocalCluster", ["mine", "two"], "args.1: must be a whole number"),
        ("SSHCluster", [["localhost", "me@host"]], "args.0.1: 'me@host' is no name of a machine"),
        ("SSHCluster", [HOSTS, {"usrname": "me"}], "args.1.usrname: connect takes no such argum"),
        ("SSHCluster", [HOSTS, {}, {"nthreads": "two"}], "args.2.nthreads: must be a whole number"),
    ],
)
def test_arguments_by_position_are_checked_alike(class_: str, args: list[Any], said: str) -> None:
    require_package("asyncssh", "dask-ctl[ssh]")
    (problem,) = check_spec({"module": "dask.distributed", "class": class_, "args": args})
    assert str(problem).partition(": ")[2].startswith(said)


def test_a_gateway_needs_an_address() -> None:
    require_package("dask_gateway", "dask-ctl[gateway]")
    gateway = {"module": "dask_gateway", "class": "GatewayCluster", "scale": 1}
    (problem,) = check_spec(gateway)
    assert (problem.key, problem.severity) == ("kwargs", "error")
    for given in {"args": ["http://a"]}, {"config": {"gateway.address": "http://a"}}:
        assert not any(each.severity == "error" for each in check_spec({**gateway, **given}))


@pytest.mark.parametrize("memory", ["1GB", "24 GiB", 4_000_000_000, "512MB"])
def test_sizes_of_memory_are_no_alarm(memory: object) -> None:
    assert found({"cores": 1, "memory": memory}) == []


def test_a_check_makes_no_folder_of_logs(isolated: Path) -> None:
    assert found({**JOBS, "log_directory": "logs"}) == []
    assert list(isolated.iterdir()) == []


def test_what_dask_is_configured_with_is_checked_with_the_spec(
    isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a file, a variable, code, and the spec's own `config`, each by its own place."""
    with dask.config.set({"jobqueue.slurm.memory": "2GB"}):
        assert found({"cores": 1}) == []
    with dask.config.set({"jobqueue.slurm.memory": "2QB"}):
        (problem,) = check_spec({**SLURM, "kwargs": {"cores": 1}})
        assert str(problem).startswith("dask.config.set: jobqueue.slurm.memory: is no size")
    assert found({"cores": 1}, config={"jobqueue.slurm.memory": "2GB"}) == []
    (line,) = found({"cores": 1}, config={"jobqueue": {"slurm": {"memory": "2QB"}}})
    assert line.startswith("jobqueue.slurm.memory: is no size")
    assert dask.config.get("jobqueue.slurm.memory") is None
    path = configure(
        isolated,
        "jobqueue:\n  slurm:\n    memory: 1QB\n    nanny: 'false'\n    memroy: 1GB\n    cores: 2\n",
    )
    expected = [
        ("jobqueue.slurm.nanny", "error", 4),
        ("jobqueue.slurm.memroy", "warning", 5),
    ]
    problems = check_spec({**SLURM, "kwargs": {}})
    assert {str(problem.origin.place) for problem in problems} == {str(path)}
    assert [(p.key, p.severity, p.origin.line) for p in problems] == expected
    monkeypatch.setenv("DASK_JOBQUEUE__SLURM__CORES", "two")
    monkeypatch.setenv("DASK_JOBQUEUE__SLURM__NANNY", "True")
    dask.config.refresh()
    (problem, _) = check_spec({**SLURM, "kwargs": JOBS | {"cores": None}})
    assert str(problem.origin) == "DASK_JOBQUEUE__SLURM__CORES"


def test_a_section_that_lacks_what_the_class_asks_for() -> None:
    with dask.config.set({"jobqueue.mysite": JOBS}):
        (line,) = found({"config_name": "mysite"})
    assert line.startswith("kwargs.config_name: dask's configuration has no 'jobqueue.mysite.")
    assert line.endswith("; begin with a copy of the section 'jobqueue.slurm'")


def test_show_prints_what_the_backend_reads_itself(
    scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its place, and marked; what the spec gives itself, and other systems, are left out."""
    path = configure(
        scripts.cwd,
        "jobqueue:\n  slurm: {queue: debug, cores: 4, name: me}\n  pbs: {queue: batch}\n"
        "gateway: {auth: {password: x}}\n",
    )
    monkeypatch.setenv("DASK_JOBQUEUE__SLURM__JOB_CPU", "3")
    (scripts.cwd / "dask-cluster.yaml").write_text(SPEC)
    mark = "read by the backend itself"
    lines = ok(scripts.dask_cluster("spec", "show")).splitlines()
    assert sorted(line for line in lines if mark in line) == [
        f"# jobqueue.slurm.job_cpu: 3  # {mark}: environment: DASK_JOBQUEUE__SLURM__JOB_CPU",
        f"# jobqueue.slurm.name: me  # {mark}: config: {path}:2",
        f"# jobqueue.slurm.queue: debug  # {mark}: config: {path}:2",
    ]
    shown = json.loads(ok(scripts.dask_cluster("spec", "show", "-o", "json")))
    assert shown["inherited"]["jobqueue.slurm.queue"] == {
        "value": "debug",
        "source": "config",
        "where": f"{path}:2",
    }
    gateway = {"module": "dask_gateway", "class": "GatewayCluster"}
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC", repr(gateway))
    shown = json.loads(ok(scripts.dask_cluster("spec", "show", "-o", "json")))
    assert shown["inherited"]["gateway.auth"]["value"] == {"password": "***"}
    path.unlink()
    (scripts.cwd / "dask-cluster.yaml").unlink()


def test_an_unknown_section_is_the_classs_own_error(scripts: Scripts) -> None:
    """It reaches a script as such, and the command line says in one line what it means."""
    with pytest.raises(KeyError, match="typo") as caught:
        create_cluster({**SLURM, "kwargs": {**JOBS, "config_name": "typo"}})
    (note,) = caught.value.__notes__
    assert "kwargs.config_name" in note
    assert "dask's configuration has no section 'jobqueue.typo'" in note
    (scripts.cwd / "a.yaml").write_text(SPEC.replace("cores: 1", "config_name: typo"))
    run = scripts.dask_cluster("create", "a.yaml")
    refused(run, 5, r"a\.yaml:5: kwargs\.config_name: .* has no section 'jobqueue\.typo'; known: ")


@pytest.mark.parametrize(
    ("kwargs", "key"),
    [
        ({"n_workers": "two"}, "kwargs.n_workers"),
        ({"security": 1}, "kwargs.security"),
        ({"interface": "nosuch9"}, "kwargs.interface"),
        ({"scheduler_port": "not a port"}, "kwargs.scheduler_port"),
        ({"n_workers": 1, "preload": "nosuch_module"}, "kwargs.preload"),
        ({"scheduler_kwargs": {"port": "any"}}, "kwargs.scheduler_kwargs.port"),
        ({"protocol": "carrier-pigeon"}, "kwargs.protocol"),
    ],
)
def test_an_error_about_a_value_names_its_place(
    kwargs: dict[str, Any], key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever class raises it: the variable that gave the value."""
    spec = {"module": "dask.distributed", "class": "LocalCluster", "kwargs": THREADS}
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC", repr(spec))
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS", repr(kwargs))
    with pytest.raises(Exception, match=r".") as caught:
        create_cluster()
    problem = explained(caught.value)
    assert problem is not None
    assert (problem.key, str(problem.origin)) == (key, "DASK_CTL__CLUSTER_KWARGS")


@pytest.mark.parametrize(
    ("kwargs", "keys"),
    [
        ({"interface": "nosuch9"}, ["kwargs.interface"]),
        ({"scheduler_options": {"interface": "nosuch9"}}, ["kwargs.scheduler_options.interface"]),
        ({"interface": "nosuch9", "scheduler_options": {"host": "127.0.0.1"}}, []),
    ],
)
def test_an_interface_that_this_machine_lacks_is_a_warning(
    kwargs: dict[str, Any], keys: list[str]
) -> None:
    """On which the scheduler would listen; that of the nodes cannot be seen from here."""
    found = check_spec({**SLURM, "kwargs": {**JOBS, **kwargs}})
    told = [each for each in found if "interface" in str(each.key)]
    assert [(each.key, each.severity) for each in told] == [(key, "warning") for key in keys]


def test_an_error_of_the_backends_own_configuration_names_its_file(isolated: Path) -> None:
    path = configure(isolated, "jobqueue:\n  slurm:\n    memory: 16QB\n")
    with pytest.raises(ValueError, match="QB") as caught:
        create_cluster({**SLURM, "kwargs": {"cores": 1}})
    assert str(explained(caught.value)).startswith(f"{path}:3: jobqueue.slurm.memory: ")


def test_an_error_that_names_no_value_is_at_the_class() -> None:
    """Nothing is guessed: two arguments are named here."""
    with pytest.raises(ValueError, match="how much cores and memory") as caught:
        create_cluster({**SLURM, "kwargs": {"cores": None}})
    problem = explained(caught.value)
    assert problem is not None
    assert problem.key == "kwargs"


def test_a_plan_is_refused_likewise() -> None:
    with pytest.raises(InvalidSpecError, match="needs memory"):
        plan_spec({**SLURM, "kwargs": {"cores": 1}})
