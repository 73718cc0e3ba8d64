"""Which discovery methods there are, and which of them are used."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import dask.config
import pytest
import yaml

from dask_ctl import (
    list_discovery_methods,
)
from tests.conftest import require_package
from tests.distributions import GOOD, install

Python = Callable[..., "subprocess.CompletedProcess[str]"]


def test_methods_are_listed_unimported(packages: Path, shell: Python) -> None:
    """`discovery list` and `list_discovery_methods` name package, version and path."""
    imported = install(packages, "good", GOOD)
    expected = {
        "name": "good",
        "package": "good-dist",
        "version": "1.0",
        "path": "good_module:discover",
        "enabled": True,
        "broken": None,
    }
    assert list_discovery_methods()["good"] == expected
    rows = json.loads(shell("discovery", "list", "--output", "json").stdout)
    assert next(row for row in rows if row["name"] == "good") == expected
    table = shell("discovery", "list").stdout.splitlines()
    assert table[0].split() == ["NAME", "PACKAGE", "VERSION", "ENABLED", "PATH"]
    assert ["good", "good-dist", "1.0", "yes", "good_module:discover"] in map(str.split, table)
    assert not imported.exists()


def test_disabled_is_not_imported(
    packages: Path, shell: Python, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From `disable` to `enable` a method is not imported, by no command; the user's file stays."""
    imported = install(packages, "good", GOOD)
    other = install(packages, "other", GOOD)
    config = Path.home() / ".config" / "dask" / "a.yaml"
    config.parent.mkdir(parents=True)
    before = "ctl:\n  # those that take too long\n  disable-discovery:\n"
    kept = dask.config.get("ctl.disable-discovery")
    before += "".join(f"    - {name}\n" for name in kept) + "  discovery: {timeout: 20s}  # slow\n"
    config.write_text(before)
    monkeypatch.delenv("DASK_CTL__DISABLE_DISCOVERY")
    monkeypatch.delenv("DASK_CTL__DISCOVERY__TIMEOUT")
    done = shell("discovery", "disable", "good")
    assert (done.stdout, done.stderr, done.returncode) == (
        "",
        f"Wrote {config.with_name('dask-ctl.yaml')}.\n",
        0,
    )
    for command in (["list"], ["list", "good"], ["show", "one"], ["discovery", "list"]):
        shell(*command)
    assert not imported.exists()
    assert other.exists()
    done = shell("list", "good")
    assert (done.stdout, done.returncode) == ("", 4)
    assert done.stderr == (
        "Error: discovery method 'good' is disabled; "
        "to use it again: dask cluster discovery enable good\n"
    )
    assert shell("discovery", "disable", "good").stderr == "good is disabled already.\n"
    assert shell("discovery", "enable", "good").returncode == 0
    assert config.read_text() == before
    assert shell("discovery", "enable", "good").stderr == "good is enabled already.\n"
    assert '"one"' in shell("list", "good", "--output", "json").stdout
    assert imported.exists()


@pytest.mark.parametrize("command", [["list"], ["discovery", "disable"], ["discovery", "enable"]])
def test_unknown_method(packages: Path, shell: Python, command: list[str]) -> None:
    """It is an error that says which there are, and nothing is written."""
    install(packages, "good", GOOD)
    done = shell(*command, "goood")
    assert (done.stdout, done.returncode) == ("", 4)
    assert done.stderr == ("Error: there is no discovery method 'goood'; did you mean 'good'?\n")
    assert not (Path.home() / ".config" / "dask" / "dask-ctl.yaml").exists()


def test_one_that_is_no_longer_installed_can_be_enabled(
    shell: Python, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise its name would stay in the file for ever."""
    monkeypatch.delenv("DASK_CTL__DISABLE_DISCOVERY")
    config = Path.home() / ".config" / "dask" / "dask-ctl.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("ctl:\n  disable-discovery: [gone]\n")
    done = shell("discovery", "enable", "gone")
    assert done.returncode == 0, done
    assert yaml.safe_load(config.read_text()) == {"ctl": {"disable-discovery": []}}


def test_a_variable_that_goes_before_the_file(packages: Path, shell: Python) -> None:
    """The file is written, and the variable that makes it of no use is named."""
    install(packages, "good", GOOD)
    done = shell("discovery", "disable", "good", DASK_CTL__DISABLE_DISCOVERY="[]")
    config = Path.home() / ".config" / "dask" / "dask-ctl.yaml"
    assert done.returncode == 4
    assert done.stderr == (
        f"Error: ctl.disable-discovery: {config} says it now, but something that goes before that "
        "file says otherwise; change it there: see DASK_CTL__DISABLE_DISCOVERY and DASK_CONFIG\n"
    )
    assert yaml.safe_load(config.read_text()) == {"ctl": {"disable-discovery": ["good"]}}


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("DISCOVERY__TIMEOUT", "soon", "'soon' cannot be read; write a time, such as 5s"),
        ("DISCOVERY__TIMEOUT", "0", "0 cannot be read; write a time, such as 5s"),
        ("DISABLE_DISCOVERY", "{'a': 1}", "{'a': 1} cannot be read; write a list of names"),
        ("DISCOVERY__SCHEDULERS", "3", "3 cannot be read; write a list of addresses"),
    ],
)
def test_unreadable_settings(
    packages: Path, shell: Python, key: str, value: str, error: str
) -> None:
    """They are an error with the key, not a guess."""
    env = {"DASK_CTL__DISABLE_DISCOVERY": "[]", f"DASK_CTL__{key}": value}
    done = shell("list", "schedulers", **env)
    name = key.lower().replace("__", ".").replace("_", "-")
    said = f"dask's configuration: ctl.{name}: {error}"
    assert said in done.stderr
    assert done.returncode == (7 if "SCHEDULERS" in key else 4)


@pytest.mark.parametrize(
    "text", ["good,other", "[good, other]", "['good', 'other']", "good, other"]
)
def test_a_variable_in_any_spelling(
    packages: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """Nobody's shell has to keep quotes for it."""
    for name in ("good", "other", "third"):
        install(packages, name, GOOD)
    monkeypatch.setenv("DASK_CTL__DISABLE_DISCOVERY", text)
    dask.config.refresh()
    enabled = {name for name, method in list_discovery_methods().items() if method["enabled"]}
    assert "third" in enabled
    assert not {"good", "other"} & enabled


def test_the_one_that_dask_kubernetes_ships(python: Python) -> None:
    """Its `helmcluster` cannot be imported, so it is left out; it is said why."""
    require_package("dask_kubernetes", "dask-kubernetes")
    done = python(
        "-m", "dask", "cluster", "list", env={"DASK_CTL__DISABLE_DISCOVERY": "schedulers"}
    )
    assert (done.returncode, done.stderr) == (
        0, "No clusters found. To create one: dask cluster create\n"
    )  # fmt: skip
    listed = python("-m", "dask", "cluster", "discovery", "list").stdout.splitlines()
    (row,) = (line for line in listed if line.startswith("helmcluster"))
    assert "no: its module is not shipped any more" in row
    for command in (("list",), ("discovery", "enable")):
        done = python("-m", "dask", "cluster", *command, "helmcluster")
        assert done.returncode == 4
        assert "does not work: its module is not shipped any more" in done.stderr
