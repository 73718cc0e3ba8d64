"""What the tests of resolution share: the sources of specs, written and read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.config
import yaml

from dask_ctl.spec import config
from dask_ctl.spec.defaults import Snapshot

NAMED = {"module": "mod", "class": "Named", "kwargs": {"n": 5}}


def write(path: Path, content: Any) -> Path:
    """Write a YAML file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def started() -> None:
    """As if the process had started with the sources that are there now."""
    dask.config.refresh()
    config._baseline = config.Baseline.of(Snapshot.take(), config.collect())
