"""The lines of clouds on the page of figures."""

from __future__ import annotations

import pytest
from test_cloud import NEEDS

from tests.backends.figures import put_contract


@pytest.mark.figures
@pytest.mark.parametrize("name", NEEDS)
def test_contract(name: str, request: pytest.FixtureRequest) -> None:
    """The arguments of the example spec fit the class."""
    package = "coiled" if name == "coiled" else "dask-cloudprovider"
    put_contract(name, request.path, package)
