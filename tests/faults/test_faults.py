"""Every fault during every command: what its user sees, and that nothing is left.

The page ``docs/faults.md`` is what these tests have seen: ``make faults`` writes it anew.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends.scripts import wait_until
from tests.conftest import ROOT
from tests.faults.cells import CELLS, CREATED, NOTHING, Cell
from tests.faults.lab import SPEC, Lab

PAGE = ROOT / "docs" / "faults.md"
REWRITE = os.environ.get("DASK_CTL_TEST_REWRITE") == "1"  # `isolated` removes it
LEARN = os.environ.get("LEARN")

rows: dict[Cell, str] = {}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One home for all faults: what one leaves behind is in the way of the next."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("finds processes through /proc; run on Linux")
    lab = Lab(tmp_path_factory.mktemp("faults"))
    yield lab
    lab.close()


@pytest.mark.parametrize(
    "cell", CELLS, ids=[f"{n}-{cell.fault}-{cell.command}" for n, cell in enumerate(CELLS)]
)
def test_the_user_sees_what_went_wrong_and_nothing_is_left(cell: Cell, lab: Lab) -> None:
    try:
        rows[cell] = outcome(cell, lab)
    except BaseException:
        lab.reset()
        raise


def outcome(cell: Cell, lab: Lab) -> str:
    """Bring a fault about and hold what the cell says of it; its row of the page."""
    lab.spec(SPEC)
    with cell.by(lab) as scene:
        command = shlex.split(cell.asked.format(**scene.names))
        env, disk = scene.env, scene.disk
        process = lab.start(sys.executable, "-m", "dask", "cluster", *command, env=env, disk=disk)
        if scene.meanwhile:
            scene.meanwhile(process)
        done = lab.finished(process)
    named = {name: f"{{{key}}}" for key, name in scene.names.items() if key != "port"}
    name = scene.names.get("cluster")
    shown = {each: "analysis" for key, each in scene.names.items() if key in ("cluster", "new")}
    said = tuple(lab.shown(done.stderr, shown).splitlines())
    printed = tuple(lab.shown(mine(done.stdout, cell, scene.names), shown).splitlines())
    if LEARN:
        print("CODE", done.returncode)
        for line in said:
            print("SAID", repr(line))
        for line in printed:
            print("PRINTED", repr(line))
    else:
        assert (done.returncode, said, printed) == (cell.code, cell.said, cell.printed)
    if cell.left == CREATED:
        lab.living[scene.names["new"]] = lab.records
    elif cell.left == NOTHING and name:
        lab.living.pop(name, None)
    try:
        wait_until(lambda: not lab.stray(), "nothing is left")
    finally:
        print("STRAY", lab.stray())
    asked = lab.shown(
        cell.asked.format(**scene.names), {**shown, scene.names.get("port", "?"): "40001"}
    )
    seen = "<br>".join(f"`{line}`" for line in (*said, *printed)) or "nothing"
    return f"| {cell.injected} | `{asked}` | {done.returncode} | {seen} | {cell.left} |"


def mine(text: str, cell: Cell, names: dict[str, str]) -> str:
    """Of a list only the cluster's own row."""
    if cell.command != "list":
        return text
    own = names.get("cluster") or names.get("address", "?")
    return "\n".join(line for line in text.splitlines() if line.split()[0] == own)
