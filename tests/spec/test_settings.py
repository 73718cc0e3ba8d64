"""Whatever is configured under `ctl` is read, or said not to be."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.config
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dask_ctl import (
    DaskCtlWarning,
    check_spec,
    list_clusters,
    list_discovery_methods,
    resolve_spec,
)
from dask_ctl.exceptions import DaskCtlError
from dask_ctl.lifecycle import list_specs
from dask_ctl.spec.defaults import DEFAULTS

FULL = {"version": 1, "module": "dask.distributed", "class": "LocalCluster"}


@pytest.fixture(autouse=True)
def nothing_to_find(monkeypatch: pytest.MonkeyPatch) -> None:
    """No discovery method takes its time."""
    monkeypatch.setenv("DASK_CTL__DISABLE_DISCOVERY", "kubecluster,gateway,schedulers")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("DASK_CTL__WAITING_NOTES", "maybe", "ctl.waiting-notes: 'maybe' cannot be read"),
        ("DASK_CTL__TRUSTED", "{'a': 1}", "ctl.trusted: {'a': 1} cannot be read"),
        ("DASK_CTL__DISCOVERY__TIMEOUT", "soon", "ctl.discovery.timeout: 'soon' cannot be read"),
        ("DASK_CTL__DISCOVERY__GATEWAYS", "5", "ctl.discovery.gateways: 5 cannot be read"),
    ],
)
def test_a_value_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    """A check says so once, before it is needed."""
    monkeypatch.setenv(name, value)
    dask.config.refresh()
    (problem,) = check_spec(FULL)
    assert problem.severity == "error"
    assert told in str(problem)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("DASK_CTL__CLUSTER_KWARG__N_WORKERS", "did you mean 'cluster-kwargs'?"),
        ("DASK_CTL__DISCOVERY__TIMOUT", "ctl.discovery.timout: unknown key; did you mean"),
        ("DASK_CTL__DISCOVERY_TIMEOUT", "ctl.discovery_timeout: unknown key; did you mean"),
        ("DASK_CTL_CLUSTER_SPEC", "write two underscores: DASK_CTL__CLUSTER_SPEC"),
        (
            "DASK_CTL_CLUSTER_KWARGS__N_WORKERS",
            "write two underscores: DASK_CTL__CLUSTER_KWARGS__N_WORKERS",
        ),
    ],
)
def test_a_name_that_nothing_reads(monkeypatch: pytest.MonkeyPatch, name: str, told: str) -> None:
    """It is warned of by whatever reads what stands beside it."""
    monkeypatch.setenv(name, "2")
    dask.config.refresh()
    (problem,) = check_spec(FULL)
    assert problem.severity == "warning"
    assert str(problem).startswith(f"{name}: ")
    assert told in str(problem)
    with pytest.warns(DaskCtlWarning) as said:
        list_clusters()
    assert [told in str(each.message) for each in said].count(True) == 1


def test_names_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that are nobody's misspelling are left alone, and so are free names."""
    monkeypatch.setenv("DASK_CTL_TEST_TIMEOUT", "2")
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPECS__MINE", "{'module': 'a', 'class': 'B'}")
    dask.config.refresh()
    assert check_spec(FULL) == []


def test_no_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Listing needs none, and says so."""
    monkeypatch.setenv("DASK_CTL", "x")
    with pytest.warns(DaskCtlWarning, match="DASK_CTL: ctl: must be a mapping, not a string"):
        list_clusters()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("distributed.worker.memory.target=lots", "must be a number, not 'lots'"),
        ("distributed.scheduler.work-stealing='off'", "any string counts as true"),
        ("distributed.worker.memory.target=0.5", None),
        ("distributed.worker.memory.target=false", None),
        ("distributed.worker.memory.max-spill=10 GB", None),
        ("distributed.scheduler.worker-saturation=inf", None),
        ("distributed.comm.timeouts.connect=10", None),
    ],
)
def test_values_of_dask_itself(settings: str, told: str | None) -> None:
    """They are compared with what dask has there by default."""
    found = check_spec(FULL, settings=[f"config.{settings}"])
    assert [told in str(each) for each in found] == ([] if told is None else [True])
    assert all(each.severity == "warning" for each in found)


def test_times_of_adapting() -> None:
    """What distributed cannot read is said before it is called with it."""
    (problem,) = check_spec(FULL, settings=["adapt.interval=quick"])
    assert str(problem).endswith("adapt.interval: 'quick' is no time; write 90, 90s, 5m or 2h")
    assert check_spec(FULL, settings=["adapt.target_duration=5s"]) == []


NAMES = st.sampled_from([*DEFAULTS["ctl"], *DEFAULTS["ctl"]["discovery"], "module", "x", "1"])
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text(max_size=8),
        st.sampled_from(["5s", "dask-cluster.yaml", "x" * 3000, "[a, b]", "{'a': 1}", "${env:NO}"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[*HealthCheck])
@given(st.dictionaries(st.sampled_from([*DEFAULTS["ctl"]]), VALUES, max_size=3), st.booleans())
def test_whatever_is_configured(isolated: Path, told: dict[str, Any], in_file: bool) -> None:
    """Every verb that reads it does its work, or says in one line what is wrong."""
    file = Path(os.environ["HOME"], ".config", "dask", "a.yaml")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump({"ctl": told} if in_file else {}, allow_unicode=True))
    dask.config.refresh()
    code = {} if in_file else {f"ctl.{key}": value for key, value in told.items()}
    verbs: list[Callable[[], object]] = [
        lambda: resolve_spec(local_fallback=True),
        lambda: resolve_spec("name"),
        check_spec,
        list_specs,
        list_discovery_methods,
        lambda: list_clusters("recorded"),
    ]
    said = []
    with dask.config.set(code), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for verb in verbs:
            try:
                verb()
            except DaskCtlError as error:
                said.append(str(error))
    assert all(len(line) < 2000 and "\n" not in line for line in said)
