"""Their own tests pass with each cluster made by `create_cluster`, where they pass anyway."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, require_package

PLUGIN = "tests.backends.jobqueue.through_create_cluster"
MODULES = ("jobqueue_core", "slurm", "sge", "pbs", "lsf", "oar", "htcondor")
# What a spec says is checked before the class is called, and the error is ours.
CHECKED_BEFORE = re.compile(r"test_wrong_parameter_error\[")


@pytest.mark.usefixtures("isolated")
def test_their_own_tests(tmp_path: Path) -> None:
    """Nothing fails through `create_cluster` that does not fail by the class itself."""
    tests = Path(require_package("dask_jobqueue", "dask-jobqueue").__file__).parent / "tests"
    if not tests.is_dir():
        pytest.skip("this dask-jobqueue comes without its tests; its wheel has them")
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "-p", PLUGIN),
        *("-W", "ignore", "-m", "not env and not asyncio", "-c", os.devnull),
        *("--rootdir", str(tmp_path), "--timeout", "120"),
        *(str(tests / f"test_{name}.py") for name in MODULES),
    ]
    # Where no command of a batch system is found, as on the machine of who wrote them.
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": str(tmp_path)}
    runs = [
        subprocess.Popen(
            command, env={**env, "THROUGH": through}, stdout=subprocess.PIPE, text=True
        )
        for through in "01"
    ]
    directly, through = (passed(run.communicate(timeout=250)[0]) for run in runs)
    assert len(directly) > 100
    missing = {name for name in directly - through if not CHECKED_BEFORE.search(name)}
    if missing:  # some listen at a port of their choice, where the other run may have listened
        names = {re.sub(r".*::|\[.*", "", name) for name in missing}
        again = subprocess.run(
            [*command, "-k", " or ".join(names)],
            env={**env, "THROUGH": "1"}, capture_output=True, text=True, timeout=250, check=False,
        )  # fmt: skip
        missing -= passed(again.stdout)
    assert missing == set()


def passed(report: str) -> set[str]:
    """The names of the tests that have passed."""
    return set(re.findall(r"^PASSED (\S.*)$", report, re.MULTILINE))
