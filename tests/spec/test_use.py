"""``dask cluster spec use``: this one from now on; and what goes before what is said."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.config
import pytest
import yaml

from dask_ctl import list_specs, resolve_spec
from dask_ctl.exceptions import DaskClusterConfigNotFound, DaskCtlWarning, InvalidSpecError
from dask_ctl.lifecycle import use_spec
from tests.conftest import own_words
from tests.spec.sources import write

Python = Callable[..., subprocess.CompletedProcess[str]]
SPEC = "version: 1\nmodule: dask.distributed\nclass: {}\n"
DASK = Path(sys.executable).with_name("dask")


@pytest.fixture
def user(isolated: Path) -> Path:
    """The user's spec folder, with two specs and a partial one."""
    folder = isolated.parent / "home" / ".config" / "dask-ctl"
    write(folder / "hpc.yaml", SPEC.format("SSHCluster"))
    write(folder / "laptop.yaml", SPEC.format("LocalCluster"))
    write(folder / "more.yaml", "version: 1\nscale: 3\n")
    return folder


@pytest.fixture
def file(user: Path) -> Path:
    """The one file of ours."""
    return user.parent / "dask" / "dask-ctl.yaml"


def in_force() -> str:
    return resolve_spec().spec.class_


def test_from_now_on(user: Path, file: Path, python: Python) -> None:
    """The commands: a spec is used, shown and listed as such, and taken back again."""

    def cluster(*words: str) -> subprocess.CompletedProcess[str]:
        return python(DASK, "cluster", *words)

    used = cluster("spec", "use", "hpc+more")
    assert (used.stdout, used.returncode) == ("", 0)
    assert used.stderr == f"hpc+more is in use. Changed {file}.\n"
    shown = cluster("spec", "show").stdout
    assert f"class: SSHCluster         # file: {user / 'hpc.yaml'}:3 (named by {file}:4)" in shown
    listed = cluster("spec", "list").stdout
    assert f"* in force, named by {file}:4\n" in listed
    assert [line.split()[1] for line in listed.splitlines() if line.startswith("* ")] == [
        "hpc",
        "more",
        "in",
    ]
    assert "Changed" in cluster("spec", "use", "--unset").stderr
    assert not file.exists()
    again = cluster("spec", "use", "--unset")
    assert (again.stderr, again.returncode) == ("Nothing was in use.\n", 0)
    assert cluster("spec", "show").returncode == 3


