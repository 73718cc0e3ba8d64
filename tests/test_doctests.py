"""The examples in docstrings run, in the same isolation as every test."""

from __future__ import annotations

import doctest
import importlib

import dask.config
import pytest

from tests.conftest import ROOT

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "dask_ctl").rglob("*.py")
    if ">>>" in path.read_text()
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    """Every example of a module gives what it says."""
    module = importlib.import_module(name)
    with dask.config.set({"ctl.discovery.timeout": "30s"}):  # of a busy machine
        assert doctest.testmod(module, raise_on_error=False).failed == 0
