"""The contract of resolution: which spec, from which sources, and where each part came from."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.config
import pytest

from dask_ctl import resolve_spec
from dask_ctl.exceptions import (
    DaskClusterConfigNotFound,
    DaskCtlWarning,
    InvalidSpecError,
)
from tests.conftest import needs_root
from tests.spec.sources import NAMED, started, write

# -- what was set in code ----------------------------------------------------------------


def origins(**call: Any) -> dict[str, tuple[str, str]]:
    """The origins of a resolved spec: kind of source and place."""
    found = resolve_spec(**call).origins
    return {key: (origin.source.label, origin.where) for key, origin in found.items()}


FULL = {"module": "mod", "class": "One", "kwargs": {"n": 1, "t": 1}}


def configure(root: Path, value: Any) -> Path:
    """Write a dask configuration file, and start with it."""
    path = write(root / "home" / ".config" / "dask" / "ctl.yaml", {"ctl": value})
    started()
    return path


def test_string_in_environment_beats_mapping_in_file(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable wins over a mapping in a file, although dask's tree holds the mapping."""
    path = write(root / "x.yaml", {"version": 1, **NAMED})
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC", str(path))
    configure(root, {"cluster-spec": FULL})
    assert resolve_spec().spec.class_ == "Named"
    with dask.config.set({"ctl.cluster-spec": FULL}):
        resolved = resolve_spec()
        assert resolved.spec.class_ == "One"
        assert resolved.origin.source.label == "set"
    assert resolve_spec().spec.class_ == "Named"


def test_nested_set_changes_its_leaf(root: Path) -> None:
    """A nested set changes one leaf, and the others keep their origin."""
    path = configure(root, {"cluster-spec": FULL})
    with dask.config.set({"ctl.cluster-spec.kwargs.n": 5}):
        assert resolve_spec().spec.kwargs == {"n": 5, "t": 1}
        assert origins()["kwargs.n"] == ("set", "dask.config.set")
        assert origins()["kwargs.t"] == ("config", f"{path}:6")
        with dask.config.set({"ctl.cluster-spec.kwargs": {"other": 1}}):
            assert resolve_spec().spec.kwargs == {"other": 1}
        with dask.config.set({"ctl.cluster-spec": {**FULL, "kwargs": {"n": 7}}}):
            assert resolve_spec().spec.kwargs == {"n": 7}
            assert {source for source, _ in origins().values()} == {"set"}
        assert resolve_spec().spec.kwargs == {"n": 5, "t": 1}
    assert resolve_spec().spec.kwargs == {"n": 1, "t": 1}


def test_set_to_the_same_value_is_seen(root: Path) -> None:
    """What code sets is its own even where it is what a file says."""
    write(root / "cwd" / "dask-cluster.yaml", {"version": 1, **FULL, "scale": 3})
    configure(root, {"cluster-spec": FULL})
    assert resolve_spec().spec.scale == 3
    with dask.config.set({"ctl.cluster-spec": json.loads(json.dumps(FULL))}):
        assert resolve_spec().spec.scale is None
        assert {source for source, _ in origins().values()} == {"set"}


def test_refresh_drops_what_was_set(root: Path) -> None:
    """After a refresh the sources count again, and a later set is told from them."""
    configure(root, {"cluster-spec": FULL})
    dask.config.set({"ctl.cluster-spec": {"module": "mod", "class": "Two"}})
    try:
        assert resolve_spec().spec.class_ == "Two"
    finally:
        dask.config.refresh()
    assert origins()["class"][0] == "config"
    with dask.config.set({"ctl.cluster-spec.kwargs.n": 9}):
        assert origins()["kwargs.n"][0] == "set"
        assert origins()["kwargs.t"][0] == "config"


