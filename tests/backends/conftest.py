"""What the backends share: a user's folder in which nothing is left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends.scripts import Scripts, wait_until

pytest.register_assert_rewrite("tests.backends.claims")


@pytest.fixture
def scripts(isolated: Path, tmp_path: Path) -> Iterator[Scripts]:
    """Run scripts as a user; at the end none of their processes and files may be left."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("finds processes through /proc; run on Linux")
    scripts = Scripts(isolated, tmp_path / "home", tmp_path / "tmp")
    scripts.tmp.mkdir()
    yield scripts
    try:
        wait_until(lambda: not scripts.processes(), "every process has ended")
        left = {path for path in scripts.files() if path.suffix not in (".py", ".yaml")}
        assert left == set()
    finally:
        scripts.kill_all()
