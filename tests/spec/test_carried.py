"""The keys `env` and `config`, and where their parts come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dask_ctl import check_spec, resolve_spec
from dask_ctl.exceptions import InvalidSpecError

FILE = "version: 1\nmodule: dask.distributed\nclass: LocalCluster\n"
LOCAL = {"module": "dask.distributed", "class": "LocalCluster"}


def test_variables_are_text_as_it_is_written(isolated: Path) -> None:
    """What YAML reads as something else stays as it looks, and its name keeps its case."""
    (isolated / "dask-cluster.yaml").write_text(
        FILE + "env:\n  Kept_Case: 1.20\n  MODE: 0123\n  FLAG: on\n  N: 4\n"
    )
    expected = {"Kept_Case": "1.20", "MODE": "0123", "FLAG": "on", "N": "4"}
    assert resolve_spec().spec.env == expected
    assert check_spec() == []


def test_the_name_of_a_variable_tells_no_case(
    isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It changes the name that is there, and is in capitals where there is none."""
    (isolated / "dask-cluster.yaml").write_text(FILE + "env:\n  Kept_Case: a\n")
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC__ENV__KEPT_CASE", "b")
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC__ENV__OMP_NUM_THREADS", "2")
    resolved = resolve_spec()
    assert resolved.spec.env == {"Kept_Case": "b", "OMP_NUM_THREADS": "2"}
    assert resolved.origins["env.Kept_Case"].where == "DASK_CTL__CLUSTER_SPEC__ENV__KEPT_CASE"


def test_dots_are_levels(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Configuration merges however it is written, and each leaf knows its origin."""
    (isolated / "dask-cluster.yaml").write_text(
        FILE + "config:\n  acme.level.top: 1\n  acme: {level: {low: 2}}\n"
    )
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC__CONFIG__ACME__LEVEL__LOW", "3")
    resolved = resolve_spec()
    assert resolved.as_dict()["spec"]["config"] == {"acme": {"level": {"top": 1, "low": 3}}}
    assert resolved.origins["config.acme.level.top"].where == "dask-cluster.yaml:5"
    assert resolved.origins["config.acme.level.low"].where.startswith("DASK_CTL__")


@pytest.mark.parametrize(
    ("part", "error"),
    [
        ({"env": {"A-B": 1}}, "env.A-B: is no name of an environment variable"),
        ({"env": {"A": None}}, "env.A: must be text or a number, not null"),
        ({"env": ["A=1"]}, "env: must be a mapping, not a list"),
        ({"config": {"a..b": 1}}, "config.a..b: is no key of dask's configuration"),
        ({"config": {"ctl.cluster-spec": "x"}}, "config.ctl.cluster-spec: says which spec is used"),
        ({"config": "x"}, "config: must be a mapping, not a string"),
    ],
)
def test_wrong(part: dict[str, Any], error: str) -> None:
    """What is neither is an error that names the key."""
    with pytest.raises(InvalidSpecError) as raised:
        resolve_spec({"module": "dask.distributed", "class": "LocalCluster", **part})
    assert error in str(raised.value)


def test_what_cannot_be_handed_on_is_a_finding(isolated: Path) -> None:
    """Variables are refused, and configuration is in force in this process only."""
    (isolated / "it.yaml").write_text(
        "version: 1\nmodule: dask_ctl.proxy\nclass: ProxyCluster\nargs: ['tcp://127.0.0.1:1']\n"
        "env: {A: b}\nconfig: {acme.level: 1}\n"
    )
    found = {finding.key: finding.severity for finding in check_spec("it.yaml")}
    assert found == {"env": "error", "config": "warning"}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"distribuetd.nanny": {}}, "distribuetd: unknown key; did you mean 'distributed'?"),
        ({"temporary_dir": "x"}, "temporary_dir: unknown key; did you mean 'temporary-directory'?"),
        ({"dataframe": {"shufle": {}}}, "dataframe.shufle: unknown key; did you mean 'shuffle'?"),
    ],
)
def test_a_misspelt_key_is_warned_of(config: dict[str, Any], said: str) -> None:
    (problem,) = check_spec({**LOCAL, "config": config})
    assert (problem.severity, str(problem)) == ("warning", f"create_cluster(...): config.{said}")


@pytest.mark.parametrize(
    "config",
    [
        {"distributed.worker.memory.target": 0.5, "distributed": {"comm": {"retry": {"count": 3}}}},
        {"distributed.worker.use_file_locking": False},
        {"mysite": {"anything": 1}},
        {"distributed.worker.resources": {"GPU": 1}},
        {"logging": {"distributed": "info", "distributed.clients": "error"}},
    ],
)
def test_keys_that_may_be_meant_are_no_alarm(config: dict[str, Any]) -> None:
    assert check_spec({**LOCAL, "config": config}) == []
