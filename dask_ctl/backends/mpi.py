"""The ranks of one ``mpirun``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from dask_ctl.backends.runners import Runner


class MPI(Runner):
    """`dask_ctl.mpi.MPIRunner`, which asks for its ranks itself."""

    classes = ("dask_ctl.backends.mpi_runner.MPIRunner",)
    packages = {"dask_jobqueue": "dask-jobqueue"}
    launcher = "mpirun"
    templates = ("mpi",)
    commands: ClassVar[Mapping[str, str]] = {"mpi": "mpirun"}


ROOMS = (MPI,)
