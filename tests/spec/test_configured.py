"""Whatever is configured is applied, or refused with the place where it stands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import dask.config
import platformdirs
import pytest

from dask_ctl.exceptions import DaskCtlError, InvalidSpecError
from dask_ctl.spec import config
from dask_ctl.spec.defaults import Snapshot
from dask_ctl.spec.places import Places
from dask_ctl.spec.resolve import resolve
from dask_ctl.spec.resolved import ResolvedSpec
from dask_ctl.spec.secrets import looks_secret, masked, scrubbed, secrets

HEAD = "version: 1\nmodule: mod\nclass: One\n"
FOREIGN = {
    "a Kubernetes manifest": "apiVersion: v1\nkind: Pod\n",
    "a compose file": "services: {}\n",
    "the values of a Helm chart": "scheduler: {}\nworker: {}\n",
}


def started(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """As if the process had started with these variables."""
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    dask.config.refresh()
    monkeypatch.setattr(config, "_baseline", config.Baseline.of(Snapshot.take(), config.collect()))


def file(text: str) -> ResolvedSpec:
    """What a spec file of the current directory resolves to."""
    Path("dask-cluster.yaml").write_text(HEAD + text)
    return resolve()


def test_json_in_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable may be JSON: its false and null are values."""
    text = '{"n_workers": 2, "processes": false, "x": null}'
    started(monkeypatch, DASK_CTL__CLUSTER_KWARGS=text)
    assert file("").spec.kwargs == {"n_workers": 2, "processes": False, "x": None}


