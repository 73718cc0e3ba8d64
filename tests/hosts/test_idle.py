"""Clusters that end when they are idle, and what is left of them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from dask_ctl import check_spec, create_cluster
from dask_ctl.backends import room_of
from dask_ctl.creation.carried import handed_on
from dask_ctl.creation.target import load_named
from dask_ctl.exceptions import InvalidSpecError
from dask_ctl.hosts import log
from dask_ctl.hosts import store as records
from dask_ctl.lifecycle import spec_template, spec_templates
from dask_ctl.management.info import ClusterInfo
from dask_ctl.spec.cluster_spec import ClusterSpec
from tests.backends.scripts import SPEC, Scripts, listed, ok, refused, wait_until

# What `idle_timeout: 5m` is called with, by the name of a template.
BY_SCHEDULER = {"idle_timeout": 300.0}
CALLED_WITH: dict[str, dict[str, Any]] = {
    "local": {"scheduler_kwargs": BY_SCHEDULER},
    "kubernetes": {"idle_timeout": 300},
    "coiled": {"idle_timeout": "300 seconds"},
    "fargate": {"scheduler_timeout": "300 seconds"},
    "gateway": {"environment": {"DASK_DISTRIBUTED__SCHEDULER__IDLE_TIMEOUT": "300 seconds"}},
}


@pytest.mark.parametrize("name", [name for name in spec_templates() if name != "proxy"])
def test_every_backend_has_its_way(name: str) -> None:
    """The class is called with what ends it, and takes that; what it is given itself stays."""
    spec = yaml.safe_load(spec_template(name))
    try:
        room = room_of(load_named(spec["module"], spec["class"], "module", "class"))
    except Exception as error:  # noqa: BLE001 -- whatever is not installed here
        pytest.skip(str(error))
    kwargs = {**spec.get("kwargs", {}), **({"environment": {}} if name == "gateway" else {})}
    given = ClusterSpec(module="m", class_="C", kwargs=kwargs, idle_timeout="5m")
    expected = CALLED_WITH.get(name, {"scheduler_options": BY_SCHEDULER})
    called = handed_on(given, room, kwargs)
    for key, value in expected.items():
        assert called[key] == {**kwargs.get(key, {}), **value} if type(value) is dict else value
    again = handed_on(ClusterSpec(module="m", class_="C", idle_timeout="9m"), room, called)
    assert {key: again[key] for key in expected} == {key: called[key] for key in expected}
    (Path("it.yaml")).write_text(yaml.safe_dump({**spec, "kwargs": kwargs, "idle_timeout": "5m"}))
    problems = check_spec("it.yaml")
    assert not [each for each in problems if each.key and "idle" in each.key]


@pytest.mark.parametrize("value", [0, -1, True, "0s", "soon", "00:05:00", [1]])
def test_what_is_no_time(value: Any) -> None:
    """It is an error of the spec."""
    spec = {"module": "dask.distributed", "class": "LocalCluster", "idle_timeout": value}
    with pytest.raises(InvalidSpecError, match=r"idle_timeout: .* is not a time; write 90, 90s"):
        create_cluster(spec)


def test_a_class_without_a_way_is_refused() -> None:
    """Before anything is started."""
    spec: dict[str, Any] = {
        "module": "dask_ctl.proxy",
        "class": "ProxyCluster",
        "args": ["tcp://x"],
    }
    with pytest.raises(InvalidSpecError, match="idle_timeout: ProxyCluster has no way to end"):
        create_cluster({**spec, "idle_timeout": "5m"})


def test_in_a_script(scripts: Scripts) -> None:
    """The cluster ends while the script does something else, and the script in order."""
    (scripts.cwd / "dask-cluster.yaml").write_text(SPEC + "  processes: false\nidle_timeout: 3s\n")
    (scripts.cwd / "script.py").write_text(
        "import time\nfrom dask_ctl import create_cluster\ncluster = create_cluster()\n"
        "while cluster.scheduler.status.name != 'closed': time.sleep(0.1)\nprint('ended')\n"
    )
    assert ok(scripts.python("script.py")) == "ended\n"


def test_that_lives_on(scripts: Scripts) -> None:
    """Its host and its record go, its log is found, and a new cluster may have its name."""
    (scripts.cwd / "dask-cluster.yaml").write_text(SPEC)
    ok(scripts.dask_cluster("create", "--name", "a", "--wait", "1", "--idle-timeout", "10s"))
    wait_until(lambda: not records.exists("a"), "it has ended", timeout=60)
    wait_until(lambda: not scripts.processes(), "every process has ended")
    assert listed(scripts) == []
    said = scripts.dask_cluster("logs", "a")
    assert "Scheduler closing after being idle for 10.00 s" in ok(said)
    assert "the scheduler of cluster a has gone (its idle_timeout is 10s)" in said.stdout
    assert said.stderr == "warning: cluster 'a' has ended by itself; its log is kept for 7 days\n"
    refused(scripts.dask_cluster("show", "a"), 6, "to see why it has ended: dask cluster logs a")
    ok(scripts.dask_cluster("create", "--name", "a", "--set", "idle_timeout=1h"))
    assert "closing after being idle" not in ok(scripts.dask_cluster("logs", "a"))
    (row,) = listed(scripts)
    assert row["idle_since"] is not None
    ok(scripts.dask_cluster("delete", "a"))
    wait_until(lambda: not scripts.processes(), "every process has ended")


def test_old_logs_go(tmp_path: Path) -> None:
    """What is kept goes when another is kept, after its time."""
    (tmp_path / "clusters").mkdir()
    for name in ("old.log", "new.log"):
        (tmp_path / "clusters" / name).write_text(name)
        log.keep(tmp_path / "clusters" / name)
        day = time.time() - (log.KEPT_DAYS + 1) * 86400
        if name == "old.log":
            os.utime(tmp_path / "ended" / name, (day, day))
    assert [path.name for path in (tmp_path / "ended").iterdir()] == ["new.log"]


def test_how_long_is_in_words() -> None:
    """Minutes and more are worth a word."""
    info = ClusterInfo(name="a", discovery="recorded", status="running")
    assert info.state == "running"
    long_ago = ClusterInfo(
        name="a", discovery="recorded", status="running", idle_since="2026-01-01T00:00:00+00:00"
    )
    assert long_ago.state.startswith("running, idle ")


def test_one_that_ends_before_it_has_workers(shell: Scripts) -> None:
    """Whoever waits for them is told that it has ended by itself, and where it says why."""
    without = SPEC.replace("n_workers: 1", "n_workers: 0")
    (shell.cwd / "dask-cluster.yaml").write_text(without)
    create = ("create", "--name", "a", "--wait", "1", "--idle-timeout", "1s")
    said = "there is no cluster 'a' any more; to see why it has ended: dask cluster logs a"
    refused(shell.dask_cluster(*create), 6, said)
    assert "closing after being idle for 1.00 s" in ok(shell.dask_cluster("logs", "a"))
