"""Schema, code, defaults and documentation say the same."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from dask_ctl.exceptions import InvalidSpecError
from dask_ctl.lifecycle import spec_template, spec_templates
from dask_ctl.spec import defaults, schema
from dask_ctl.spec.cluster_spec import ClusterSpec, build
from dask_ctl.spec.keys import KEYS, LATE
from dask_ctl.spec.located import Origin, Source, locate
from dask_ctl.spec.shape import check_layer
from tests.conftest import ROOT
from tests.spec.test_properties import LIKELY, many

FILE = schema.spec_schema()
NAMESPACE = schema.namespace_schema()
VALIDATOR = jsonschema.Draft202012Validator(FILE)

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 9), st.text("ab-_ é.$", max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.text("ab-_1", max_size=4), inner, max_size=2),
    ),
    max_leaves=4,
)
GOOD: dict[str, st.SearchStrategy[Any]] = {
    **LIKELY,
    "args": st.lists(JSON, max_size=2),
    "kwargs": st.dictionaries(st.sampled_from(["n", "n-w", "asynchronous", "class", "1x"]), JSON),
    "scale": st.one_of(st.none(), st.integers(-1, 3)),
    "env": st.dictionaries(st.sampled_from(["A", "b_1", "1x", "", "c=d"]), JSON, max_size=2),
    "extends": st.one_of(LIKELY["extends"], st.lists(JSON, max_size=2)),
    "config": st.dictionaries(st.sampled_from(["a", "a.b", "a..b", "ctl", "ctl.x", "ctlx"]), JSON),
}


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """Mappings that JSON can say and that are nearly specs."""
    keys = draw(st.lists(st.sampled_from([*KEYS, *KEYS, *KEYS, "other"]), unique=True))
    keys = list(dict.fromkeys(["version", "module", "class", *keys]))[draw(st.integers(0, 1)) :]
    odd = draw(st.sampled_from([None, None, *keys]))
    return {key: draw(JSON if key in (odd, "other") else GOOD[key]) for key in keys}


@many(2000)
@given(document=documents())
def test_schema_and_code_agree(document: Any) -> None:
    """The schema accepts exactly the files that the code accepts."""
    by_schema = VALIDATOR.is_valid(document)
    try:
        tree = check_layer(locate(document, Origin(Source.FILE, "x.yaml")), in_file=True)
        if not tree.get("extends") and {"module", "class"} & tree.value.keys():
            build(tree)
        by_code = True
    except InvalidSpecError as error:
        assume("given beside it" not in str(error))  # two names that read alike: no schema says so
        by_code = False
    assert by_schema == by_code


@pytest.mark.parametrize("content", [FILE, NAMESPACE], ids=["file", "namespace"])
def test_schemas_are_valid(content: dict[str, Any]) -> None:
    """What is printed is a schema."""
    jsonschema.Draft202012Validator.check_schema(json.loads(schema.dump(content)))


def test_the_table_is_the_spec() -> None:
    """Every key has its attribute, and there is no other."""
    fields = {field.name for field in dataclasses.fields(ClusterSpec)}
    assert {key.attribute for key in LATE} == fields


def test_defaults_fit_the_schema() -> None:
    """`dask_ctl.yaml` holds exactly the keys of the schema, and valid values."""
    jsonschema.validate(defaults.DEFAULTS, NAMESPACE)
    assert set(defaults.DEFAULTS["ctl"]) == set(NAMESPACE["properties"]["ctl"]["properties"])
    assert set(defaults.KEYS) <= set(defaults.DEFAULTS["ctl"])


@pytest.mark.parametrize("backend", spec_templates())
def test_templates_fit_the_schema(backend: str) -> None:
    """Every template is valid."""
    jsonschema.validate(yaml.safe_load(spec_template(backend)), FILE)


def test_examples_fit_the_schema() -> None:
    """Every YAML file of the documentation's examples is valid, but those of other tools."""
    for path in (ROOT / "docs" / "examples").rglob("*.yaml"):
        if path.name in ("attach.yaml", "labextension.yaml", "myapp.yaml"):
            continue
        content = yaml.safe_load(path.read_text())
        jsonschema.validate(content, NAMESPACE if "ctl" in content else FILE)
