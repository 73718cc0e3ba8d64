"""What distributed loads into the workers of `dask cluster run`: the terminal is the command's."""

from __future__ import annotations

import multiprocessing
import os
from typing import Final

PRELOAD: Final = __name__


def dask_setup(_: object) -> None:
    """Have Ctrl-C of the terminal go past a worker process, whose command may live on with it.

    It is sent to a group of processes. A worker that is none of its own stays where it is.
    """
    if multiprocessing.parent_process() is not None and hasattr(os, "setpgid"):
        os.setpgid(0, 0)
