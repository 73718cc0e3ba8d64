"""Every discovery method side by side, and none trusted: real packages with real faults."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.config
import pytest

from dask_ctl import (
    DiscoveryError,
    InvalidSpecError,
    discover_cluster_names,
    discover_clusters,
    get_cluster,
    list_clusters,
)
from dask_ctl.exceptions import DaskCtlWarning
from dask_ctl.management import discovery
from tests.backends.scripts import wait_until
from tests.conftest import ROOT
from tests.distributions import GOOD, install

Python = Callable[..., "subprocess.CompletedProcess[str]"]

# What a method does wrong, what is found of it all the same, and what is said of it.
FAULTS = {
    "unimportable": ("import there_is_no_such_module", [], "ModuleNotFoundError: No module named"),
    "dies": ("raise SystemExit(3)", [], "SystemExit: 3"),
    "missing": ("", [], "AttributeError: module 'missing_module' has no attribute 'discover'"),
    "uncallable": ("discover = 3", [], "TypeError: 'int' object is not callable"),
    "coroutine": (
        "async def discover():\n    return []",
        [],
        "TypeError: 'async for' requires an object with __aiter__ method, got coroutine",
    ),
    "raises": ("def discover():\n    raise ValueError('no\\nway')", [], "ValueError: no way"),
    "raises_late": (
        "async def discover():\n    yield 'late', Cluster\n    raise KeyError",
        ["late"],
        "KeyError",
    ),
    "exits_late": (
        "async def discover():\n    yield 'last', Cluster\n    raise SystemExit(4)",
        ["last"],
        "SystemExit: 4",
    ),
    "hangs": (
        ("import asyncio\n"
        "async def discover():\n    yield 'hung', Cluster\n    await asyncio.sleep(3600)"),
        ["hung"],
        "no answer within 2 s",
    ),
    "blocks": (
        "import time\nasync def discover():\n    yield 'stuck', Cluster\n    time.sleep(3600)",
        ["stuck"],
        "no answer within 2 s",
    ),
    "blocks_import": ("import time; time.sleep(3600)", [], "no answer within 2 s"),
    "pool": (
        ("import asyncio, time\n"
        "async def discover():\n    await asyncio.to_thread(time.sleep, 3600)\n    yield"),
        [],
        "no answer within 2 s",
    ),
    "spins": (
        "async def discover():\n    while True:\n        yield None",
        [],
        "it gave None, which is not a name and a class with from_name",
    ),
    "nonsense": (
        ("class Repr:\n    def __repr__(self):\n        return 'x' * 1000\n"
        "async def discover():\n"
        "    yield 'before', Cluster\n"
        "    for each in None, 'ab', {'a': 1, 'b': 2}, ('x',), (1, Cluster), ('x', int), Repr():\n"
        "        yield each\n"
        "    yield 'after', Cluster"),
        ["after", "before"],
        "it gave None, which is not a name and a class with from_name",
    ),
    "unprintable": (
        ("class Repr:\n    def __repr__(self):\n        1 / 0\n"
        "async def discover():\n    yield 'seen', Cluster\n    yield Repr()"),
        ["seen"],
        "ZeroDivisionError: division by zero",
    ),
}  # fmt: skip


def prefix(name: str) -> str:
    return f"discovery method {name!r} of {name}-dist 1.0 failed: "


def remedy(name: str) -> str:
    return f"; to do without it: dask cluster discovery disable {name}"


def test_faults_side_by_side(packages: Path, shell: Python) -> None:
    """All at once: each is one warning with name and package, and no other's cluster is lost."""
    install(packages, "good", GOOD)
    for name, (source, _, _) in FAULTS.items():
        install(packages, name, source)
    done = shell("list", "--output", "json")
    assert done.returncode == 0
    listed = sorted((row["discovery"], row["name"]) for row in json.loads(done.stdout))
    expected = [(name, each) for name, (_, found, _) in FAULTS.items() for each in found]
    assert listed == sorted([("good", "one"), ("good", "two"), *expected])
    assert "Traceback" not in done.stderr
    said = done.stderr.splitlines()
    assert len(said) == len(FAULTS), done.stderr
    for name, (_, _, why) in FAULTS.items():
        (line,) = (line for line in said if prefix(name) in line)
        assert line.startswith(f"warning: {prefix(name)}{why}"), line
        assert line.endswith(remedy(name))


