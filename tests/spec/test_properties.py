"""Whatever the input, resolving gives a spec, or an error of ours that names its origin.

`DASK_CTL_TEST_EXAMPLES` multiplies the number of examples.
"""

from __future__ import annotations

import copy
import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dask_ctl.exceptions import DaskCtlError
from dask_ctl.spec.checks import argument_name
from dask_ctl.spec.config import Change, Configuration, collect
from dask_ctl.spec.document import parse
from dask_ctl.spec.keys import KEYS
from dask_ctl.spec.located import Origin, Source, locate
from dask_ctl.spec.places import Places
from dask_ctl.spec.resolve import resolve
from dask_ctl.spec.values import override

TIMES = int(os.environ.get("DASK_CTL_TEST_EXAMPLES", "1"))


def many(number: int) -> Any:
    """Settings for a number of examples."""
    return settings(
        max_examples=number * TIMES,
        deadline=None,
        derandomize=TIMES == 1,
        suppress_health_check=list(HealthCheck),
    )


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.dates(),
    st.sampled_from(["${env:HOME}", "${env:X:-y}", "${import:os:sep}", "12:00", "a.yaml", "name"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=5), st.integers()), inner, max_size=3),
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(["n_workers", "n-workers", "a", "b", "asynchronous", "class", "x y"])
# Mostly what each key may hold, so that most of the way is gone most of the time.
LIKELY = {
    "version": st.just(1),
    "extends": st.sampled_from([None, "", " ", "name", ["a.yaml", "name"], "${env:HOME}"]),
    "when": st.one_of(
        st.none(),
        st.fixed_dictionaries(
            {},
            optional={
                "host": st.sampled_from(["*", ["a", "b*"], [], "", "${env:HOME}", 1]),
                "command": st.sampled_from(["sh", ["no-such", "sh"], None, True]),
                "env": st.sampled_from(
                    ["HOME", "1x", ["A", {"HOME": "*"}], {"B": ["x", 1]}, {"C": True}, {"D": None}]
                ),
                "other": st.just("x"),
            },
        ),
    ),
    "module": st.sampled_from(["mod", "dask.distributed"]),
    "class": st.sampled_from(["One", "Two"]),
    "args": st.lists(VALUES, max_size=2),
    "kwargs": st.dictionaries(NAMES, VALUES, max_size=3),
    "scale": st.integers(0, 4),
    "adapt": st.dictionaries(st.sampled_from(["minimum", "maximum"]), st.integers(), max_size=2),
    "env": st.dictionaries(st.sampled_from(["A", "b_1", "1x"]), VALUES, max_size=2),
    "idle_timeout": st.sampled_from([None, 90, 0, -1, 1.5, True, "90", "5m", "1 hour", "0s", "x"]),
    "config": st.dictionaries(st.sampled_from(["a", "a.b", "a..b", "ctl"]), VALUES, max_size=2),
}


@st.composite
def specs(draw: st.DrawFn) -> Any:
    """Mappings that are nearly specs."""
    keys = draw(st.lists(st.sampled_from([*KEYS, *KEYS, "other"]), unique=True, max_size=7))
    wild = st.integers(0, 9).map(lambda number: number == 0)
    return {key: draw(VALUES if key not in LIKELY or draw(wild) else LIKELY[key]) for key in keys}


ANY = st.one_of(specs(), specs(), specs(), VALUES)


