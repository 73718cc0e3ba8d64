"""Where a spec is meant for: `when`, and the choice that a list at `ctl.cluster-spec` is."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import dask.config
import pytest

from dask_ctl import list_specs, resolve_spec
from dask_ctl.exceptions import DaskClusterConfigNotFound, DaskCtlWarning, InvalidSpecError
from tests.conftest import dask_cluster
from tests.spec.sources import write

NODE = platform.node()
FILE = "version: 1\nmodule: mod\nclass: {}\nwhen: {}\n"


def spec(name: str, **when: Any) -> dict[str, Any]:
    """A spec whose class tells which it is."""
    return {"module": "mod", "class": name, **({"when": when} if when else {})}


def choose(*specs: Any) -> dask.config.set:
    """Configure a list."""
    return dask.config.set({"ctl.cluster-spec": list(specs)})


HOLDS = [
    ({"host": NODE}, f"host {NODE!r} is {NODE}"),
    ({"host": NODE.upper()[:3] + "*"}, f"is {NODE.upper()[:3]}*"),
    ({"host": ["no-such-host", "*"]}, f"host {NODE!r} is *"),
    ({"command": "sbatch"}, "/bin/sbatch"),
    ({"command": ["no-such", "sbatch"]}, "/bin/sbatch"),
    ({"env": "SITE"}, "SITE is set"),
    ({"env": {"SITE": "north-*"}}, "SITE is north-*"),
    ({"env": {"SITE": ["south", "north-?"]}}, "SITE is north-?"),
    ({"env": {"NUMBER": 42}}, "NUMBER is 42"),
    ({"env": ["OTHER", {"SITE": "north-*"}]}, "SITE is north-*"),
    ({"host": "*", "env": "SITE"}, "is *, SITE is set"),
    ({"host": None}, "it has no 'when'"),
]
FAILS = [
    ({"host": "login*"}, f"host {NODE!r} is not login*"),
    ({"host": ["login*", "n?"]}, f"host {NODE!r} is not login* or n?"),
    ({"command": "no-such"}, "no command no-such on PATH"),
    ({"command": ["no-such", "nor-this"]}, "no command no-such or nor-this on PATH"),
    ({"env": "OTHER"}, "OTHER is not set"),
    ({"env": "EMPTY"}, "EMPTY is not set"),
    ({"env": ["OTHER", {"SITE": "south"}]}, "OTHER is not set or SITE is not south"),
    ({"env": {"SITE": "north-*", "OTHER": "x"}}, "OTHER is not set to x"),
    ({"host": "*", "command": "no-such"}, "no command no-such on PATH"),
    ({"host": "login*", "env": "OTHER"}, "is not login*, OTHER is not set"),
]


@pytest.fixture(autouse=True)
def place(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place with a command `sbatch` and a variable SITE."""
    program = write(isolated.parent / "bin" / "sbatch", "")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setenv("SITE", "north-1")
    monkeypatch.setenv("NUMBER", "42")
    monkeypatch.setenv("EMPTY", "")
    return isolated


@pytest.mark.parametrize(("when", "why"), HOLDS, ids=json.dumps)
def test_holds(when: dict[str, Any], why: str) -> None:
    """The first of a list whose conditions all hold is used, and it is said why."""
    with choose(spec("Wanted", **when), spec("Other")):
        resolved = resolve_spec()
    assert resolved.spec.class_ == "Wanted"
    assert resolved.chosen
    assert why in resolved.chosen
    assert f"# chosen: {resolved.chosen}" in str(resolved).splitlines()


@pytest.mark.parametrize(("when", "why"), FAILS, ids=json.dumps)
def test_holds_not(when: dict[str, Any], why: str) -> None:
    """What does not hold is passed over, and said; a spec without conditions holds always."""
    with choose(spec("Wanted", **when), spec("Other")):
        resolved = resolve_spec()
    assert (resolved.spec.class_, resolved.chosen) == ("Other", "it has no 'when'")
    passed = str(resolved.overridden[0])
    assert passed.startswith("dask.config.set: not meant for here: ")
    assert why in passed


