"""What is asked of Slurm before a job is submitted warns, and neither waits nor fails."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from dask_ctl.backends.slurm import doubts

# As sinfo(1) of Slurm 22.05 was seen to print; sacctmgr(1) with --parsable2.
SINFO = "printf 'batch\\ngpu\\n'"
SACCTMGR = "printf 'my-project|normal,long\\nother|normal\\n'"
NO_DATABASE = "echo 'You are not running a supported accounting_storage plugin' >&2; exit 1"


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def command(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({}, []),
        ({"job_extra_directives": ["--quiet", "-x 'n1"]}, []),
        ({"job_extra_directives": 3}, []),
        ({"queue": "gpu", "account": "My-Project", "job_extra_directives": ["--qos=long"]}, []),
        ({"queue": "gpu,absent"}, ["kwargs.queue: Slurm knows no partition 'absent' for you"]),
        ({"account": "absent"}, ["kwargs.account: Slurm knows no account 'absent' for you"]),
        *[
            (
                {"job_extra_directives": directives},
                ["kwargs.job_extra_directives: Slurm knows no QOS 'absent' for you"],
            )
            for directives in (
                ["--qos=absent"],
                ["-x n1", "--qos absent"],
                ["-q absent"],
                ["-qabsent"],
            )
        ],
    ],
)
def test_what_is_unknown(bin_folder: Path, kwargs: dict[str, Any], said: list[str]) -> None:
    """It is a warning that names what is known."""
    command(bin_folder, "sinfo", SINFO)
    command(bin_folder, "sacctmgr", SACCTMGR)
    problems = doubts(kwargs)
    assert [str(each).partition(";")[0] for each in problems] == said
    assert all("; it knows " in str(each) and each.severity == "warning" for each in problems)


@pytest.mark.parametrize("name", ["queue", "account"])
@pytest.mark.parametrize("value", [["absent"], {"absent": 1}, True])
def test_what_is_no_name_is_not_asked_of(bin_folder: Path, name: str, value: Any) -> None:
    command(bin_folder, "sinfo", SINFO)
    command(bin_folder, "sacctmgr", SACCTMGR)
    assert doubts({name: value}) == []


def test_nothing_is_said_that_is_not_known(bin_folder: Path) -> None:
    """Without commands, accounting or an answer in time."""
    kwargs = {"queue": "absent", "account": "absent", "job_extra_directives": ["-q absent"]}
    assert doubts(kwargs) == []
    command(bin_folder, "sinfo", SINFO)
    command(bin_folder, "sacctmgr", NO_DATABASE)
    assert [each.key for each in doubts(kwargs)] == ["kwargs.queue"]
    command(bin_folder, "sinfo", "/bin/sleep 600")
    command(bin_folder, "sacctmgr", "/bin/sleep 600")
    started = time.monotonic()
    assert doubts(kwargs) == []
    assert time.monotonic() - started < 10
