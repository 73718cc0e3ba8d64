"""What the consumers share: their packages, and a user's folder in which nothing is left."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import unavailable


@pytest.fixture(autouse=True)
def installed(request: pytest.FixtureRequest) -> None:
    """Look for the packages that the module ``NEEDS``; some do much when they are imported."""
    if missing := [name for name in request.module.NEEDS if find_spec(name) is None]:
        unavailable(f"{', '.join(missing)} not installed", "make test, or the extra 'consumers'")


@pytest.fixture
def jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have Jupyter and IPython keep what they keep between runs in a folder of its own."""
    folder = tmp_path / "jupyter"
    folder.mkdir()  # IPython takes a folder only if it could make it, and a temporary one if not
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(folder / name))
    return folder
