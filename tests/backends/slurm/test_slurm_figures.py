"""The lines of Slurm on the page of figures."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import ClassVar

import pytest
from two_nodes import Slurm

from tests.backends.figures import Measured
from tests.backends.scripts import Scripts


class OnSlurm(Measured):
    """A class of dask-jobqueue, on a Slurm on this machine's loopback."""

    package = "dask-jobqueue"
    example: ClassVar[str]
    laid_over: ClassVar[dict[str, str]]

    @pytest.fixture
    def backend(self, slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> Slurm:
        """Use the example spec."""
        Scripts.use_example(slurm, self.example)
        laid_over = {"SCHEDULER_OPTIONS__DASHBOARD_ADDRESS": ":0", **self.laid_over}
        for name, value in laid_over.items():
            monkeypatch.setenv(f"DASK_CTL__CLUSTER_KWARGS__{name}", value)
        return slurm

    @pytest.fixture
    def busy(self, slurm: Slurm) -> Callable[[], object]:
        """Whether a job is there in any state, or a process."""
        return lambda: slurm.queue() or slurm.processes()


class TestCluster(OnSlurm):
    example = "slurm"
    laid_over: ClassVar[dict[str, str]] = {"INTERFACE": "lo", "N_WORKERS": "2", "MEMORY": "1GB"}


class TestRunner(OnSlurm):
    command = ("srun", "-n", "4", sys.executable)
    example = "slurm-runner"
    laid_over: ClassVar[dict[str, str]] = {
        "SCHEDULER_OPTIONS__INTERFACE": "lo",
        "WORKER_OPTIONS__INTERFACE": "lo",
    }