def test_environment_changed_after_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment counts as it is now, and its old value is nobody's set."""
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC", json.dumps(FULL))
    started()
    assert origins()["class"] == ("environment", "DASK_CTL__CLUSTER_SPEC")
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC", json.dumps({"module": "mod", "class": "Two"}))
    assert resolve_spec().spec.class_ == "Two"
    monkeypatch.delenv("DASK_CTL__CLUSTER_SPEC")
    with pytest.raises(DaskClusterConfigNotFound):
        resolve_spec()


def test_set_before_import(python: Callable[..., Any], root: Path) -> None:
    """A set that precedes the import of dask_ctl is a set."""
    script = write(
        root / "script.py",
        "import dask.config\n"
        f"dask.config.set({{'ctl.cluster-spec': {FULL!r}}})\n"
        "import dask_ctl\n"
        "print(dask_ctl.resolve_spec().origin.source.label)\n",
    )
    assert python(script).stdout == "set\n"


def test_objects_set_in_code_stay_themselves() -> None:
    """A value that YAML cannot hold reaches the spec as the same object."""
    thing = object()
    with dask.config.set({"ctl.cluster-spec": {**FULL, "kwargs": {"thing": thing, "t": (1,)}}}):
        spec = resolve_spec().spec
    assert spec.kwargs["thing"] is thing
    assert spec.kwargs["t"] == (1,)


# -- the environment ---------------------------------------------------------------------


