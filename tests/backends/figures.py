"""The page of figures, and how what is on it is measured."""

from __future__ import annotations

import itertools
import json
import random
import re
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar, Final

import pytest

from dask_ctl import check_spec
from tests.backends.scripts import EXAMPLES, Scripts, example, examples, wait_until

BACKENDS: Final = EXAMPLES.parent / "backends"
PAGE: Final = BACKENDS / "figures.md"
REAL, CONTRACT, NOTHING = "ran for real", "contract only", "nothing"
CALL = """
import json, dask_ctl
spec = dask_ctl.resolve_spec().spec
names = ("module", "class_", "args", "kwargs", "scale", "adapt")
print(json.dumps({name: getattr(spec, name) for name in names}, default=dict))
"""
# How many pairs of runs are measured: after five minutes no more, but not too few.
_FEWEST, _MOST, _ENOUGH = 11, 101, 300.0
_ROW: Final = re.compile(r"^\| \[.*\n", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """A line of the table: texts, as they are on the page."""

    spec: str
    tests: str
    how: str
    package: str
    created: str = ""
    called: str = ""
    ratio: str = ""
    interval: str = ""
    loading: str = ""
    left: str = ""

    @classmethod
    def of(cls, name: str, test: Path, how: str, package: str, *figures: str) -> Row:
        """Make the line of an example, which links to the example's page."""
        include = f"/{name}.yaml" if example(name).name == f"{name}.yaml" else f"/{name}/dask-"
        (page,) = (page.name for page in BACKENDS.glob("*.md") if include in page.read_text())
        spec = f"[{name}]({page})"
        return cls(spec, f"`{test.parent.name}`", how, f"{package} {version(package)}", *figures)


def rows() -> list[Row]:
    """Read the page."""
    return [
        Row(*(cell.strip() for cell in line.strip().strip("|").split("|")))
        for line in _ROW.findall(PAGE.read_text())
    ]


def put(new: Row) -> None:
    """Put a line into the table, in place of the one of the same spec."""
    lines = sorted({row.spec: row for row in (*rows(), new)}.values(), key=lambda row: row.spec)
    first, *_ = _ROW.split(PAGE.read_text(), maxsplit=1)
    PAGE.write_text(first + "".join(f"| {' | '.join(astuple(row))} |\n" for row in lines))


def put_contract(name: str, test: Path, package: str) -> None:
    """Put the line of a spec of which only the call is looked at."""
    assert check_spec(example(name)) == []
    put(Row.of(name, test, CONTRACT, package))


def interval(created: list[float], called: list[float]) -> tuple[float, float]:
    """Give the 95 % interval of the ratio of the medians, by resampling the pairs."""
    resample, pairs = random.Random(0), list(zip(created, called, strict=True))
    ratios = []
    for _ in range(2000):
        ours, theirs = zip(*resample.choices(pairs, k=len(pairs)), strict=True)
        ratios.append(statistics.median(ours) / statistics.median(theirs))
    low, *_, high = statistics.quantiles(ratios, n=40)
    return low, high


class Measured:
    """A backend whose time to the first result is measured, by ``make figures``."""

    command: ClassVar[tuple[str, ...]] = (sys.executable,)
    """What the scripts are run with."""
    package: ClassVar[str] = "distributed"

    @pytest.fixture
    def busy(self, backend: Scripts) -> Callable[[], object]:
        """Whether anything still runs after a script."""
        return backend.processes

    @pytest.mark.figures
    @pytest.mark.timeout(3600)
    def test_first_result(
        self,
        backend: Scripts,
        busy: Callable[[], object],
        request: pytest.FixtureRequest,
    ) -> None:
        """`create_cluster` takes as long as the class that it calls, and leaves as little."""
        used = (backend.cwd / "dask-cluster.yaml").read_text()
        (name,) = (each for each in examples() if example(each).read_text() == used)
        script = shutil.copy(Path(__file__).with_name("first_result.py"), backend.cwd)
        call = backend.run(sys.executable, "-c", CALL).stdout
        logs = backend.cwd / (json.loads(call)["kwargs"] or {}).get("log_directory", "logs")
        ways: dict[str, list[str]] = {"created": [], "called": [call]}
        seconds: dict[str, list[float]] = {name: [] for name in ("loading", *ways)}
        left: dict[str, set[Path]] = {way: set() for way in ways}
        began = time.monotonic()
        for i in itertools.count():
            if i > _MOST or (i > _FEWEST and time.monotonic() > began + _ENOUGH):
                break
            for way in sorted(ways, reverse=bool(i % 2)):
                before = set(backend.files())
                run = backend.run(*self.command, script, *ways[way])
                printed = re.fullmatch(r"([\d.]+) ([\d.]+)\n", run.stdout)
                assert printed, (run.stdout, run.stderr)
                wait_until(lambda: not busy(), "nothing runs any more", 120)
                # The first import of dask-jobqueue writes a file of its configuration, and a
                # spec may ask for logs.
                new = set(backend.files()) - before
                new = {path for path in new if path.suffix != ".yaml"}
                left[way] |= {path for path in new if logs not in path.parents}
                if i:  # the first pair fills the caches
                    seconds["loading"].append(float(printed[1]))
                    seconds[way].append(float(printed[2]))
        assert bool(left["created"]) <= bool(left["called"]), left
        medians = {name: statistics.median(taken) for name, taken in seconds.items()}
        figures = [
            *(f"{medians[way]:.3f}" for way in ways),
            f"{medians['created'] / medians['called']:.2f}",
            "{:.2f} to {:.2f}".format(*interval(seconds["created"], seconds["called"])),
            f"{medians['loading']:.3f}",
        ]
        files = "a file, as by the class" if left["created"] else NOTHING
        put(Row.of(name, request.path, REAL, self.package, *figures, files))
