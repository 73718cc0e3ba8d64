"""Specs that are laid over others: `extends`, names with a ``+``, and where each part is from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import dask.config
import pytest

from dask_ctl import check_spec, list_specs, resolve_spec
from dask_ctl.exceptions import DaskClusterConfigNotFound, DaskCtlWarning, InvalidSpecError
from tests.spec.sources import write

BASE = {"version": 1, "module": "mod", "class": "One", "kwargs": {"n": 1, "a": {"x": 1}}}
PART = {"version": 1, "kwargs": {"a": {"y": 2}}, "env": {"GPU": "1"}}


@pytest.fixture
def user(isolated: Path) -> Path:
    """The user's spec folder, with a spec `base` and a partial one `part`."""
    folder = isolated.parent / "home" / ".config" / "dask-ctl"
    write(folder / "base.yaml", BASE)
    write(folder / "part.yaml", PART)
    return folder


def inline(specs: dict[str, Any]) -> dask.config.set:
    """Named specs of the configuration."""
    return dask.config.set({"ctl.cluster-specs": specs})


@pytest.mark.parametrize("extends", ["base", ["base"], "base.yaml", "HOME/base.yaml"])
def test_a_spec_is_laid_over_what_it_extends(user: Path, isolated: Path, extends: Any) -> None:
    """A name, a path or a list; each leaf knows its own file, and what named that."""
    if isinstance(extends, str):
        extends = extends.replace("HOME", str(user))
    spec = {"version": 1, "extends": extends, "kwargs": {"n": 2}, "scale": 3}
    write(isolated / "dask-cluster.yaml", spec)
    resolved = resolve_spec()
    assert resolved.spec.target == "mod.One"
    assert resolved.spec.kwargs == {"n": 2, "a": {"x": 1}}
    assert resolved.origins["kwargs.n"].place == "dask-cluster.yaml"
    inherited = resolved.origins["kwargs.a.x"]
    assert inherited.place == str(user / "base.yaml")
    assert inherited.via
    assert inherited.via.place == "dask-cluster.yaml"
    assert "extends" not in resolved.as_dict()["spec"]


def test_the_later_lies_over_the_earlier(user: Path) -> None:
    """Lists go from the lowest to the highest, through everything that these extend."""
    write(user / "middle.yaml", {"version": 1, "extends": "part", "env": {"GPU": "2", "M": "1"}})
    write(user / "top.yaml", {"version": 1, "extends": ["base", "middle"], "env": {"T": "1"}})
    resolved = resolve_spec("top")
    assert resolved.spec.kwargs == {"n": 1, "a": {"x": 1, "y": 2}}
    assert resolved.spec.env == {"GPU": "2", "M": "1", "T": "1"}
    reversed_ = resolve_spec({"extends": ["middle", "part", "base"]})
    assert reversed_.spec.env == {"GPU": "1", "M": "1"}


def test_another_class_takes_nothing_over(user: Path) -> None:
    """As between two sources: arguments of another class do not apply, and that is said."""
    spec = {"extends": "base", "module": "mod", "class": "Two", "kwargs": {"m": 1}}
    resolved = resolve_spec(spec)
    assert resolved.spec.kwargs == {"m": 1}
    assert "another class, so its kwargs do not apply" in str(resolved.overridden[0])


def test_scale_and_adapt_give_way(user: Path) -> None:
    """A spec that adapts may extend one that scales."""
    write(user / "sized.yaml", {**BASE, "scale": 2})
    spec = resolve_spec({"extends": "sized", "adapt": {"maximum": 4}}).spec
    assert (spec.scale, spec.adapt) == (None, {"maximum": 4})


