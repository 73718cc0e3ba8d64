"""The name by which specs know `MPIRunner`; imported by nothing else, as it needs dask-jobqueue."""

from dask_ctl.backends.mpi_runner import MPIRunner

__all__ = ["MPIRunner"]
