"""A text becomes a value in one way, and what is configured is applied or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dask.config
import pytest
import yaml

from dask_ctl import resolve_spec
from dask_ctl.exceptions import BackendError, InvalidSpecError
from dask_ctl.spec import config
from dask_ctl.spec.defaults import Snapshot
from dask_ctl.spec.document import parse
from dask_ctl.spec.keys import TABLE
from dask_ctl.spec.located import Origin, Source, locate
from dask_ctl.spec.resolve import resolve
from dask_ctl.spec.values import expand, interpret, override

HERE = Origin(Source.FILE, "x.yaml", 3)
FULL = {"module": "mod", "class": "One"}
ENV = {"N": "2", "P": "false", "A": "a-b", "J": '{"x": [1, null]}', "B": "bill", "E": ""}


def configure(root: Path, value: Any) -> None:
    """Write a dask configuration file, and start with it."""
    path = root / "home" / ".config" / "dask" / "ctl.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else yaml.safe_dump({"ctl": value}))
    dask.config.refresh()
    config._baseline = config.Baseline.of(Snapshot.take(), config.collect())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${env:N}", 2),
        ("${env:P}", False),
        ("${env:A}", "a-b"),
        ("${env:J}", {"x": [1, None]}),
        ("${env:E}", ""),
        ("${env:E:-3}", 3),  # as a shell does
        ("${text:E:-${env:N}}", "2"),
        ("${text:N}", "2"),
        ("${text:NOT:-2}", "2"),
        ("${env:NOT:-3}", 3),
        ("${env:NOT:-false}", False),
        ("${env:NOT:-}", ""),
        ('${env:NOT:-{"x": 1}}', {"x": 1}),
        ("${env:NOT:-${env:N}}", 2),
        ("${env:NOT:-${text:N}}", "2"),
        ("${env:NOT:-${env:NEITHER:-${env:B}}}", "bill"),
        ("${env:NOT:-0${env:N}}", "02"),
        ("n${env:N}", "n2"),
        ("${env:N}${env:N}", "22"),
        ("${env:B}-${env:NOT:-${env:N}}!", "bill-2!"),
        ("$N ${N} ${N:-x} $(N) ${N%x}", "$N ${N} ${N:-x} $(N) ${N%x}"),
        ("${env:NOT:-${HOME}}", "${HOME}"),
        ("${import:os:sep}", "/"),
        ("${import:json:JSONDecoder.decode}", json.JSONDecoder.decode),
    ],
)
def test_placeholders(text: str, value: Any) -> None:
    """Alone it is read as a variable's text is; within a text, and by `text`, it is text."""
    found = expand(locate({"a": [text, (text,)]}, HERE), ("kwargs",), ENV)
    assert found.plain() == {"a": [value, (value,)]}
    assert type(found.plain()["a"][0]) is type(value)
    assert {str(part.origin) for _, part in found.leaves()} == {"x.yaml:3"}


@pytest.mark.parametrize(
    "text",
    [
        "${env:}",
        "${env:1}",
        "${env:N",
        "x ${env:N",
        "${env:NOT:-${env:N}",
        "${env:N:2}",
        "${text:}",
        "${ env:N}",
        "${env:N:-${env:}}x${env:NOT:-${env:-}}",
        "${import:os}",
        "x ${import:os:sep}",
    ],
)
def test_malformed_placeholders(text: str) -> None:
    """What is malformed is an error that names key and place, whatever the variable holds."""
    env = {key: value for key, value in ENV.items() if key != "N" or text != "${env:N:2}"}
    with pytest.raises(InvalidSpecError, match=r"^x.yaml:3: kwargs.a: "):
        expand(locate({"a": text}, HERE), ("kwargs",), env)


def test_what_cannot_be_imported() -> None:
    """An object that is not there is the package's fault, not the spec's shape."""
    with pytest.raises(BackendError, match=r"x.yaml:3: a: .*no attribute 'nothing'"):
        expand(locate({"a": "${import:os:nothing}"}, HERE), (), {})


