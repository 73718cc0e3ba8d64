"""The JSON Schema of a spec file, and of the `ctl` namespace of dask's configuration."""

from __future__ import annotations

import json
from typing import Any, Final

from dask_ctl.spec.keys import BY_NAME, TABLE, schema_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# By which the YAML language server finds the schema of a file, where the documentation has it.
MODELINE: Final = (
    "# yaml-language-server: $schema=https://dask-ctl.readthedocs.io/en/latest/dask-cluster.json\n"
)

_WORDS: Final = {"type": ["array", "string", "null"], "items": {"type": "string"}}


def dump(schema: dict[str, Any]) -> str:
    """A schema as the text of a file."""
    return json.dumps(schema, indent=2) + "\n"


def spec_schema() -> dict[str, Any]:
    """The schema of a spec file; one without module and class is for others to extend."""
    return {
        "$schema": DIALECT,
        "title": "dask_ctl spec",
        **_spec(),
        "required": ["version"],
        "anyOf": [
            {"required": ["extends"]},
            {"dependentRequired": {"module": ["class"], "class": ["module"]}},
        ],
    }


def namespace_schema() -> dict[str, Any]:
    """The schema of a YAML file of dask's configuration, as far as it concerns `ctl`."""
    inline = _spec()
    text = {"type": "string", "minLength": 1}
    several = {"type": "array", "minItems": 1, "items": {"anyOf": [text, inline]}}
    meant = {"anyOf": [{**text, "type": ["string", "null"]}, inline, several]}
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
                        **meant,
                    },
                    "project-specs": {
                        "description": "The same for a folder and those below it.",
                        "type": ["object", "null"],
                        "additionalProperties": meant,
                    },
                    "cluster-specs": {
                        "description": "Specs that can be called by name.",
                        "type": ["object", "null"],
                        "additionalProperties": {"anyOf": [inline, {"type": "null"}]},
                    },
                    "cluster-kwargs": {
                        **schema_of(BY_NAME["kwargs"]),
                        "description": "Keyword arguments laid over those of every spec.",
                    },
                    "disable-discovery": {
                        "description": "Discovery methods that are not used.",
                        **_WORDS,
                    },
                    "trusted": {
                        "description": "What specs may name, though it looks like no cluster.",
                        **_WORDS,
                    },
                    "waiting-notes": {
                        "description": "Whether a script says what its workers wait for.",
                        "type": ["boolean", "null"],
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
                            "gateways": {
                                "description": "Addresses of dask-gateway servers to ask.",
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
        "properties": {key.name: schema_of(key) for key in TABLE},
        "not": {"required": ["scale", "adapt"], **both},
    }
