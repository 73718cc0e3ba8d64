"""Fixtures of the tests of resolution."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def root(isolated: Path) -> Path:
    """The folder in which everything of a test lies."""
    return isolated.parent
