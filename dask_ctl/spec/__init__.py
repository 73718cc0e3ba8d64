"""Which cluster is meant: text, located values, layers, one resolved spec."""

from typing import Any

from dask_ctl import _earlier


def __getattr__(name: str) -> Any:
    return _earlier.imported(__name__, name)
