"""The packaged defaults, added to dask's when this is imported, and the tree as it is then.

This is all that importing dask_ctl does. It is kept apart so that it costs next to nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import dask.config
import yaml

NAMESPACE: Final = "ctl"
KEYS: Final = ("cluster-spec", "cluster-specs", "project-specs", "cluster-kwargs")


class Snapshot(NamedTuple):
    """The `ctl` tree at one moment: what is set in code later is told by comparing with it.

    Parameters
    ----------
    namespace : object
        The very mapping in `dask.config.config`; a refresh makes another.
    values : mapping
        For each key the very object that stands there.
    copies : mapping
        For each key a copy of it.
    env : mapping
        dask's variables in the environment.
    """

    namespace: Any
    values: Mapping[str, Any]
    copies: Mapping[str, Any]
    env: Mapping[str, str]

    @classmethod
    def take(cls) -> Snapshot:
        """Record the tree as it is now."""
        tree = dask.config.config
        values = {key: value_at(tree, key) for key in KEYS}
        copies = {key: copied(value) for key, value in values.items()}
        env = {name: text for name, text in os.environ.items() if name.startswith("DASK_")}
        return cls(tree.get(NAMESPACE), values, copies, env)


def defaults_path() -> Path:
    """Where ``dask_ctl.yaml`` is: in the built package, or beside it in a checkout."""
    built = Path(__file__).parents[1] / "dask_ctl.yaml"
    return built if built.exists() else built.parents[1] / built.name


def value_at(tree: Mapping[str, Any], key: str) -> Any:
    """What stands at a key of the namespace, or None."""
    return dask.config.get(f"{NAMESPACE}.{key}", default=None, config=dict(tree))


def copied(value: Any) -> Any:
    """Fresh mappings and lists, the same leaves: they may be any object."""
    if isinstance(value, Mapping):
        return {key: copied(part) for key, part in value.items()}
    if type(value) is list:
        return [copied(part) for part in value]
    return value


def _register() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(defaults_path().read_text(encoding="utf-8"))
    dask.config.update_defaults(loaded)
    return loaded


DEFAULTS: Final = _register()
AT_IMPORT: Final = Snapshot.take()