@st.composite
def configurations(draw: st.DrawFn) -> Configuration:
    """What the sources and code may say, together."""
    layers = []
    for source in (Source.ENVIRONMENT, Source.CONFIG, Source.CONFIG):
        keys = {
            "cluster-spec": ANY,
            "cluster-kwargs": st.one_of(LIKELY["kwargs"], VALUES),
            "cluster-specs": st.dictionaries(st.sampled_from(["name", "x"]), ANY, max_size=2),
        }
        chosen = draw(st.lists(st.sampled_from(list(keys)), unique=True))
        given_ = {key: draw(keys[key]) for key in chosen}
        layers.append(locate(given_, Origin(source, f"{source.label}-{len(layers)}")))
    in_code = {}
    if draw(st.booleans()):
        layer = locate(draw(ANY), Origin(Source.SET, "dask.config.set"))
        in_code["cluster-spec"] = Change(layer, whole=draw(st.booleans()))
    return Configuration(layers=tuple(layers), set_in_code=in_code)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Folders with a spec in each."""
    folders = [tmp_path_factory.mktemp(name) for name in ("cwd", "user", "system")]
    good = {"version": 1, "module": "mod", "class": "File", "kwargs": {"a": {"b": 1}}}
    for folder, name in zip(folders, ("dask-cluster.yaml", "name.yaml", "a.yaml"), strict=True):
        (folder / name).write_text(yaml.safe_dump(good))
    owners = frozenset({os.getuid()})
    return Places(cwd=folders[0], user=folders[1], system=(folders[2],), owners=owners)


def resolved_or_error(argument: Any, configuration: Configuration, places: Places) -> Any:
    """What resolving gives; anything but an error of ours goes through."""
    try:
        return resolve(argument, configuration=configuration, places=places)
    except DaskCtlError as error:
        caught = error
    text = str(caught)
    nothing = ("no cluster is configured", "says neither 'module' nor 'class'")
    assert caught.problem.origin is not None or any(words in text for words in nothing)
    assert "\n" not in text
    return text


@many(4000)
@given(argument=ANY, configuration=configurations())
def test_resolving(places: Places, argument: Any, configuration: Configuration) -> None:
    """A spec with the origin of every leaf, or an error with an origin; the same each time."""
    before = copy.deepcopy((argument, configuration))
    first = resolved_or_error(argument, configuration, places)
    assert resolved_or_error(argument, configuration, places) == first
    assert (argument, configuration) == before
    if isinstance(first, str):
        return
    leaves = {".".join(map(str, path)) for path, _ in first.tree.leaves()} - {"version"}
    assert set(first.origins) == leaves
    again = resolve(first.spec.as_dict(), configuration=Configuration(), places=places)
    assert again.spec == first.spec
    assert str(first)
    json.dumps(first.as_dict(), default=str)


@many(3000)
@given(value=ANY)
def test_documents(places: Places, value: Any) -> None:
    """What YAML says is what is read, as from a file: a spec, or an error with its place."""
    text = yaml.safe_dump(value)
    assert parse(text, "x.yaml", Source.FILE).plain() == yaml.safe_load(text)
    path = Path(places.cwd) / "generated.yaml"
    path.write_text(text)
    found = resolved_or_error("generated.yaml", Configuration(), places)
    assert not isinstance(found, str) or "generated.yaml" in found


FRAGMENTS = st.sampled_from(
    [
        *("version: 1", "module: a", "class: B", "kwargs:", "  n: 1", "  - x", "&a ", "*a"),
        *("<<: *a", "{", "}", "[", "]", ":", "\t", "!!set", "? ", "|", ">", "'", '"', "#", "---"),
        *("...", "\0", "\ufeff", "%YAML 1.1", "!x", "{a: 1, a: 2}", "1:30", "~", "2026-13-01"),
    ]
)


@many(4000)
@given(parts=st.lists(st.one_of(FRAGMENTS, st.text(max_size=4)), max_size=14), line=st.booleans())
def test_broken_documents(places: Places, parts: list[str], line: bool) -> None:
    """Any text at all is a spec or one line that names the file."""
    path = Path(places.cwd) / "broken.yaml"
    path.write_text(("\n" if line else "").join(parts), encoding="utf-8", errors="surrogatepass")
    found = resolved_or_error("broken.yaml", Configuration(), places)
    assert not isinstance(found, str) or "broken.yaml" in found


# -- one value, wherever and however it is written

PLAIN = st.text(st.characters(exclude_categories=("C", "Z")), max_size=6).filter(
    lambda text: "$" not in text
)
INSIDE = st.sampled_from(["x", "y-z", "q r"])
VALUE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**9), 10**9), PLAIN,
              st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(INSIDE, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
FITTING = {
    "args": st.lists(VALUE, max_size=3),
    "kwargs": st.dictionaries(st.sampled_from(["n_workers", "n-jobs", "a.b", "env"]), VALUE),
    "scale": st.integers(0, 99) | st.dictionaries(st.just("jobs"), st.integers(), min_size=1),
    "adapt": st.dictionaries(st.sampled_from(["minimum", "wait-count"]), VALUE, max_size=2),
    "env": st.dictionaries(st.sampled_from(["A", "B_1"]), PLAIN, max_size=2),
    "config": st.dictionaries(st.sampled_from(["acme", "other"]), VALUE, max_size=2),
}
SYNTAXES = {"python": repr, "json": json.dumps, "yaml": yaml.safe_dump}
WAYS = [
    *itertools.product(("variable", "nested", "--set"), ("python", "json")),
    *itertools.product(("config", "file", "user", "named"), ("yaml", "json")),
    ("set", "python"),
    ("nested set", "python"),
    ("argument", "python"),
]  # fmt: skip


@many(3000)
@given(
    pair=st.sampled_from(sorted(FITTING)).flatmap(
        lambda key: st.tuples(st.just(key), st.one_of(FITTING[key], FITTING[key], VALUE))
    ),
    way=st.sampled_from(WAYS),
)
def test_a_value_is_there_or_its_place_is_named(
    tmp_path_factory: pytest.TempPathFactory, pair: tuple[str, Any], way: tuple[str, str]
) -> None:
    """For every key, source and syntax."""
    (key, value), (source, syntax) = pair, way
    folder = tmp_path_factory.mktemp("way")
    write = Way(folder, key, value, SYNTAXES[syntax], f".{syntax}")
    place = write.to(source)
    try:
        found = write.resolved()
    except DaskCtlError as error:
        caught = error
    else:
        part = found.tree.get(key)
        assert part is not None
        assert same(part.plain(), in_one_spelling(key, value)), (part, value)
        assert all(place in str(leaf.origin) for _, leaf in part.leaves())
        return
    assert place in str(caught.problem.origin), (caught, value)
    assert key in str(caught)
    assert not fits(key, value)


class Way:
    """A folder with a whole spec, over which one key is laid from another source."""

    def __init__(self, folder: Path, key: str, value: Any, text: Any, ending: str) -> None:
        self.folder, self.key, self.value, self.text, self.ending = folder, key, value, text, ending
        self.places = Places(
            cwd=folder / "cwd",
            user=folder / "user",
            system=(folder / "system",),
            owners=frozenset({os.getuid()}),
        )
        for each in (self.places.cwd, self.places.user, *self.places.system, folder / "dask"):
            each.mkdir()
        self.write(folder / "system" / "dask-cluster.yaml", WHOLE)
        self.env: dict[str, str] = {}
        self.overrides: list[Any] = []
        self.change: Change | None = None
        self.argument: Any = None

    def write(self, path: Path, content: Any, text: Any = yaml.safe_dump) -> str:
        path.write_text(text(content), encoding="utf-8")
        return path.name

    def to(self, source: str) -> str:
        """Give the value by a source; returns what its origin is called."""
        partial = {self.key: self.value}
        if source == "variable":
            self.env["DASK_CTL__CLUSTER_SPEC"] = self.text(partial)
            return "DASK_CTL__CLUSTER_SPEC"
        if source == "nested":
            name = f"DASK_CTL__CLUSTER_SPEC__{self.key.upper()}"
            self.env[name] = self.text(self.value)
            return name
        if source == "--set":
            self.overrides = [override(self.key, self.text(self.value))]
            return f"--set {self.key}"
        if source == "config":
            path = self.folder / "dask" / f"ctl{self.ending}"
            return self.write(path, {"ctl": {"cluster-spec": partial}}, self.text)
        if source in ("file", "user"):
            # A file of the implicit name is YAML, whose flow style looks as JSON does.
            at = self.places.cwd if source == "file" else self.places.user
            text = in_flow_style if self.text is json.dumps else self.text
            return self.write(at / "dask-cluster.yaml", WHOLE | partial, text)
        if source == "named":
            self.argument = "named"
            return self.write(self.places.user / f"named{self.ending}", WHOLE | partial, self.text)
        if source == "argument":
            self.argument = partial
            return "create_cluster"
        layer = locate(partial, Origin(Source.SET, "dask.config.set"))
        self.change = Change(layer, whole=source == "set")
        return "dask.config.set"

    def resolved(self) -> Any:
        layers = collect(self.env, [str(self.folder / "dask")])
        in_code = {"cluster-spec": self.change} if self.change else {}
        return resolve(
            self.argument,
            overrides=self.overrides,
            configuration=Configuration(layers=tuple(layers), set_in_code=in_code),
            places=self.places,
        )


WHOLE = {"version": 1, "module": "mod", "class": "One"}


def in_flow_style(value: Any) -> str:
    """YAML as JSON looks: in JSON itself 1e-5 is a number, which YAML 1.1 reads as text."""
    return str(yaml.safe_dump(value, default_flow_style=True))


def in_one_spelling(key: str, value: Any) -> Any:
    """A value as a spec holds it: null is empty, and names are those of Python."""
    if value is None:
        return {"args": [], "kwargs": {}, "env": {}, "config": {}}.get(key)
    if key in ("kwargs", "scale", "adapt") and isinstance(value, dict):
        return {argument_name(name): part for name, part in value.items()}
    if key == "env":
        return {name: str(part) for name, part in value.items()}
    return value


def fits(key: str, value: Any) -> bool:
    """Whether a value has the shape of what a key holds."""
    shapes: dict[str, tuple[type, ...]] = {"args": (list,), "scale": (dict, int)}
    return isinstance(value, shapes.get(key, (dict,))) and plausible(key, value)


def plausible(key: str, value: Any) -> bool:
    """Whether names and texts in it are those that `FITTING` draws."""
    if key == "scale" and not isinstance(value, dict):
        return type(value) is int and value >= 0
    known = {"kwargs": "n_workers n-jobs a.b env", "env": "A B_1", "config": "acme other"}
    if key in known and not value.keys() <= set(known[key].split()):
        return False
    return key != "env" or all(isinstance(part, str) for part in value.values())


def same(one: Any, other: Any) -> bool:
    """Equality that tells 1 from true."""
    return repr(one) == repr(other) or (one == other and type(one) is type(other))
