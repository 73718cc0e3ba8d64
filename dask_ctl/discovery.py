"""Where dask-ctl 2024.1.0 had the functions of discovery; they are in `dask_ctl` now."""

from typing import Any

from dask_ctl import _earlier


def __getattr__(name: str) -> Any:
    return _earlier.imported(__name__, name)
