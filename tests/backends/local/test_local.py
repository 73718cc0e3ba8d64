"""The announcement's script on clusters of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest

from tests.backends.claims import Scalable
from tests.backends.scripts import Scripts


class OnThisMachine(Scalable):
    """A class whose processes are children of the script."""

    example: ClassVar[str]
    dashboard: ClassVar[str] = "DASHBOARD_ADDRESS"
    in_the_terminal = True

    @pytest.fixture
    def backend(self, scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> Scripts:
        """Use the example spec, with a dashboard that is in nobody's way."""
        scripts.use_example(self.example)
        monkeypatch.setenv(f"DASK_CTL__CLUSTER_KWARGS__{self.dashboard}", ":0")
        return scripts


class TestProcesses(OnThisMachine):
    example = "local"


class TestThreads(OnThisMachine):
    example = "local-threads"


class TestJobs(OnThisMachine):
    example = "local-jobqueue"
    dashboard = "SCHEDULER_OPTIONS__DASHBOARD_ADDRESS"
    small: ClassVar[dict[str, int]] = {}
    package = "dask-jobqueue"


class TestSubprocesses(OnThisMachine):
    example = "subprocess"

    @pytest.fixture(autouse=True)
    def scheduler_file(self, backend: Scripts, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Remove the file that a killed scheduler leaves, however the class is called."""
        # Ctrl-C ends the scheduler too, and the class looks for it that long to end it.
        monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "3s")
        yield
        for scheduler_file in backend.tmp.glob("*-*-*-*-*"):
            assert "address" in scheduler_file.read_text()
            scheduler_file.unlink()
