"""The line of Grid Engine on the page of figures."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from grid_engine import GridEngine

from tests.backends.figures import Measured


class TestCluster(Measured):
    """``SGECluster`` on a Grid Engine on this machine."""

    package = "dask-jobqueue"

    @pytest.fixture
    def backend(self, batch: GridEngine) -> GridEngine:
        """Use the example spec."""
        return batch

    @pytest.fixture
    def busy(self, batch: GridEngine) -> Callable[[], object]:
        """Whether a job is there in any state, or a process."""
        return lambda: batch.queue() or batch.processes()