@pytest.mark.parametrize("name", ["unimportable", "nonsense", "hangs", "blocks_import"])
def test_one_that_was_asked_for(packages: Path, shell: Python, name: str) -> None:
    """`list METHOD` prints what it found, says how it failed, and exits 7."""
    source, found, why = FAULTS[name]
    install(packages, name, source)
    install(packages, "good", GOOD)
    done = shell("list", name, "--output", "json", DASK_CTL__DISCOVERY__TIMEOUT="2s")
    assert done.returncode == 7
    assert sorted(row["name"] for row in json.loads(done.stdout)) == found
    assert done.stderr.startswith(f"warning: {prefix(name)}{why}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["hangs", "pool", "spins", "blocks", "blocks_import"])
def test_a_script_ends_at_once(packages: Path, python: Python, name: str) -> None:
    """What hangs keeps no script from ending: not its threads, and not those that it starts."""
    install(packages, name, FAULTS[name][0])
    code = "import dask_ctl; dask_ctl.list_clusters(); print('end')"
    done = python("-c", code, env={"PYTHONPATH": f"{ROOT}:{packages}"}, timeout=60)
    assert (done.stdout, done.returncode) == ("end\n", 0), done.stderr
    assert "Traceback" not in done.stderr
    assert prefix(name) in done.stderr


@pytest.mark.parametrize("name", ["hangs", "spins", "raises_late", "nonsense"])
def test_no_thread_is_left(packages: Path, name: str) -> None:
    """A method that hangs is cancelled, and one that never gives way is not heard further."""
    install(packages, name, FAULTS[name][0])
    before = set(threading.enumerate())
    with pytest.warns(DaskCtlWarning, match=re.escape(prefix(name))):
        list_clusters()
    wait_until(lambda: set(threading.enumerate()) <= before, "its threads have ended")


def test_nobody_waits_for_the_rest(packages: Path) -> None:
    """Whoever has heard enough can leave; what still runs is cancelled."""
    install(packages, "hangs", FAULTS["hangs"][0])
    before = set(threading.enumerate())

    async def first() -> str:
        names = discover_cluster_names()
        async for name, _ in names:
            await names.aclose()
            return name
        return ""

    with dask.config.set({"ctl.discovery.timeout": "1h"}):
        assert asyncio.run(first()) == "hung"
    wait_until(lambda: set(threading.enumerate()) <= before, "its threads have ended")


def test_ten_thousand_names(packages: Path) -> None:
    """All are listed, none twice."""
    source = """
    async def discover():
        for number in range(10_000):
            yield f"c{number}", Cluster
    """
    install(packages, "many", source)
    with dask.config.set({"ctl.discovery.timeout": "60s"}), warnings.catch_warnings():
        warnings.simplefilter("error", DaskCtlWarning)
        names = [info.name for info in list_clusters()]
    assert sorted(names) == sorted(f"c{number}" for number in range(10_000))


def test_names_for_ever(packages: Path) -> None:
    """A method that never ends is stopped in time; what it has named is there."""
    source = """
    import asyncio, itertools
    async def discover():
        for number in itertools.count():
            yield f"c{number}", Cluster
            await asyncio.sleep(0.01)
    """
    install(packages, "endless", source)
    with pytest.warns(DaskCtlWarning, match="no answer within 2 s") as caught:
        names = [info.name for info in list_clusters()]
    assert len(caught) == 1
    assert names[:1] == ["c0"]


def test_connections(packages: Path) -> None:
    """One dead and one hung cluster are rows that say so; the others are there in full."""
    source = """
    import asyncio
    class Dead(Cluster):
        def __await__(self):
            raise OSError("gone")
    class Hung(Cluster):
        def __await__(self):
            return asyncio.sleep(3600).__await__()
    class Frozen(Cluster):
        def __await__(self):
            import time
            return time.sleep(3600)
    async def discover():
        yield "alive", Cluster
        yield "dead", Dead
        yield "hung", Hung
    """
    install(packages, "good", source)
    install(packages, "frozen", source.replace('"hung", Hung', '"frozen", Frozen'))
    rows = {(info.discovery, info.name): info for info in list_clusters()}
    alive = rows["good", "alive"]
    assert (alive.status, alive.workers, alive.threads, alive.memory) == ("running", 1, 3, 5)
    assert (alive.address, alive.type) == ("tcp://alive", "good_module.Cluster")
    assert rows["good", "dead"].status.startswith("unreachable: OSError: gone")
    assert rows["good", "hung"].status == "unreachable: no answer within 2 s"
    assert rows["frozen", "frozen"].status == "unreachable: no answer within 2 s"
    assert rows["frozen", "alive"].status == "running"


def test_side_by_side(packages: Path) -> None:
    """Methods wait for nobody: here each must see that all the others have begun."""
    names = [f"m{number}" for number in range(8)]
    for name in names:
        source = f"""
        async def discover():
            import asyncio, pathlib
            here = pathlib.Path(__file__).parent
            while len(list(here.glob("m?.imported"))) < {len(names)}:
                await asyncio.sleep(0.01)
            yield "from-{name}", Cluster
        """
        install(packages, name, source)
    with dask.config.set({"ctl.discovery.timeout": "60s"}):
        assert [info.name for info in list_clusters()] == [f"from-{name}" for name in names]


# -- in Python


def names(infos: list[Any]) -> list[str]:
    return [info.name for info in infos]


def test_list_clusters_wherever_it_is_called(packages: Path) -> None:
    """Without a loop, inside a running one, and asynchronously."""
    install(packages, "good", GOOD)
    assert names(list_clusters()) == ["one", "two"]
    assert names(list_clusters("good")) == ["one", "two"]

    async def inside() -> None:
        assert names(list_clusters()) == ["one", "two"]
        assert names(await list_clusters(asynchronous=True)) == ["one", "two"]

    asyncio.run(inside())


def test_get_cluster_wherever_it_is_called(packages: Path) -> None:
    """It is an object of the class that the method names."""
    install(packages, "good", GOOD)
    assert get_cluster("two").name == "two"

    async def inside() -> None:
        assert get_cluster("two").name == "two"
        assert (await get_cluster("two", asynchronous=True)).name == "two"

    asyncio.run(inside())


def test_discover(packages: Path) -> None:
    """`discover_cluster_names` only names, `discover_clusters` connects; a failure is a warning."""
    install(packages, "good", GOOD)
    install(packages, "raises_late", FAULTS["raises_late"][0])

    async def discovered() -> None:
        found = {name: kind async for name, kind in discover_cluster_names()}
        assert sorted(found) == ["late", "one", "two"]
        assert found["one"] is sys.modules["good_module"].Cluster
        addresses = [cluster.scheduler_address async for cluster in discover_clusters("good")]
        assert addresses == ["tcp://one", "tcp://two"]

    with pytest.warns(DaskCtlWarning, match=re.escape(prefix("raises_late"))) as caught:
        asyncio.run(discovered())
    assert len(caught) == 1
    with pytest.raises(InvalidSpecError, match="there is no discovery method 'goood'"):
        asyncio.run(anext(discover_cluster_names("goood")))


def test_survey_yields_as_it_finds(packages: Path) -> None:
    """What one method has found does not wait for a slow one."""
    install(packages, "good", GOOD)
    install(packages, "hangs", FAULTS["hangs"][0])

    async def surveyed() -> list[Any]:
        return [event async for event in discovery.survey(discovery.chosen())]

    *found, failed = asyncio.run(surveyed())
    assert sorted(each.name for each in found) == ["hung", "one", "two"]
    assert isinstance(failed, DiscoveryError)


def test_a_frozen_loop_holds_up_nobody(packages: Path) -> None:
    """The caller's loop goes on while plugins block theirs."""
    install(packages, "blocks", FAULTS["blocks"][0])
    ticks: list[float] = []

    async def ticking() -> None:
        listing = asyncio.ensure_future(list_clusters(asynchronous=True))
        while not listing.done():
            ticks.append(time.monotonic())
            await asyncio.sleep(0.01)

    with pytest.warns(DaskCtlWarning):
        asyncio.run(ticking())
    assert len(ticks) > 10
