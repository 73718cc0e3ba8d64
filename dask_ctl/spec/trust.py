"""Whose code is run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def code_from(folder: Path | None = None) -> Iterator[None]:
    """Have modules be found in a folder, after everywhere else."""
    path = str(folder or Path.cwd())
    sys.path.append(path)
    try:
        yield
    finally:
        sys.path.remove(path)
