"""The lines of batch systems without a server on the page of figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_jobqueue import SYSTEMS

from tests.backends.figures import put_contract

# Those with a folder of their own run for real there.
ELSEWHERE = {folder.name for folder in Path(__file__).parents[1].iterdir()}


@pytest.mark.figures
@pytest.mark.parametrize("name", [name for name in SYSTEMS if name not in ELSEWHERE])
def test_contract(name: str, request: pytest.FixtureRequest) -> None:
    """The arguments of the example spec fit the class."""
    put_contract(name, request.path, "dask-jobqueue")