def test_every_key_takes_a_placeholder() -> None:
    """A placeholder may stand for any value, and what it gives is checked as if it were written."""
    good = {"version": 1, **FULL, "args": [1], "kwargs": {"n-w": 1}, "scale": {"jobs": 2}}
    env = {f"V_{key}".upper(): json.dumps(value).strip('"') for key, value in good.items()}
    spec = {key: f"${{env:V_{key.upper()}}}" for key in good}
    resolved = resolve_spec(spec)
    assert resolved.expanded(env).spec == resolve_spec(good).spec
    wrong = {
        "VERSION": "7",
        "MODULE": "1",
        "CLASS": "a.b",
        "ARGS": "1",
        "KWARGS": "1",
        "SCALE": "x",
    }
    for key, text in wrong.items():
        with pytest.raises(InvalidSpecError, match=rf"create_cluster\(...\): {key.lower()}: "):
            resolved.expanded({**env, f"V_{key}": text})


def test_nothing_is_laid_over_what_is_not_known() -> None:
    """A mapping over a placeholder would drop it, so that is an error that names both."""
    dask.config.set({"ctl.cluster-kwargs": {"n": 1}})
    with pytest.raises(InvalidSpecError, match=r"set: kwargs: cannot be laid over.*create_c"):
        resolve_spec({**FULL, "kwargs": "${env:OPTIONS}"})


# -- whatever is configured is applied or refused ---------------------------------------------

VALUES: dict[str, Any] = {
    "args": [1, {"a": None}],
    "kwargs": {"n": 2, "processes": False, "nothing": None, "deep": {"x": [1.5, "a"]}},
    "scale": 3,
    "adapt": {"minimum": 1, "wait": True},
}


@pytest.mark.parametrize("syntax", [repr, json.dumps], ids=["Python", "JSON"])
@pytest.mark.parametrize(
    "source", ["argument", "set", "nested set", "variable", "one", "file", "--set"]
)
@pytest.mark.parametrize("key", VALUES)
def test_every_source_and_syntax(
    isolated: Path, monkeypatch: pytest.MonkeyPatch, key: str, source: str, syntax: Any
) -> None:
    """Every key, given by every source in every syntax, is in the spec, with its place."""
    value, argument, overrides = VALUES[key], None, []
    spec = {**FULL, key: value}
    base = {**FULL, "kwargs": {}}
    if source == "argument":
        argument = spec
    elif source == "set":
        dask.config.set({"ctl.cluster-spec": spec})
    elif source == "nested set":
        configure(isolated.parent, {"cluster-spec": base})
        dask.config.set({f"ctl.cluster-spec.{key}": value})
    elif source == "variable":
        monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC", syntax(spec))
    elif source == "one":
        configure(isolated.parent, {"cluster-spec": base})
        monkeypatch.setenv(f"DASK_CTL__CLUSTER_SPEC__{key.upper()}", syntax(value))
    elif source == "file":
        dump = yaml.safe_dump if syntax is repr else json.dumps
        configure(isolated.parent, dump({"ctl": {"cluster-spec": spec}}))
    else:
        argument, overrides = base, [override(key, syntax(value))]
    resolved = resolve(argument, overrides=overrides)
    assert resolved.spec.as_dict()[key] == value
    assert all(resolved.origins[name].where for name in resolved.origins if name.startswith(key))


@pytest.mark.parametrize("text", ["n_workers=2", "[1]", "7", "true"])
@pytest.mark.parametrize("key", ["CLUSTER_KWARGS", "CLUSTER_SPECS", "CLUSTER_SPEC__KWARGS"])
def test_no_mapping_where_one_is_meant(
    monkeypatch: pytest.MonkeyPatch, key: str, text: str
) -> None:
    """What is no mapping is an error with its variable, not dropped."""
    monkeypatch.setenv(f"DASK_CTL__{key}", text)
    with pytest.raises(InvalidSpecError, match=rf"^DASK_CTL__{key}: .*must be a mapping, not a"):
        resolve_spec("name" if key == "CLUSTER_SPECS" else FULL if "SPEC_" not in key else None)


@pytest.mark.parametrize("started", [True, False])
def test_kwargs_in_json_at_the_start_of_a_process(
    python: Any, monkeypatch: pytest.MonkeyPatch, started: bool
) -> None:
    """JSON that dask takes for a text counts, although a default mapping then replaces it."""
    code = (
        "import dask.config, dask_ctl\n"
        + ("" if started else "dask.config.refresh()\n")
        + f"print(dask_ctl.resolve_spec({FULL!r}).spec.as_dict()['kwargs'])"
    )
    env = {"DASK_CTL__CLUSTER_KWARGS": '{"n_workers": 2, "processes": false, "x": null}'}
    done = python("-c", code, env=env)
    assert done.stdout == "{'n_workers': 2, 'processes': False, 'x': None}\n", done.stderr
    done = python("-c", code, env={"DASK_CTL__CLUSTER_KWARGS": "n_workers=2"})
    assert "DASK_CTL__CLUSTER_KWARGS: ctl.cluster-kwargs: must be a mapping" in done.stderr