def test_one_file_for_every_place(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, paths and inline specs, in a file of the configuration, serve three places."""
    home = place.parent / "home" / ".config"
    write(home / "dask-ctl" / "pod.yaml", FILE.format("Pod", "{env: KUBERNETES_SERVICE_HOST}"))
    write(
        home / "dask" / "ctl.yaml",
        "ctl:\n  cluster-spec:\n    - pod\n    - hpc+more\n    - {module: mod, class: Here}\n"
        "\n  cluster-specs:\n    more: {scale: 2}\n    hpc: {module: mod, class: HPC, when: "
        "{command: sbatch}}\n",
    )
    assert (resolve_spec().spec.class_, resolve_spec().spec.scale) == ("HPC", 2)
    assert {each.name for each in list_specs() if each.in_force} == {"hpc", "more"}
    monkeypatch.setenv("PATH", str(place))
    resolved = resolve_spec()
    assert resolved.spec.class_ == "Here"
    assert [entry.origin.where for entry in resolved.overridden] == [
        str(home / "dask-ctl" / "pod.yaml") + ":4",
        str(home / "dask" / "ctl.yaml") + ":9",
    ]
    assert list(resolved.shadowed()) == []
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert resolve_spec().spec.class_ == "Pod"
    shown = dask_cluster("spec", "show").stdout
    assert "# chosen: KUBERNETES_SERVICE_HOST is set\n" in shown
    shown = dask_cluster("spec", "show", "-o", "json").stdout
    assert json.loads(shown)["chosen"] == "KUBERNETES_SERVICE_HOST is set"


@pytest.mark.parametrize("source", ["set", "environment", "config"])
def test_a_list_replaces_what_is_below_it(
    place: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """As a string does, in every source; what is above it is laid over it."""
    write(place / "dask-cluster.yaml", {"version": 1, **spec("Below"), "kwargs": {"a": 1}})
    listed = [spec("Wanted", host="no-such"), spec("Wanted", command="sbatch")]
    if source == "environment":
        monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC", json.dumps(listed))
    elif source == "config":
        folder = place.parent / "home" / ".config" / "dask"
        write(folder / "ctl.yaml", {"ctl": {"cluster-spec": listed}})
    with dask.config.set({"ctl.cluster-spec": tuple(listed)} if source == "set" else {}):
        resolved = resolve_spec({"kwargs": {"b": 2}})
    assert (resolved.spec.class_, resolved.spec.kwargs) == ("Wanted", {"b": 2})
    assert "dask-cluster.yaml: replaced by a higher source" in str(resolved)


def test_none_fits() -> None:
    """What each wanted is said; a LocalCluster will do where that was asked for, with a warning."""
    with choose(spec("One", host="login*"), spec("Two", command="no-such")):
        with pytest.raises(DaskClusterConfigNotFound) as raised:
            resolve_spec()
        for part in ("no spec of the list", "is not login*;", "no command no-such on PATH"):
            assert part in str(raised.value)
        with pytest.warns(DaskCtlWarning, match="no spec of the list is meant for here"):
            resolved = resolve_spec(local_fallback=True)
    assert (resolved.spec.class_, resolved.used) == ("LocalCluster", ())


def test_a_spec_alone_that_is_meant_for_elsewhere(place: Path) -> None:
    """It is a choice of one; what the call names is used all the same, with a warning."""
    write(place / "dask-cluster.yaml", FILE.format("One", "{command: no-such}"))
    with pytest.raises(DaskClusterConfigNotFound) as raised:
        resolve_spec()
    assert str(raised.value).startswith(
        "dask-cluster.yaml:4: is not meant for here: no command no-such on PATH; name a spec"
    )
    with pytest.warns(DaskCtlWarning, match="using a LocalCluster instead"):
        assert resolve_spec(local_fallback=True).spec.class_ == "LocalCluster"
    with pytest.warns(DaskCtlWarning, match="4: is not meant for here: no command no-such on PATH"):
        assert resolve_spec("dask-cluster.yaml").spec.class_ == "One"
    for configured in ("dask-cluster.yaml", {"when": {"env": "OTHER"}}):
        with (
            dask.config.set({"ctl.cluster-spec": configured}),
            pytest.raises(DaskClusterConfigNotFound, match="is not meant for here"),
        ):
            resolve_spec()
    with pytest.raises(DaskClusterConfigNotFound, match="is not meant for here"):
        resolve_spec({"kwargs": {"a": 1}})


def test_it_is_no_part_of_what_is_made(place: Path) -> None:
    """It has done its work when a spec is resolved."""
    write(place / "dask-cluster.yaml", FILE.format("One", "{command: sbatch}"))
    resolved = resolve_spec()
    assert "when" not in resolved.as_dict()["spec"]
    assert not any(key.startswith("when") for key in resolved.origins)
    assert resolved.expanded(os.environ).chosen == resolved.chosen


def test_what_is_extended_brings_its_conditions() -> None:
    """Those of a base hold for what extends it, and may be added to or taken away."""
    base = {"base": spec("One", command="no-such")}
    with dask.config.set({"ctl.cluster-specs": base}):
        with choose({"extends": "base"}, {"extends": "base", "when": None, "scale": 1}):
            assert resolve_spec().spec.scale == 1
        more = {"extends": "base", "when": {"command": "sbatch", "env": "OTHER"}}
        with choose(more), pytest.raises(DaskClusterConfigNotFound, match="OTHER is not set"):
            resolve_spec()


def test_what_is_wrong_in_a_list(place: Path) -> None:
    """A name that does not exist, a partial spec and what is no spec are errors that name it."""
    with choose("gone", spec("One")), pytest.raises(DaskClusterConfigNotFound, match="'gone'"):
        resolve_spec()
    for wrong, error in [
        ({"kwargs": {}}, "module: missing"),
        (3, "ctl.cluster-spec: must be a path, a name or a mapping, not a number"),
        ("", "is empty"),
        ([spec("One")], "not a list"),
    ]:
        with choose(wrong), pytest.raises(InvalidSpecError) as raised:
            resolve_spec()
        assert error in str(raised.value)
    with choose(), pytest.raises(DaskClusterConfigNotFound, match="the list is empty"):
        resolve_spec()


@pytest.mark.parametrize(
    ("when", "error"),
    [
        ({"hosts": "a"}, "when.hosts: unknown condition; did you mean 'host'?"),
        ("login*", "when: must be a mapping, not a string"),
        ({"host": 3}, "when.host: must be text, not a number"),
        ({"host": []}, "when.host: is an empty list"),
        ({"command": "${env:X}"}, "when.command: is needed before placeholders are replaced"),
        ({"env": "A=1"}, "when.env: 'A=1' is no name of a variable; write NAME, or NAME: pattern"),
        ({"env": {"A": None}}, "when.env.A: must be text or a number, not null"),
    ],
)
def test_wrong(when: Any, error: str) -> None:
    """Conditions that cannot be read are errors with their place."""
    with pytest.raises(InvalidSpecError) as raised:
        resolve_spec({**spec("One"), "when": when})
    assert error in str(raised.value)


def test_settings_choose_nothing(place: Path) -> None:
    """``--set when`` comes too late to choose, and says so."""
    write(place / "dask-cluster.yaml", {"version": 1, **spec("One")})
    with pytest.raises(InvalidSpecError, match="when: cannot be laid over a chosen spec"):
        resolve_spec(settings=["when.host=x"])