@pytest.mark.parametrize("text", ["n_workers=2", "[a]", "{a", "7"])
def test_what_is_no_mapping(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Text or a list where a mapping is meant is an error that names the variable."""
    with pytest.raises(InvalidSpecError, match=r"^DASK_CTL__CLUSTER_KWARGS: "):  # noqa: PT012
        started(monkeypatch, DASK_CTL__CLUSTER_KWARGS=text)
        file("")


def test_placeholders_are_typed() -> None:
    """A value that is one variable has the type of what it holds; defaults may nest."""
    written = file(
        "kwargs: {n: '${env:N}', p: '${env:P:-false}', t: '${text:N}', a: '${env:A:-${env:B}}',"
        " path: '/x/${env:N}', shell: '$X ${X} ${X:-y}'}\nscale: ${env:N}\n"
    )
    spec = written.expanded({"N": "2", "B": "b"}).spec
    shell = "$X ${X} ${X:-y}"
    assert spec.scale == 2
    assert spec.kwargs == {
        "n": 2, "p": False, "t": "2", "a": "b", "path": "/x/2", "shell": shell,
    }  # fmt: skip


@pytest.mark.parametrize("text", ["${env:N", "${env:}", "a ${env:N-x} b", "${env:A:-${env:B}}"])
def test_malformed_placeholders(text: str) -> None:
    """What cannot be replaced is an error with the line and the key."""
    with pytest.raises(InvalidSpecError, match=r"^dask-cluster\.yaml:5: kwargs\.a: "):
        file(f"kwargs:\n  a: '{text}'\n").expanded({})


def test_a_variable_in_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    """A nested variable changes the key that is there, whatever its case."""
    started(monkeypatch, DASK_CTL__CLUSTER_KWARGS__ENV__OMP_NUM_THREADS="8")
    assert file("kwargs: {env: {OMP_NUM_THREADS: 1}}\n").spec.kwargs["env"] == {
        "OMP_NUM_THREADS": 8
    }


def test_defaults_of_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a package gives to `update_defaults` is the lowest layer of the configuration."""
    given = {"ctl": {"cluster-spec": {"module": "mod", "class": "Packaged"}}}
    monkeypatch.setattr(dask.config, "defaults", [*dask.config.defaults, given])
    started(monkeypatch)
    assert resolve().spec.class_ == "Packaged"
    started(monkeypatch, DASK_CTL__CLUSTER_SPEC='{"module": "mod", "class": "Other"}')
    assert resolve().spec.class_ == "Other"


@pytest.mark.parametrize("written", ["0123", "on", "3.10", "2024_01"])
def test_yaml_traps(written: str) -> None:
    """What YAML reads otherwise than it looks is warned of, with its line."""
    (warning,) = file(f"kwargs:\n  a: {written}\n").warnings
    assert str(warning.origin) == "dask-cluster.yaml:5"
    assert written in warning.summary
    assert not file(f"kwargs:\n  a: '{written}'\n").warnings


def test_any_name_of_an_argument() -> None:
    """Hyphens read as underscores where that makes a name; other names stay as written."""
    kwargs = {"-class": 1, "n-workers": 2, "a.b": 3}
    spec = resolve({"module": "mod", "class": "One", "kwargs": kwargs}).spec
    assert spec.kwargs == {"_class": 1, "n_workers": 2, "a.b": 3}


@pytest.mark.parametrize("args", [([1],), [(1, [2])], ()])
def test_tuples(args: Any) -> None:
    """Tuples are lists, and those within arguments stay what they are."""
    assert len(resolve({"module": "mod", "class": "One", "args": args}).spec.args) == len(args)


@pytest.mark.parametrize("text", ["2026-01-01: x", f"a: {'9' * 5000}"])
def test_odd_values(text: str) -> None:
    """A date as a key, or a huge number, is shown or is an error of one line."""
    try:
        assert file(f"kwargs:\n  {text}\n").as_dict()
    except DaskCtlError as error:
        assert str(error).startswith("dask-cluster.yaml:5: kwargs")  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017


def test_an_empty_variable_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a shell means it."""
    started(monkeypatch, DASK_CTL__CLUSTER_SPEC="", DASK_CTL__CLUSTER_KWARGS=" ")
    assert file("").spec.class_ == "One"


@pytest.mark.parametrize(("what", "text"), FOREIGN.items())
def test_files_of_other_tools(what: str, text: str) -> None:
    """They are called what they are."""
    Path("dask-cluster.yaml").write_text(text)
    with pytest.raises(InvalidSpecError, match=f"is {what}, not a spec"):
        resolve()


def test_a_named_spec_of_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name met by another user's file in the current directory is refused."""
    started(monkeypatch, DASK_CTL__CLUSTER_SPEC="hpc")
    Path("hpc.yaml").write_text(HEAD)
    if os.getuid():
        pytest.skip("only root can give files away")
    os.chown("hpc.yaml", 4321, 4321)
    with pytest.raises(InvalidSpecError, match="belongs to another user"):
        resolve()


@pytest.mark.parametrize("mode", [0o775, 0o777, 0o1777])
def test_folders_that_everybody_writes(isolated: Path, mode: int) -> None:
    """Who can put another file in its place decides what is run; a sticky folder forbids it."""
    isolated.chmod(mode)
    if mode == 0o777:
        with pytest.raises(InvalidSpecError, match="lies in a folder"):
            file("")
    else:
        assert file("").spec.class_ == "One"


def test_a_link_of_somebody_else(isolated: Path) -> None:
    """Both ends of a link count."""
    if os.getuid():
        pytest.skip("only root can give links away")
    Path("mine.yaml").write_text(HEAD)
    Path("dask-cluster.yaml").symlink_to("mine.yaml")
    assert resolve().spec.class_ == "One"
    os.lchown("dask-cluster.yaml", 4321, 4321)
    with pytest.raises(InvalidSpecError, match="belongs to another user"):
        resolve()


def test_secrets() -> None:
    """Secrets are hidden by name and by form, and in what others say of them."""
    value = {
        "url": "https://user:hunter22@host",
        "auth": {"pw": "hunter23"},
        "env_extra": ["export DB_PASSWORD=hunter24"],
        "password": "${env:NOPE:-hunter25}",
        "passphrase": "hunter26",
        "tokenizer": "t",
        "key_filename": "id_rsa",
        "secret": "${env:S}",
    }
    shown = str(masked(value))
    assert "hunter" not in shown
    assert masked(value)["secret"] == "${env:S}"
    assert (masked(value)["tokenizer"], masked(value)["key_filename"]) == ("t", "id_rsa")
    assert "hunter23" not in scrubbed("no login with hunter23", list(secrets(value)))
    assert not any(map(looks_secret, ("keyboard", "author", "tokenizer")))


def test_no_home(monkeypatch: pytest.MonkeyPatch, isolated: Path) -> None:
    """A user without a home has no spec folder of his own, and that is all."""

    def homeless(*_: Any, **__: Any) -> str:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(platformdirs.PlatformDirs, "user_config_dir", property(homeless))
    assert Places.here().user is None
    assert file("").spec.class_ == "One"
