"""The JSON Schema of a spec file, and of the `ctl` namespace of dask's configuration."""

from __future__ import annotations

import json
import keyword
from typing import Any, Final

from dask_ctl.spec.keys import DESCRIPTIONS, KEYS, VERSIONS

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_WORDS: Final = {"type": ["array", "string", "null"], "items": {"type": "string"}}


def dump(schema: dict[str, Any]) -> str:
    """A schema as the text of a file."""
    return json.dumps(schema, indent=2) + "\n"


def spec_schema() -> dict[str, Any]:
    """The schema of a spec file, which must be complete."""
    return {
        "$schema": DIALECT,
        "title": "dask_ctl spec",
        **_spec(),
        "required": ["version", "module", "class"],
    }


def namespace_schema() -> dict[str, Any]:
    """The schema of a YAML file of dask's configuration, as far as it concerns `ctl`."""
    kwargs = _properties()["kwargs"]
    inline = _spec()
    return {
        "$schema": DIALECT,
        "title": "dask configuration of dask_ctl",
        "type": "object",
        "properties": {
            "ctl": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "cluster-spec": {
                        "description": "Which cluster create_cluster() makes.",
                        "anyOf": [{"type": ["string", "null"], "minLength": 1}, inline],
                    },
                    "cluster-specs": {
                        "description": "Specs that can be called by name.",
                        "type": ["object", "null"],
                        "additionalProperties": {"anyOf": [inline, {"type": "null"}]},
                    },
                    "cluster-kwargs": {
                        **kwargs,
                        "description": "Keyword arguments laid over those of every spec.",
                    },
                    "disable-discovery": {
                        "description": "Discovery methods that are not used.",
                        **_WORDS,
                    },
                    "discovery": {
                        "description": "How running clusters are found.",
                        "type": ["object", "null"],
                        "additionalProperties": False,
                        "properties": {
                            "timeout": {
                                "description": "How long a method may take: 5s",
                                "type": ["string", "number", "null"],
                                "exclusiveMinimum": 0,
                            },
                            "schedulers": {
                                "description": "Addresses of schedulers to look for.",
                                **_WORDS,
                            },
                        },
                    },
                },
            }
        },
    }


def _spec() -> dict[str, Any]:
    both = {"properties": {key: {"not": {"type": "null"}} for key in ("scale", "adapt")}}
    return {
        "type": "object",
        "additionalProperties": False,
        "minProperties": 1,
        "properties": _properties(),
        "not": {"required": ["scale", "adapt"], **both},
    }


def _properties() -> dict[str, Any]:
    names = {"propertyNames": {"pattern": r"^[^\W\d-][\w-]*$", "not": {"enum": keyword.kwlist}}}
    name = r"[^\W\d]\w*"
    variable = r"\$\{(env|import):"
    types: dict[str, dict[str, Any]] = {
        "version": {"const": VERSIONS[0]} if len(VERSIONS) == 1 else {"enum": list(VERSIONS)},
        "module": {"type": "string", "pattern": rf"^{name}(\.{name})*$|{variable}"},
        "class": {"type": "string", "pattern": rf"^{name}$|{variable}"},
        "args": {"type": ["array", "null"]},
        "kwargs": {"type": ["object", "null"], **names, "properties": {"asynchronous": False}},
        "scale": {"type": ["integer", "null"], "minimum": 0},
        "adapt": {"type": ["object", "null"], **names},
    }
    return {key: {"description": DESCRIPTIONS[key], **types[key]} for key in KEYS}