@pytest.mark.parametrize("where", ["argument", "set", "environment", "config", "path"])
def test_plus(user: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """``base+part`` is short for a spec that extends both, wherever a name is meant."""
    text = "base+part" if where != "path" else "base.yaml + part"
    if where == "environment":
        monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC", text)
    elif where == "config":
        folder = isolated.parent / "home" / ".config" / "dask"
        write(folder / "ctl.yaml", {"ctl": {"cluster-spec": text}})
    with dask.config.set({"ctl.cluster-spec": text} if where == "set" else {}):
        resolved = resolve_spec(text if where in ("argument", "path") else None)
    assert resolved.spec.kwargs == {"n": 1, "a": {"x": 1, "y": 2}}
    assert resolved.spec.env == {"GPU": "1"}
    assert resolved.origins["env.GPU"].place == str(user / "part.yaml")


def test_a_plus_in_a_name_or_a_path(user: Path, isolated: Path) -> None:
    """What exists by its whole name is that."""
    write(user / "base+part.yaml", {**BASE, "class": "Plus"})
    write(isolated / "c++" / "it.yaml", {**BASE, "class": "Path"})
    assert resolve_spec("base+part").spec.class_ == "Plus"
    assert resolve_spec("base+part.yaml").spec.class_ == "Plus"
    assert resolve_spec("c++/it.yaml").spec.class_ == "Path"
    for missing in ("c++/other.yaml", "a+b/other.yaml", "++"):
        with pytest.raises(DaskClusterConfigNotFound) as raised:
            resolve_spec(missing)
        assert repr(missing) in str(raised.value)


def test_what_is_missing(user: Path, isolated: Path) -> None:
    """A part that does not exist is named; only what was asked for falls back."""
    with pytest.raises(DaskClusterConfigNotFound, match=r"a spec named 'prt' .* mean 'part'"):
        resolve_spec("base+prt")
    with pytest.warns(DaskCtlWarning, match=r"'base\+gone' does not exist; using a LocalCluster"):
        assert resolve_spec("base+gone", local_fallback=True).spec.class_ == "LocalCluster"
    write(isolated / "dask-cluster.yaml", "version: 1\nextends: gone\n")
    for fallback in (False, True):
        with pytest.raises(InvalidSpecError) as raised:
            resolve_spec(local_fallback=fallback)
        assert str(raised.value).startswith("dask-cluster.yaml:2: extends: a spec named 'gone'")


def test_a_circle_is_shown(user: Path, isolated: Path) -> None:
    """Through files, links and names of the configuration."""
    write(user / "one.yaml", "version: 1\nextends: two\n")
    write(user / "two.yaml", "version: 1\nextends: ../dask-ctl/one.yaml\n")
    with pytest.raises(InvalidSpecError) as raised:
        resolve_spec("one")
    one, two = user / "one.yaml", user / "two.yaml"
    assert f"{two}:2: extends: goes in a circle: {one} -> {two} -> " in str(raised.value)
    write(isolated / "dask-cluster.yaml", "version: 1\nextends: dask-cluster.yaml\n")
    with pytest.raises(InvalidSpecError, match="goes in a circle"):
        resolve_spec()
    with (
        inline({"a": {"extends": "b"}, "b": {"extends": ["base", "a"]}, "c": {"extends": "a"}}),
        pytest.raises(InvalidSpecError, match="circle: a -> b -> a;"),
    ):
        resolve_spec("c")


def test_two_ways_to_the_same_spec_are_no_circle(user: Path) -> None:
    """What two parts both extend is read for each."""
    with inline({"a": {"extends": "base"}, "b": {"extends": "base", "scale": 1}}):
        assert resolve_spec("a+b").spec.scale == 1


def test_a_relative_path_is_beside_the_file_that_says_it(user: Path, isolated: Path) -> None:
    """First there, then as any other relative path; in dask's configuration too."""
    conf = isolated / "conf"
    write(conf / "it.yaml", {"version": 1, "extends": ["base.yaml", "sub/part.yaml"]})
    write(conf / "base.yaml", {**BASE, "class": "Beside"})
    write(isolated / "base.yaml", {**BASE, "class": "Here"})
    write(isolated / "sub" / "part.yaml", PART)
    spec = resolve_spec("conf/it.yaml").spec
    assert (spec.class_, spec.env) == ("Beside", {"GPU": "1"})
    configured = isolated.parent / "etc" / "dask"
    named = {"site": {"extends": "specs/base.yaml"}}
    write(configured / "ctl.yaml", {"ctl": {"cluster-specs": named}})
    write(configured / "specs" / "base.yaml", {**BASE, "class": "Site"})
    assert resolve_spec("site").spec.class_ == "Site"
    with inline({"code": {"extends": "base.yaml"}}):
        assert resolve_spec("code").spec.class_ == "Here"


@pytest.mark.skipif(os.name != "posix", reason="needs owners")
def test_each_file_is_trusted_for_itself(user: Path, isolated: Path) -> None:
    """A file of the current directory that another one names is doubted as any found there is."""
    write(isolated / "open.yaml", BASE).chmod(0o666)
    write(isolated / "mine.yaml", "version: 1\nextends: open.yaml\n")
    for spec in ("mine.yaml", {"extends": "open"}, "open+part"):
        with pytest.raises(InvalidSpecError, match=r"open\.yaml: is writable by everybody"):
            resolve_spec(spec)
    assert resolve_spec({"extends": "open.yaml"}).spec.class_ == "One"  # named by the call


def test_it_has_said_what_it_is_laid_over(user: Path, isolated: Path) -> None:
    """A spec that is full by what it extends replaces what is below it; a partial one does not."""
    write(isolated / "dask-cluster.yaml", {**BASE, "kwargs": {"project": 1}})
    folder = isolated.parent / "home" / ".config" / "dask"
    write(folder / "ctl.yaml", {"ctl": {"cluster-spec": {"extends": "base", "scale": 4}}})
    resolved = resolve_spec()
    assert "project" not in resolved.spec.kwargs
    assert [str(each) for each in resolved.overridden] == [
        f"dask-cluster.yaml: replaced by a higher source ({folder / 'ctl.yaml'}:2)"
    ]
    write(folder / "ctl.yaml", {"ctl": {"cluster-spec": {"extends": "part"}}})
    assert resolve_spec().spec.kwargs == {"project": 1, "a": {"y": 2}}


def test_settings_and_nested_values(user: Path, isolated: Path) -> None:
    """``--set extends=part`` and a variable lay it over what is configured."""
    write(isolated / "dask-cluster.yaml", BASE)
    for key in ("extends=part", "extends=['part']"):
        assert resolve_spec(settings=[key, "scale=2"]).spec.env == {"GPU": "1"}
    whole, nested = {"ctl.cluster-spec": {"scale": 1}}, {"ctl.cluster-spec.extends": "part"}
    with dask.config.set(whole), dask.config.set(nested):
        spec = resolve_spec().spec
    assert (spec.env, spec.scale, spec.class_) == ({"GPU": "1"}, 1, "One")


@pytest.mark.parametrize(
    ("extends", "error"),
    [
        (3, "extends: must be names or paths of specs, not a number"),
        ({"a": 1}, "extends: must be names or paths of specs, not a mapping"),
        (["a", None], "extends: must be names or paths of specs, not null"),
        ("", "extends: must be names or paths of specs, not an empty one"),
        ("${env:SITE}", "extends: is needed before placeholders are replaced; write it out"),
    ],
)
def test_wrong(extends: Any, error: str) -> None:
    """What is neither names nor paths is an error of that key."""
    with pytest.raises(InvalidSpecError) as raised:
        resolve_spec({"extends": extends, "module": "mod", "class": "One"})
    assert error in str(raised.value)


def test_nothing_extended(user: Path) -> None:
    """Null and an empty list extend nothing."""
    for extends in (None, []):
        spec = {"extends": extends, "module": "mod", "class": "One"}
        assert resolve_spec(spec).spec.target == "mod.One"


def test_a_partial_spec_is_listed_and_cannot_stand_alone(user: Path) -> None:
    """It is one of the specs that can be named, in force as part of a sum."""
    with dask.config.set({"ctl.cluster-spec": "base+part"}):
        listed = {each.name: each for each in list_specs()}
    assert {name: each.in_force for name, each in listed.items()} == {"base": True, "part": True}
    assert listed["base"].backend == "mod.One"
    assert (listed["part"].backend, listed["part"].problem) == (None, None)
    assert "module: missing" in str(check_spec("part")[0])


def test_only_what_was_named_is_in_force(user: Path) -> None:
    """A spec that extends the one in force, or is extended by it, is another."""
    with inline({"more": {"extends": "base"}}):
        for name in ("base", "more"):
            with dask.config.set({"ctl.cluster-spec": name}):
                assert [each.name for each in list_specs() if each.in_force] == [name]


@pytest.mark.parametrize(("times", "n"), [(1, 60), (2, 20)])
def test_chains_have_bounds(isolated: Path, times: int, n: int) -> None:
    """A long one, and one that doubles at each step, which would be a million reads."""
    for i in range(n):
        names = ", ".join([f"s{i + 1}"] * times)
        (isolated / f"s{i}.yaml").write_text(f"version: 1\nextends: [{names}]\n")
    (isolated / f"s{n}.yaml").write_text(
        "version: 1\nmodule: dask.distributed\nclass: LocalCluster\n"
    )
    with pytest.raises(InvalidSpecError, match="extends more than 50 specs one above another"):
        resolve_spec("s0")


def test_a_long_chain_within_the_bounds(isolated: Path) -> None:
    for i in range(45):
        (isolated / f"s{i}.yaml").write_text(
            f"version: 1\nextends: s{i + 1}\nkwargs: {{a{i}: 1}}\n"
        )
    (isolated / "s45.yaml").write_text(
        "version: 1\nmodule: dask.distributed\nclass: LocalCluster\n"
    )
    assert len(resolve_spec("s0").spec.kwargs) == 45


def test_many_specs_that_can_be_named_are_listed(isolated: Path) -> None:
    """The bound is of one spec, not of all that there are."""
    for i in range(210):
        (isolated / f"s{i}.yaml").write_text("version: 1\nextends: base\n")
    (isolated / "base.yaml").write_text(
        "version: 1\nmodule: dask.distributed\nclass: LocalCluster\n"
    )
    named = [each for each in list_specs() if each.name.startswith("s")]
    assert (len(named), {each.problem for each in named}) == (210, {None})