def test_nested_variables(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nested variables lie over whatever is below, each with its own name as origin."""
    write(root / "cwd" / "dask-cluster.yaml", {"version": 1, **FULL})
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC__KWARGS__N", "40")
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC__KWARGS__OPTIONS", '{"dashboard": false}')
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC__SCALE", "2")
    started()
    spec = resolve_spec().spec
    assert spec.kwargs == {"n": 40, "t": 1, "options": {"dashboard": False}}
    assert spec.scale == 2
    assert origins()["kwargs.n"] == ("environment", "DASK_CTL__CLUSTER_SPEC__KWARGS__N")
    assert origins()["kwargs.t"] == ("file", "dask-cluster.yaml:4")


def test_two_variables_make_a_full_spec(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Module and class from two variables are a full mapping: the lower kwargs do not apply."""
    write(root / "cwd" / "dask-cluster.yaml", {"version": 1, **FULL})
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC__MODULE", "mod")
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC__CLASS", "Two")
    resolved = resolve_spec()
    assert resolved.spec.target == "mod.Two"
    assert resolved.spec.kwargs == {}
    assert "kwargs" in str(resolved.overridden[0])


def test_inherited_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """What dask hands on to its processes counts, and its null is nobody's wish."""
    inherited = {"ctl": {"cluster-spec": FULL, "cluster-kwargs": {"n": 3}}}
    monkeypatch.setenv("DASK_INTERNAL_INHERIT_CONFIG", dask.config.serialize(inherited))
    started()
    assert resolve_spec().spec.kwargs["n"] == 3
    nothing = {"ctl": {"cluster-spec": None}}
    monkeypatch.setenv("DASK_INTERNAL_INHERIT_CONFIG", dask.config.serialize(nothing))
    with pytest.raises(DaskClusterConfigNotFound):
        resolve_spec()


# -- cluster-kwargs ----------------------------------------------------------------------


def test_cluster_kwargs_lie_over_every_spec(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One variable changes one argument of whatever spec is named, by path or in code."""
    write(root / "cwd" / "hpc.yaml", {"version": 1, **FULL})
    configure(root, {"cluster-kwargs": {"n": 2, "options": {"a": 1}}})
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC", "hpc.yaml")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__N", "40")
    assert resolve_spec().spec.kwargs == {"n": 40, "t": 1, "options": {"a": 1}}
    assert origins()["kwargs.n"] == ("environment", "DASK_CTL__CLUSTER_KWARGS__N")
    assert resolve_spec(FULL).spec.kwargs["n"] == 40
    with dask.config.set({"ctl.cluster-kwargs.n": 50}):
        assert resolve_spec().spec.kwargs["n"] == 50
    with dask.config.set({"ctl.cluster-kwargs": {}}):
        assert resolve_spec().spec.kwargs == {"n": 1, "t": 1}
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS", "seven")
    monkeypatch.delenv("DASK_CTL__CLUSTER_KWARGS__N")
    with pytest.raises(InvalidSpecError, match=r"CLUSTER_KWARGS: ctl.cluster-kwargs: must be a"):
        resolve_spec()


def test_hyphens_in_names(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` in the names of arguments reads as `_`, at the top level only, across sources."""
    deep = {"n-workers": 1, "options": {"a-b": 1, "A_B": 2}}
    write(root / "cwd" / "dask-cluster.yaml", {"version": 1, **FULL, "kwargs": deep})
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__N_WORKERS", "4")
    assert resolve_spec().spec.kwargs == {"n_workers": 4, "options": {"a-b": 1, "A_B": 2}}


# -- names and paths ---------------------------------------------------------------------


def test_named_spec_in_configuration(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name means `ctl.cluster-specs` first, layered like `ctl.cluster-spec`, then files."""
    path = configure(root, {"cluster-specs": {"hpc": FULL}})
    write(root / "cwd" / "hpc.yaml", {"version": 1, **NAMED})
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPECS__HPC__KWARGS__N", "8")
    assert resolve_spec("hpc").spec.kwargs == {"n": 8, "t": 1}
    origin = resolve_spec("hpc").origin
    assert (origin.source.label, origin.where) == ("config", f"{path}:4")
    assert str(origin.via) == "create_cluster(...)"
    with dask.config.set({"ctl.cluster-specs": {"own": NAMED}}):
        assert resolve_spec("own").spec.class_ == "Named"
        assert resolve_spec("hpc").spec.class_ == "Named"  # the file: the mapping was replaced


@pytest.mark.parametrize("name", ["hpc.yaml", "hpc.yml", "hpc.json", "hpc"])
def test_name_finds_file(root: Path, name: str) -> None:
    """A name finds a file in the current directory, the user's folder, then the system's."""
    folders = [
        root / "etc" / "xdg" / "dask-ctl",
        root / "home" / ".config" / "dask-ctl",
        root / "cwd",
    ]
    for number, folder in enumerate(folders):
        spec = {"version": 1, **NAMED, "scale": number}
        write(folder / name, json.dumps(spec, indent="\t") if name == "hpc.json" else spec)
        assert resolve_spec("hpc").spec.scale == number


def test_paths(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~`, variables and path objects are understood; relative paths try the three places."""
    write(root / "home" / "specs" / "a.yaml", {"version": 1, **NAMED})
    write(root / "home" / ".config" / "dask-ctl" / "sub" / "b.yaml", {"version": 1, **NAMED})
    write(root / "cwd" / "plain", {"version": 1, **NAMED})
    monkeypatch.setenv("SPECS", str(root / "home" / "specs"))
    paths = ["~/specs/a.yaml", "$SPECS/a.yaml", "${SPECS}/a.yaml", "sub/b.yaml", Path("plain")]
    for path in paths:
        assert resolve_spec(path).spec.class_ == "Named"


def test_not_found_names_every_place(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what asked, and every place that was looked at."""
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC", "nowhere")
    with pytest.raises(FileNotFoundError) as caught:
        resolve_spec()
    text = str(caught.value)
    assert text.startswith("DASK_CTL__CLUSTER_SPEC: a spec named 'nowhere' does not exist")
    for place in ("cwd/nowhere.yaml", "home/.config/dask-ctl/nowhere.yml", "etc/xdg/dask-ctl"):
        assert str(root / place) in text
    assert "ctl.cluster-specs" in text


@needs_root
def test_what_cannot_be_read_is_named_where_nothing_is_found(
    python: Callable[..., Any], root: Path
) -> None:
    """Dask passes over such files, which may say all that is needed."""
    (root / "as_another.py").write_text(
        "import os, dask_ctl\n"
        "dask_ctl.resolve_spec({'module': 'a', 'class': 'B'})  # imports all that is needed\n"
        "os.setuid(65534)\n"
        "try:\n    dask_ctl.resolve_spec()\n"
        "except FileNotFoundError as error:\n    print(error)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        file = write(Path(folder, "site.yaml"), {"ctl": {"cluster-spec": "x"}})
        file.chmod(0o600)
        done = python(root / "as_another.py", env={"DASK_CONFIG": folder})
    assert f"; what cannot be read does not count: {file})" in done.stdout, done.stderr


def test_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing configured there is a LocalCluster, over which partial specs lie."""
    assert resolve_spec(local_fallback=True).spec.target == "dask.distributed.LocalCluster"
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC__KWARGS__N_WORKERS", "3")
    resolved = resolve_spec(local_fallback=True)
    assert resolved.spec.kwargs == {"n_workers": 3}
    assert resolved.origin.source.label == "fallback"


def test_fallback_to_a_scheduler_that_was_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `Client()` does, and said; nothing else that is configured gives way to it."""
    address = "tcp://10.0.0.1:8786"
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", address)
    dask.config.refresh()
    with pytest.raises(DaskClusterConfigNotFound):
        resolve_spec()
    with pytest.warns(DaskCtlWarning, match=f"^DASK_SCHEDULER_ADDRESS: .* scheduler {address}; "):
        resolved = resolve_spec(local_fallback=True)
    assert resolved.spec.target == "dask_ctl.proxy.ProxyCluster"
    assert str(resolved.origins["kwargs.address"]) == "DASK_SCHEDULER_ADDRESS"
    assert resolved.origin.source.label == "fallback"
    local = "dask.distributed.LocalCluster"
    laid_over = resolve_spec(local_fallback=True, settings=["kwargs.n_workers=1"])
    assert laid_over.spec.target == local
    with pytest.warns(DaskCtlWarning, match="'nowhere' does not exist"):
        assert resolve_spec("nowhere", local_fallback=True).spec.target == local
    for variable in ("DASK_CTL__CLUSTER_KWARGS__N_WORKERS", "DASK_CTL__CLUSTER_SPEC__SCALE"):
        with monkeypatch.context() as context:
            context.setenv(variable, "3")
            assert resolve_spec(local_fallback=True).spec.target == local
    with dask.config.set({"ctl.cluster-spec": FULL}):
        assert resolve_spec(local_fallback=True).spec.class_ == "One"


@pytest.mark.parametrize("source", ["argument", "set", "environment", "config"])
def test_fallback_for_what_is_missing_warns(
    root: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """A configured spec that does not exist falls back with a warning that names both."""
    argument = None
    if source == "argument":
        argument, where = "gone.yaml", r"create_cluster\(...\)"
    elif source == "set":
        dask.config.set({"ctl.cluster-spec": "gone.yaml"})
        where = "dask.config.set"
    elif source == "environment":
        monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC", "gone.yaml")
        where = "DASK_CTL__CLUSTER_SPEC"
    else:
        where = str(configure(root, {"cluster-spec": "gone.yaml"}))
    with pytest.warns(DaskCtlWarning, match=rf"{where}.*'gone.yaml' does not exist"):
        assert resolve_spec(argument, local_fallback=True).spec.class_ == "LocalCluster"


def test_wrong_spec_never_falls_back(root: Path) -> None:
    """A spec that exists but is wrong is an error also with a fallback."""
    write(root / "cwd" / "dask-cluster.yaml", "version: 1\nkwargs: [1]\n")
    with pytest.raises(InvalidSpecError, match=r"dask-cluster.yaml:2: kwargs: must be a mapping"):
        resolve_spec(local_fallback=True)


def test_unused_sources_are_not_read(root: Path) -> None:
    """A broken file that does not take part breaks nothing."""
    write(root / "cwd" / "dask-cluster.yaml", "][")
    assert resolve_spec(FULL).spec.class_ == "One"
    assert "dask-cluster.yaml: replaced" in str(resolve_spec(FULL).overridden[0])


def test_parents_are_not_searched(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in a parent of the current directory is not found."""
    write(root / "cwd" / "dask-cluster.yaml", {"version": 1, **NAMED})
    (root / "cwd" / "below").mkdir()
    monkeypatch.chdir(root / "cwd" / "below")
    with pytest.raises(DaskClusterConfigNotFound, match=r"below.dask-cluster\.yaml"):
        resolve_spec()


# -- trust -------------------------------------------------------------------------------


def test_implicit_file_writable_by_all_is_refused(root: Path) -> None:
    """A file found in the current directory must not be writable by everybody."""
    path = write(root / "cwd" / "dask-cluster.yaml", {"version": 1, **NAMED})
    path.chmod(0o666)
    with pytest.raises(InvalidSpecError, match=r"writable by everybody.*chmod o-w"):
        resolve_spec(local_fallback=True)
    assert resolve_spec("dask-cluster.yaml").spec.class_ == "Named"


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="needs root to give a file away")
def test_implicit_file_of_another_user_is_refused(root: Path) -> None:
    """A file found in the current directory must be ours, root's or the script owner's."""
    path = write(root / "cwd" / "dask-cluster.yaml", {"version": 1, **NAMED})
    os.chown(path, 12345, 12345)
    with pytest.raises(InvalidSpecError, match=r"belongs to another user .uid 12345.*name it"):
        resolve_spec()
    assert resolve_spec("dask-cluster.yaml").spec.class_ == "Named"


# -- the value ---------------------------------------------------------------------------


def test_resolved_spec_is_frozen_and_repeatable(root: Path) -> None:
    """The result cannot be changed, and its dump resolves to the same spec."""
    given = {**FULL, "kwargs": {"deep": {"list": [1, {"x": 1}]}}, "adapt": {"minimum": 1}}
    copy = json.loads(json.dumps(given))
    resolved = resolve_spec(given)
    with pytest.raises(AttributeError):
        resolved.spec.module = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        resolved.spec.kwargs["deep"]["x"] = 1
    assert given == copy
    dumped = resolved.spec.as_dict()
    assert resolve_spec(dumped).spec == resolved.spec
    path = write(root / "dump.yaml", dumped)
    assert resolve_spec(str(path)).spec == resolved.spec


def test_nothing_of_the_backend_is_imported(python: Callable[..., Any]) -> None:
    """Importing and resolving import neither distributed nor the backend."""
    code = (
        "import sys, dask_ctl.lifecycle\n"
        "dask_ctl.resolve_spec({'module': 'dask_jobqueue', 'class': 'SLURMCluster'})\n"
        "print([m for m in ('distributed', 'dask_jobqueue', 'rich') if m in sys.modules])"
    )
    assert python("-c", code).stdout == "[]\n"


def test_unknown_key_of_the_namespace_is_warned_of(root: Path) -> None:
    """A misspelt key of `ctl` is a warning with its place and the right spelling."""
    path = configure(root, {"cluster-sepc": "x.yaml"})
    with pytest.warns(DaskCtlWarning, match=rf"{path}:2: ctl.cluster-sepc.*'cluster-spec'"):
        resolve_spec(FULL)


@pytest.mark.parametrize("variable", ["DASK_CONFIG", "DASK_ROOT_CONFIG", "HOME"])
def test_files_that_dask_reads(python: Callable[..., Any], root: Path, variable: str) -> None:
    """A process finds the spec in each place of dask's search path, and names file and line."""
    folder = root / variable.lower()
    place = folder / ".config" / "dask" if variable == "HOME" else folder
    path = write(place / "any.yaml", {"ctl": {"cluster-spec": FULL}})
    code = (
        "import dask_ctl; origin = dask_ctl.resolve_spec().origin\n"
        "print(origin.source.label, origin.where)"
    )
    named = path if variable == "DASK_CONFIG" else folder
    assert python("-c", code, env={variable: str(named)}).stdout == f"config {path}:3\n"
