"""The announcement's script on clusters of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import dask.config
import pytest
from dask.utils import format_bytes
from distributed import Client

from dask_ctl import create_cluster, plan_spec
from dask_ctl.exceptions import InvalidSpecError
from tests.backends.claims import Scalable
from tests.backends.scripts import SEEN, Scripts


class OnThisMachine(Scalable):
    """A class whose processes are children of the script."""

    example: ClassVar[str]
    carries: ClassVar[bool] = True
    dashboard: ClassVar[str] = "DASHBOARD_ADDRESS"
    in_the_terminal = True

    @pytest.fixture
    def backend(self, scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> Scripts:
        """Use the example spec, with a dashboard that is in nobody's way."""
        scripts.use_example(self.example)
        monkeypatch.setenv(f"DASK_CTL__CLUSTER_KWARGS__{self.dashboard}", ":0")
        return scripts

    def test_configuration_and_variables_reach_workers(self, backend: Scripts) -> None:
        """What the spec hands on is what a task sees; what cannot be handed on is refused."""
        run = backend.python(backend.carry())
        if self.carries:
            assert (run.stdout, run.returncode) == (SEEN, 0), run.stderr
        else:
            assert run.returncode == 1
            assert "env: " in run.stderr.splitlines()[-1]
            assert "no way to hand environment variables on" in run.stderr.splitlines()[-1]


class TestProcesses(OnThisMachine):
    example = "local"


class TestThreads(OnThisMachine):
    example = "local-threads"
    carries = False  # threads have no variables of their own


class TestJobs(OnThisMachine):
    example = "local-jobqueue"
    carries = False
    dashboard = "SCHEDULER_OPTIONS__DASHBOARD_ADDRESS"
    small: ClassVar[dict[str, int]] = {}
    package = "dask-jobqueue"


class TestSubprocesses(OnThisMachine):
    example = "subprocess"
    carries = False

    @pytest.fixture(autouse=True)
    def scheduler_file(self, backend: Scripts, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Remove the file that a killed scheduler leaves, however the class is called."""
        # Ctrl-C ends the scheduler too, and the class looks for it that long to end it.
        monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "3s")
        yield
        for scheduler_file in backend.tmp.glob("*-*-*-*-*"):
            assert "address" in scheduler_file.read_text()
            scheduler_file.unlink()


def test_configuration_reaches_threads_and_is_put_back_in_any_order() -> None:
    """Of two clusters, each sees what is in force; the first to close takes back its own alone."""
    spec = {
        "module": "dask.distributed",
        "class": "LocalCluster",
        "kwargs": {"n_workers": 1, "processes": False, "dashboard_address": ":0"},
    }
    key = "distributed.admin.tick.limit"
    before = dask.config.get(key)
    first = create_cluster({**spec, "config": {key: "7s", "acme": {"level": 1}}})
    second = create_cluster({**spec, "config": {key: "8s"}})
    with Client(second) as client:
        assert client.submit(dask.config.get, key).result() == "8s"
    first.close()
    assert dask.config.get(key) == "8s"
    assert dask.config.get("acme.level", None) is None
    second.close()
    assert dask.config.get(key) == before


def test_configuration_is_put_back_when_creation_fails() -> None:
    """Nothing is left of a cluster that was never there."""
    spec = {"module": "dask.distributed", "class": "LocalCluster", "kwargs": {"n_workers": "x"}}
    with pytest.raises(Exception, match="unsupported operand"):
        create_cluster({**spec, "config": {"acme.level": 1}})
    assert dask.config.get("acme.level", None) is None


def test_what_others_have_set_as_one_value_takes_no_mapping() -> None:
    """It is an error that names the key of the spec."""
    spec = {"module": "dask.distributed", "class": "LocalCluster"}
    with (
        dask.config.set({"acme": 1}),
        pytest.raises(InvalidSpecError, match=r"config: .*single value"),
    ):
        create_cluster({**spec, "config": {"acme.level": 1}})


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"n_workers": 1},
        {"n_workers": 3},
        {"threads_per_worker": 1},
        {"n_workers": 3, "threads_per_worker": 1, "memory_limit": "1GiB"},
        {"n_workers": 1, "threads_per_worker": 1, "memory_limit": "auto"},
        {"n_workers": 1, "memory_limit": None},
    ],
)
@pytest.mark.usefixtures("isolated")
def test_the_plan_is_what_is_created(kwargs: dict[str, object]) -> None:
    """How many workers, and what each has."""
    spec = {
        "module": "dask.distributed",
        "class": "LocalCluster",
        "kwargs": {"processes": False, "dashboard_address": ":0", **kwargs},
    }
    plan = plan_spec(spec)
    with create_cluster(spec) as cluster, Client(cluster) as client:
        workers = list(client.scheduler_info(n_workers=-1)["workers"].values())
    limit = workers[0]["memory_limit"]
    assert plan == (
        f"workers: {len(workers)} (threads of this process)\n"
        f"threads of each: {workers[0]['nthreads']}\n"
        f"memory of each: {format_bytes(limit) if limit else 'no limit'}\n"
    )