def test_a_variable_changes_the_key_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of a variable has lost case and hyphens, and means the key that is there."""
    spec = {**FULL, "kwargs": {"env": {"OMP_NUM_THREADS": 1, "a-B": 1, "other": 1}}}
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__ENV__OMP_NUM_THREADS", "8")
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__ENV__A_B", "9")
    env = resolve_spec(spec).spec.kwargs["env"]
    assert env == {"OMP_NUM_THREADS": 8, "a-B": 9, "other": 1}


def test_a_variable_finds_a_named_spec_in_any_case(
    isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for the name of a spec."""
    configure(isolated.parent, {"cluster-specs": {"My-HPC": FULL}})
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPECS__MY_HPC__SCALE", "4")
    assert resolve_spec("My-HPC").spec.scale == 4


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_variable_is_unset(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """As a shell means it."""
    for key in ("CLUSTER_SPEC", "CLUSTER_KWARGS"):
        monkeypatch.setenv(f"DASK_CTL__{key}", text)
    dask.config.refresh()
    assert resolve_spec(local_fallback=True).spec.class_ == "LocalCluster"


def test_defaults_of_other_packages(python: Any, isolated: Path) -> None:
    """They are the lowest of dask's sources: over files of specs, below every other."""
    (isolated / "dask-cluster.yaml").write_text("version: 1\nmodule: mod\nclass: File\n")
    code = (
        "import sys, dask.config\n"
        "def given(): dask.config.update_defaults({'ctl': {'cluster-spec': {'module': 'mod', "
        "'class': 'Site', 'scale': 3}, 'cluster-specs': None}})\n"
        "given() if sys.argv[1] == 'before' else None\n"
        "import dask_ctl\n"
        "given() if sys.argv[1] == 'after' else None\n"
        "found = dask_ctl.resolve_spec()\n"
        "print(found.spec.class_, found.spec.scale, found.origin)\n"
    )
    for when in ("before", "after"):
        done = python("-c", code, when)
        assert done.stdout == "Site 3 dask.config.update_defaults\n", done.stderr
        done = python("-c", code, when, env={"DASK_CTL__CLUSTER_SPEC__SCALE": "5"})
        assert done.stdout == "Site 5 dask.config.update_defaults\n", done.stderr


def test_odd_values_are_one_line(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tuples, dates as keys, numbers without end and lists neither break nor show our insides."""
    resolved = resolve_spec({**FULL, "args": ([1, (2, [3])], "x")})
    assert resolved.spec.as_dict()["args"] == [[1, [2, [3]]], "x"]
    (isolated / "dates.yaml").write_text(
        "version: 1\nmodule: mod\nclass: One\nkwargs: {a: {2024-01-02: 1}}\n"
    )
    resolved = resolve_spec("dates.yaml")
    assert "2024-01-02" in str(resolved)
    assert json.dumps(resolved.as_dict())
    with pytest.raises(InvalidSpecError, match="more than 1024 bits"):
        resolve_spec({**FULL, "kwargs": {"n": 10**5000}})
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC", "[1]")
    with pytest.raises(InvalidSpecError, match="must be a path, a name or a mapping, not a number"):
        resolve_spec()


def test_arguments_of_any_name() -> None:
    """A name that is no identifier is kept as it is written."""
    given = {"cluster.n-workers": 1, "n-workers": 2, "class": 3, "x y": 4}
    expected = {"cluster.n-workers": 1, "n_workers": 2, "class": 3, "x y": 4}
    assert resolve_spec({**FULL, "kwargs": given}).spec.kwargs == expected


def test_the_table_has_a_line_for_each_key() -> None:
    """Every key is described in one line, and the schema has it."""
    assert all(key.description.endswith(".") and "\n" not in key.description for key in TABLE)


@pytest.mark.parametrize("letter", ["\N{GRINNING FACE}", "\\ud83d", "\N{EURO SIGN}", "\0"])
def test_json_escapes_any_letter(letter: str) -> None:
    """As `json.dumps` writes it, in a variable and in a file."""
    text = json.dumps({"a": letter})
    assert interpret(text, HERE) == {"a": letter}
    assert parse(text, "spec.json", Source.FILE).plain() == {"a": letter}
