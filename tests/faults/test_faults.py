"""Every fault during every command: what its user sees, and that nothing is left.

The page ``docs/faults.md`` is what these tests have seen: ``make faults`` writes it anew.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import product
from pathlib import Path

import pytest

from tests.backends.scripts import wait_until
from tests.conftest import ROOT
from tests.faults.cells import AS_IT_WAS, CELLS, COMMANDS, CREATED, FAULTS, Cell
from tests.faults.lab import SPEC, Lab

PAGE = ROOT / "docs" / "faults.md"
REWRITE = os.environ.get("DASK_CTL_TEST_REWRITE") == "1"  # `isolated` removes it

SIDE_BY_SIDE = 8  # most of the time of each is spent waiting

MARK = "<!-- What follows is written by: make faults -->"
HEAD = (
    "| `dask cluster ...` | What was done | What the user saw | Exit code | What was left |",
    "| --- | --- | --- | --- | --- |",
)

rows: dict[Cell, str] = {}


@pytest.fixture(scope="module")
def played(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[Cell, Future[str]]]:
    """The cells that were asked for, side by side: each fault in a home of its own."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("finds processes through /proc; run on Linux")
    chosen = [item.callspec.params["cell"] for item in request.session.items if is_cell(item)]
    played = {cell: Future[str]() for cell in chosen}
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        ends = [
            pool.submit(play, lab_cells, Lab(tmp_path_factory.mktemp(fault)), played)
            for fault in FAULTS
            if (lab_cells := [cell for cell in chosen if cell.fault == fault])
        ]
        yield played
    for end in ends:
        end.result()


def is_cell(item: pytest.Item) -> bool:
    return "cell" in getattr(getattr(item, "callspec", None), "params", {})


def play(cells: list[Cell], lab: Lab, played: Mapping[Cell, Future[str]]) -> None:
    """One fault after the other in the same home: what one leaves is in the way of the next."""
    try:
        for cell in cells:
            try:
                played[cell].set_result(outcome(cell, lab))
            except BaseException as error:  # noqa: BLE001 -- raised where it is waited for
                lab.reset()
                played[cell].set_exception(error)
    finally:
        lab.close()


@pytest.mark.parametrize(
    "cell", CELLS, ids=[f"{n}-{cell.fault}-{cell.command}" for n, cell in enumerate(CELLS)]
)
@pytest.mark.timeout(900)  # the first waits for others too
def test_the_user_sees_what_went_wrong_and_nothing_is_left(
    cell: Cell, played: Mapping[Cell, Future[str]]
) -> None:
    rows[cell] = played[cell].result()


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
    said = tuple(lab.shown(done.stderr).splitlines())
    printed = tuple(lab.shown(mine(done.stdout, cell, scene.names)).splitlines())
    assert (done.returncode, said, printed) == (cell.code, cell.said, cell.printed)
    name = scene.names.get("cluster")
    if cell.left == CREATED:
        lab.living[scene.names["new"]] = lab.records
    elif cell.left != AS_IT_WAS and name:
        lab.living.pop(name, None)
    try:
        wait_until(lambda: not lab.stray(), "nothing is left")
    except pytest.fail.Exception:
        pytest.fail(f"left: {lab.stray()}; {done.stderr}")
    typed = lab.shown(cell.asked.format(**scene.names))
    seen = "<br>".join(f"`{line}`" for line in (*said, *printed)) or "no word"
    return f"| `{typed}` | {cell.injected} | {seen} | {done.returncode} | {cell.left} |"


def mine(text: str, cell: Cell, names: dict[str, str]) -> str:
    """Of a list only the cluster's own row."""
    if cell.command != "list":
        return text
    own = names.get("cluster") or names.get("address", "?")
    return "\n".join(line for line in text.splitlines() if line.split()[0] == own)


def test_every_fault_meets_every_command() -> None:
    assert {(cell.fault, cell.command) for cell in CELLS} == set(product(FAULTS, COMMANDS))


def test_the_page_is_what_was_seen() -> None:
    if rows.keys() != set(CELLS):
        pytest.skip("not every fault was played; run all of tests/faults")
    page = PAGE.read_text()
    before, mark, _ = page.partition(MARK)
    tables = (
        "\n".join(
            [f"## {fault.capitalize()}", "", *HEAD, *(rows[c] for c in CELLS if c.fault == fault)]
        )
        for fault in FAULTS
    )
    seen = before + mark + "\n\n" + "\n\n".join(tables) + "\n"
    if REWRITE:
        PAGE.write_text(seen)
    assert page == seen or REWRITE