def test_for_a_projects_folder(
    user: Path, file: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There and below it the local one goes before the other, and each is taken back alone."""
    use_spec("hpc")
    assert use_spec("laptop", local=True) == file
    assert in_force() == "LocalCluster"
    (isolated / "below").mkdir()
    monkeypatch.chdir(isolated / "below")
    assert in_force() == "LocalCluster"
    use_spec("hpc+more", local=True)
    assert resolve_spec().spec.scale == 3
    assert resolve_spec().origins["scale"].via
    monkeypatch.chdir(isolated.parent)
    assert in_force() == "SSHCluster"
    assert use_spec(None, local=True) is None
    monkeypatch.chdir(isolated)
    use_spec(None)
    assert in_force() == "LocalCluster"
    use_spec(None, local=True)
    assert yaml.safe_load(file.read_text()) == {
        "ctl": {"project-specs": {str(isolated / "below"): "hpc+more"}}
    }


@pytest.mark.parametrize(
    "name", ["mine", "mine.yaml", "./mine.yaml", "mine.yaml+more", "mine+more"]
)
def test_what_lies_here_is_meant_from_everywhere(
    user: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A spec in the current directory is used by its whole path."""
    write(isolated / "mine.yaml", SPEC.format("SSHCluster"))
    use_spec(name)
    monkeypatch.chdir(isolated.parent)
    resolved = resolve_spec()
    assert resolved.origins["class"].place == str(isolated / "mine.yaml")
    assert resolved.spec.scale == (3 if "more" in name else None)


def test_what_goes_before_it_is_said(
    user: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable, a later file, code, and the one of this folder."""
    with monkeypatch.context() as patch:
        patch.setenv("DASK_CTL__CLUSTER_SPEC", "laptop")
        with pytest.warns(
            DaskCtlWarning, match=r":4: not in force here: DASK_CTL__CLUSTER_SPEC goes before it"
        ):
            use_spec("hpc")
    later = write(file.with_name("zz.yaml"), "ctl: {cluster-spec: laptop}\n")
    with pytest.warns(DaskCtlWarning, match=f"not in force here: {later}:1 goes before it"):
        use_spec("hpc")
    use_spec("hpc", local=True)
    assert in_force() == "SSHCluster"
    later.unlink()
    with (
        dask.config.set({"ctl.cluster-spec": "laptop"}),
        pytest.warns(DaskCtlWarning, match=r"not in force here: dask\.config\.set goes"),
    ):
        use_spec("hpc", local=True)
    with pytest.warns(DaskCtlWarning, match=rf"not in force here: {file}:6 goes before it"):
        use_spec("laptop")
    write(user / "elsewhere.yaml", SPEC.format("LocalCluster") + "when: {command: no-such}\n")
    with pytest.warns(
        DaskCtlWarning,
        match="is not meant for here: no command no-such.*; in force where that holds",
    ):
        use_spec("elsewhere", local=True)
    use_spec(None)  # now there is nothing else
    with pytest.warns(DaskCtlWarning) as told:
        use_spec("elsewhere", local=True)
    assert ["is not meant for here" in str(each.message) for each in told] == [True]


@pytest.mark.parametrize("name", ["gone", "more", "hpc+gone"])
def test_only_what_is_a_spec_is_used(user: Path, file: Path, name: str) -> None:
    """What does not exist or is wrong is refused, and nothing is written."""
    with pytest.raises((DaskClusterConfigNotFound, InvalidSpecError)):
        use_spec(name)
    assert not file.exists()


def test_other_keys_of_the_file_stay(user: Path, file: Path) -> None:
    """It is the file of the methods of discovery, too."""
    write(file, {"ctl": {"disable-discovery": ["one"]}})
    use_spec("hpc")
    use_spec(None)
    assert yaml.safe_load(file.read_text()) == {"ctl": {"disable-discovery": ["one"]}}


def test_folders_are_a_mapping(file: Path) -> None:
    """What is none is an error that names its place."""
    write(file, "ctl: {project-specs: hpc}\n")
    with pytest.raises(InvalidSpecError, match=r"1: ctl\.project-specs: must be a mapping"):
        resolve_spec()


def test_usage(python: Python) -> None:
    """A name or --unset, not both and not neither."""
    for words in ([], ["hpc", "--unset"]):
        assert python(DASK, "cluster", "spec", "use", *words).returncode == 2


HIDDEN = """
from dask_ctl import create_cluster

spec = {!r}
for _ in range(2):
    create_cluster(spec).close()
"""


@pytest.mark.parametrize("by", ["file", "configuration", "overruled", "variable"])
def test_what_is_put_aside_is_said_once(
    user: Path, isolated: Path, python: Python, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """By `create_cluster`, in one line on standard error; and `spec list` shows it."""
    kwargs = "kwargs: {n_workers: 0, dashboard_address: ':0'}\n"
    text = SPEC.format("LocalCluster") + kwargs
    named = write(user / "named.yaml", text)
    config = user.parent / "dask" / "mine.yaml"
    spec: Any = "named"
    if by == "file":
        hidden, goes_first = str(named), "named.yaml"
        write(isolated / "named.yaml", text)
    elif by == "configuration":
        hidden, goes_first = str(named), f"{config}:3"
        write(config, {"ctl": {"cluster-specs": {"named": yaml.safe_load(text)}}})
    else:
        spec, hidden = None, "dask-cluster.yaml"
        write(isolated / "dask-cluster.yaml", text)
        goes_first = f"{config}:2"
        if by == "overruled":
            write(config, {"ctl": {"cluster-spec": "named"}})
        else:
            monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC", "named")
    done = python("-c", HIDDEN.format(spec))
    said = f"{hidden}: not used: {goes_first} goes before it; name it by its path to use it\n"
    assert own_words(done.stderr) == ("" if by == "variable" else said)
    listed = json.loads(python(DASK, "cluster", "spec", "list", "-o", "json").stdout)["specs"]
    shown = {each["where"].rpartition(":")[0]: each["hidden_by"] for each in listed}
    assert shown[hidden]


def test_an_inline_default_is_listed(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in force has a line, also where it has no name."""
    site = isolated.parent / "etc" / "dask" / "site.yaml"
    write(site, {"ctl": {"cluster-spec": {"module": "mod", "class": "Site"}}})
    (entry,) = list_specs()
    assert (entry.name, entry.backend, entry.in_force) == ("ctl.cluster-spec", "mod.Site", True)
    assert entry.origin.where == f"{site}:2"
    write(isolated / "other" / "mine.yaml", {"version": 1, "module": "mod", "class": "Mine"})
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC", "other/mine.yaml")
    (entry,) = list_specs()
    assert (entry.name, entry.backend) == (str(isolated / "other" / "mine.yaml"), "mod.Mine")


def test_null_is_no_choice_of_a_project(isolated: Path) -> None:
    """As where code has replaced all of dask's configuration."""
    with dask.config.set({"ctl.project-specs": None}):
        assert resolve_spec(local_fallback=True).spec.class_ == "LocalCluster"


@pytest.mark.parametrize("before", ["nowhere", "partial.yaml"])
def test_what_goes_before_it_may_be_wrong(
    user: Path, file: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    """A variable that names nothing, or half a spec, is in the way as one that is right."""
    Path("partial.yaml").write_text("version: 1\nkwargs: {n_workers: 1}\n")
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC", before)
    with pytest.warns(
        DaskCtlWarning, match="not in force here: DASK_CTL__CLUSTER_SPEC goes before"
    ):
        use_spec("laptop")


def test_what_is_configured_and_wrong_is_listed(isolated: Path) -> None:
    """The list says why it is not in force; and of files that are nearly specs what is wrong."""
    isolated.joinpath("near.yaml").write_text("version: 1\nmodul: distributed\nclass: X\n")
    isolated.joinpath("other.yaml").write_text("version: 2\nupdates: []\n")
    with dask.config.set({"ctl.cluster-spec": "nowhere.yaml"}):
        problems = {entry.name: entry.problem for entry in list_specs()}
    assert problems.keys() == {"near", "ctl.cluster-spec"}
    assert "modul: unknown key; did you mean 'module'?" in str(problems["near"])
    assert "'nowhere.yaml' does not exist" in str(problems["ctl.cluster-spec"])
