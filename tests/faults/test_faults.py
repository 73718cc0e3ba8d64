"""Every fault during every command: its cause is named, and nothing is left."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import product
from pathlib import Path

import pytest

from tests.backends.scripts import SPEC, wait_until
from tests.faults.cells import CELLS, FAULTS, Cell, Left
from tests.faults.lab import Lab

SIDE_BY_SIDE = 4  # most of the time of each is spent waiting


@pytest.fixture(scope="module")
def played(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[Cell, Future[None]]]:
    """The cells that were asked for, side by side: each fault in a home of its own."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("finds processes through /proc; run on Linux")
    chosen = [item.callspec.params["cell"] for item in request.session.items if is_cell(item)]
    played = {cell: Future[None]() for cell in chosen}
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


def play(cells: list[Cell], lab: Lab, played: Mapping[Cell, Future[None]]) -> None:
    """One fault after the other in the same home: what one leaves is in the way of the next."""
    try:
        for cell in cells:
            try:
                played[cell].set_result(play_one(cell, lab))
            except BaseException as error:  # noqa: BLE001 -- raised where it is waited for
                lab.reset()
                played[cell].set_exception(error)
    finally:
        lab.close()


@pytest.mark.parametrize(
    "cell", CELLS, ids=[f"{n}-{cell.fault}-{cell.command}" for n, cell in enumerate(CELLS)]
)
@pytest.mark.timeout(900)  # the first waits for others too
def test_the_cause_is_named_and_nothing_is_left(
    cell: Cell, played: Mapping[Cell, Future[None]]
) -> None:
    played[cell].result()


def play_one(cell: Cell, lab: Lab) -> None:
    """Bring a fault about, and hold what the cell says of it."""
    lab.spec(SPEC)
    with cell.by(lab) as scene:
        command = shlex.split(cell.asked.format(**scene.names))
        process = lab.start(*command, env=scene.env, disk=scene.disk)
        if scene.meanwhile:
            scene.meanwhile(process)
        done = lab.finished(process)
    assert (done.returncode, "Traceback" in done.stderr) == (cell.code, False), done.stderr
    last = (done.stderr.splitlines() or [""])[-1]
    assert re.fullmatch(cell.said.format(**scene.names), last), done.stderr
    assert re.search(cell.printed.format(**scene.names), done.stdout, re.MULTILINE), done.stdout
    if cell.left is Left.CREATED:
        lab.living[scene.names["new"]] = lab.records
    elif cell.left is Left.NOTHING:
        lab.forget(scene.names.get("cluster"))
    try:
        wait_until(lambda: not lab.stray(), "nothing is left")
    except pytest.fail.Exception:
        pytest.fail(f"left: {lab.stray()}; {done.stderr}")


def test_every_fault_meets_every_command() -> None:
    met = {(cell.fault, cell.command) for cell in CELLS}
    assert met == set(product(FAULTS, ("create", "list", "scale", "delete", "run")))
