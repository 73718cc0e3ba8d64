"""The line of MPI on the page of figures."""

from __future__ import annotations

from test_mpi import mpi as backend  # noqa: F401 -- the fixture
from test_mpi import ranks

from tests.backends.figures import Measured


class TestRunner(Measured):
    command = tuple(ranks(4))
    package = "dask-jobqueue"
