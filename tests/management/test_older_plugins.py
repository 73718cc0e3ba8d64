"""Discovery methods that were written for the tool before this one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.backends.scripts import DASK_CLUSTER, ok
from tests.conftest import ROOT
from tests.distributions import install


def test_a_class_that_takes_a_name_alone(
    tmp_path: Path, python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """`from_name(name)` is all that a class needs to be listed and described."""
    packages = tmp_path / "packages"
    packages.mkdir()
    install(
        packages,
        "older",
        """
        class Older(Cluster):
            @classmethod
            def from_name(cls, name):
                return cls(name)

        async def discover():
            yield "there", Older
        """,
    )
    env = {"PYTHONPATH": f"{ROOT}:{packages}"}
    done = python(*DASK_CLUSTER, "list", "older", "--output", "json", env=env)
    (row,) = json.loads(ok(done))
    assert (row["name"], row["status"], row["threads"]) == ("there", "running", 3)
    shown = json.loads(ok(python(*DASK_CLUSTER, "show", "there", "--output", "json", env=env)))
    assert shown["address"] == "tcp://there"
