"""What can be known of a spec without starting anything."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from distributed import LocalCluster, SubprocessCluster

from dask_ctl import adapt_cluster, check_spec, create_cluster, scale_cluster
from dask_ctl.backends import room_of
from dask_ctl.creation.arguments import misfits
from dask_ctl.exceptions import DaskClusterConfigNotFound, DaskCtlWarning, InvalidSpecError
from dask_ctl.lifecycle import spec_template, spec_templates
from tests.conftest import unavailable

JOBS = (
    "version: 1\nmodule: dask_jobqueue\nclass: SLURMCluster\nkwargs:\n  cores: 1\n  memory: 1GB\n"
)


def check(isolated: Path, text: str) -> list[str]:
    """The findings of a file, as lines; but for what was not checked."""
    (isolated / "it.yaml").write_text(text)
    found = [f"{finding.severity}: {finding}" for finding in check_spec("it.yaml")]
    return [line for line in found if not line.startswith("note: ")]


def test_good_spec_has_no_findings(isolated: Path) -> None:
    """Arguments of the class, of its base classes and of its workers are all known."""
    kwargs = {
        "n_workers": 1,
        "threads_per_worker": 1,
        "memory_limit": "1GB",  # of the Worker
        "env": {"A": "b"},  # of the Nanny
        "scheduler_sync_interval": 2,  # of the SpecCluster
        "resources": {"GPU": 1},
    }
    assert (
        check_spec({"module": "dask.distributed", "class": "LocalCluster", "kwargs": kwargs}) == []
    )
    assert (
        check(isolated, JOBS + "  account: a\n  job_extra_directives: []\n  n_workers: 1\n") == []
    )


def test_all_findings_at_once(isolated: Path) -> None:
    """Every error of a file is reported, each with its line."""
    text = "version: 2\nmodule: dask.distributed\nclas: LocalCluster\nkwargs: []\nscale: -1\n"
    lines = [(1, "version"), (3, "clas"), (4, "kwargs"), (5, "scale")]
    expected = [["error", f"it.yaml:{line}", key] for line, key in lines]
    assert [line.split(": ")[:3] for line in check(isolated, text)] == expected
    text = "version: 1\nmodule: dask.distributed\nclass: LocalCluster\n"
    both = "kwargs:\n  a: ${env:NOT_SET_1}\n  b: ['${env:NOT_SET_2}']\n"
    assert [line.split(": ")[1] for line in check(isolated, text + both)] == [
        "it.yaml:5",
        "it.yaml:6",
    ]


def test_arguments_of_jobqueue(isolated: Path) -> None:
    """Arguments of a jobqueue class are followed into its job."""
    lines = check(isolated, JOBS + "  n_workers: 1\n  memry: 2GB\n  walltime: 12:00:00\n")
    trap, typo = lines
    assert trap == (
        "warning: it.yaml:9: kwargs.walltime: YAML reads 12:00:00 as the number 43200; "
        "write it in quotes: '12:00:00'"
    )
    assert typo == (
        "error: it.yaml:8: kwargs.memry: SLURMCluster takes no such argument; "
        "did you mean 'memory'?"
    )


@pytest.mark.parametrize("extra", ["  n_workers: 1\n", "scale: 1\n", "adapt: {maximum: 2}\n"])
def test_backend_without_workers(isolated: Path, extra: str) -> None:
    """A class that starts no workers of its own accord needs a number of them."""
    (line,) = check(isolated, JOBS)
    assert line.startswith("warning: it.yaml:3: dask_jobqueue.SLURMCluster starts without workers")
    assert check(isolated, JOBS + extra) == []


def test_creation_warns_of_what_a_check_warns_of(isolated: Path) -> None:
    """`create_cluster` gives the warnings, before it calls anything."""
    (isolated / "it.yaml").write_text(
        "version: 1\nmodule: dask.distributed\nclass: LocalCluster\n"
        "kwargs: {n_workers: 0, dashboard_address: ':0', processes: no, lifetime: 1:30}\n"
    )
    with pytest.warns(DaskCtlWarning, match="YAML reads 1:30 as the number 90") as caught:
        create_cluster("it.yaml").close()
    assert caught[0].filename == __file__


def test_nothing_to_check() -> None:
    """Without a spec there is nothing to check, and that is said."""
    with pytest.raises(DaskClusterConfigNotFound, match="no cluster is configured"):
        check_spec()


def takes_anything(asynchronous: bool = False, n_workers: int = 0, **kwargs: Any) -> None:
    """Stand for a class whose `**kwargs` cannot be followed."""


@pytest.mark.parametrize(
    ("target", "kwargs", "found"),
    [
        (LocalCluster, {"n_workers": 1}, []),
        (LocalCluster, {"n_workes": 1}, [("kwargs.n_workes", "error")]),
        (LocalCluster, {"worker_class": "by.name", "whatever": 1}, []),
        (SubprocessCluster, {"n_workers": 1, "worker_kwargs": {}}, []),
        (takes_anything, {"n_worker": 1}, [("kwargs.n_worker", "warning")]),
        (takes_anything, {"queue": 1}, []),
        (takes_anything, {"n_wokers": 1}, [("kwargs.n_wokers", "warning")]),
        (LocalCluster, {"worker_kwargs": {"x": 1}}, [("kwargs.worker_kwargs", "error")]),
    ],
)
def test_misfits(
    target: Callable[..., Any], kwargs: dict[str, Any], found: list[tuple[str, bool]]
) -> None:
    """An argument is an error only where it is certain that nothing takes it."""
    problems = misfits(room_of(target), [], kwargs)
    assert [(problem.key, problem.severity) for problem in problems] == found


@pytest.mark.parametrize("backend", spec_templates())
def test_templates(isolated: Path, backend: str) -> None:
    """Every template passes the check, where its backend is installed."""
    lines = check(isolated, spec_template(backend))
    if lines and "is not installed" in lines[0]:
        unavailable(*lines[0].split("; "))
    assert lines == []


def test_template_lists_other_arguments() -> None:
    """Where the class is installed, its other arguments follow with what they mean."""
    text = spec_template("slurm")
    assert "#   account: null\n#     Accounting string associated with each worker job.\n" in text
    assert "asynchronous" not in text


def test_of_many_arguments_the_nearest_are_named() -> None:
    """A list of eighty helps nobody."""
    spec = {"module": "dask.distributed", "class": "LocalCluster", "kwargs": {"zzzz9": 1}}
    (problem,) = check_spec(spec)
    assert problem.remedy is not None
    assert re.fullmatch(r"known: (\w+, ){14}\w+ and \d\d more", problem.remedy)


@pytest.mark.parametrize(
    ("part", "error"),
    [
        ({"adapt": {"minimum": 5, "maximum": 2}}, "adapt.minimum: is more than 'maximum'; "),
        ({"adapt": {"minimum": -1}}, "adapt.minimum: must be a whole number, not -1; "),
        ({"adapt": {"maximum": -1}}, "adapt.maximum: must be a whole number, not -1; "),
        ({"adapt": {"minimum": 1, "wait_count": -3}}, "adapt.wait_count: must not be negative; "),
        ({"scale": {"n": -1}}, "scale.n: must be a whole number, not -1; "),
        ({"scale": {"n": "2"}}, "scale.n: must be a whole number, not a string; write it without"),
        ({"scale": {"memory": "much"}}, "scale.memory: is no size of memory; "),
        ({"adapt": {"maximum": 2.5}}, "adapt.maximum: must be a whole number, not a fraction; "),
        ({"adapt": {"maximum": math.nan}}, "adapt.maximum: must be a whole number, not a fr"),
        ({"adapt": {"minimum": math.inf}}, "adapt.minimum: must be a whole number, not a fr"),
        ({"adapt": {"maximum": {"": 1}}}, "adapt.maximum: must be a whole number, not a mapping; "),
        ({"adapt": {"maximum": [1]}}, "adapt.maximum: must be a whole number, not a list; "),
        ({"adapt": {"maximum": True}}, "adapt.maximum: must be a whole number, not a boolean; "),
    ],
)
def test_sizes_that_cannot_be(part: dict[str, Any], error: str) -> None:
    (problem,) = check_spec({"module": "dask.distributed", "class": "LocalCluster", **part})
    assert str(problem).partition(": ")[2].startswith(error)


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"minimum_jobs": 5, "maximum_jobs": 1}, "adapt.minimum_jobs"),
        ({"minimum_memory": "5GB", "maximum_memory": "1 GB"}, "adapt.minimum_memory"),
        ({"minimum_cores": -1}, "adapt.minimum_cores"),
    ],
)
def test_sizes_of_jobs_that_cannot_be(options: dict[str, Any], key: str) -> None:
    jobs = {"module": "dask_jobqueue", "class": "SLURMCluster"}
    kwargs = {"cores": 1, "memory": "1GB"}
    assert [each.key for each in check_spec({**jobs, "kwargs": kwargs, "adapt": options})] == [key]


def test_a_running_cluster_is_not_asked_for_what_cannot_be() -> None:
    """Whatever its name: no cluster need be looked for."""
    with pytest.raises(InvalidSpecError, match="minimum: is more than 'maximum'"):
        adapt_cluster("any", 5, 2)
    with pytest.raises(InvalidSpecError, match="n_workers: must be a whole number, not -1"):
        scale_cluster("any", -1)


def test_good_bounds_are_no_alarm() -> None:
    for adapt in ({"minimum": 2, "maximum": 2}, {"minimum": 0}, {"maximum": 0, "interval": "2s"}):
        spec = {"module": "dask.distributed", "class": "LocalCluster", "adapt": adapt}
        assert check_spec(spec) == []


@pytest.mark.parametrize(
    ("kwargs", "key"),
    [
        ({"processes": False, "host": "127.0.0.1"}, "kwargs.host"),
        ({"processes": False, "interface": "lo"}, "kwargs.interface"),
        ({"security": False}, "kwargs.security"),
    ],
)
def test_what_a_local_cluster_refuses(kwargs: dict[str, Any], key: str) -> None:
    """What the class says only as it starts is known before; a protocol is an address's."""
    spec = {"module": "distributed", "class": "LocalCluster"}
    assert [problem.key for problem in check_spec({**spec, "kwargs": kwargs})] == [key]
    with pytest.raises((RuntimeError, TypeError)):
        LocalCluster(**kwargs, n_workers=0, dashboard_address=None)
    if key != "kwargs.security":
        assert check_spec({**spec, "kwargs": {**kwargs, "protocol": "tcp"}}) == []


@pytest.mark.parametrize("name", ["host", "dashboard_address"])
def test_what_is_for_the_scheduler_of_jobs(isolated: Path, name: str) -> None:
    """dask-jobqueue takes these where the scheduler's other options are."""
    told = check(isolated, JOBS + f"  {name}: '127.0.0.1:0'\nscale: 1\n")
    remedy = f"write it under 'scheduler_options: {{{name}: ...}}'"
    assert told == [f"error: it.yaml:7: kwargs.{name}: is for the scheduler; {remedy}"]
