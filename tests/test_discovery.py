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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask.config
import pytest
import yaml

from dask_ctl import (
    DiscoveryError,
    InvalidSpecError,
    discover_cluster_names,
    discover_clusters,
    get_cluster,
    list_clusters,
    list_discovery_methods,
)
from dask_ctl.exceptions import DaskCtlWarning
from dask_ctl.management import discovery
from tests.backends.scripts import wait_until
from tests.conftest import ROOT, require_package
from tests.distributions import install

Python = Callable[..., "subprocess.CompletedProcess[str]"]

GOOD = """
async def discover():
    yield "one", Cluster
    yield "two", Cluster
"""
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


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages on the path, also of other processes; none stays imported."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    # What else is installed here, and may take its time, is not the point.
    others = [name for name in discovery.methods() if name not in ("recorded", "schedulers")]
    monkeypatch.setenv("DASK_CTL__DISABLE_DISCOVERY", json.dumps([*others, "schedulers"]))
    monkeypatch.setenv("DASK_CTL__DISCOVERY__TIMEOUT", "2s")
    dask.config.refresh()
    yield folder
    for name in [name for name in sys.modules if name.endswith("_module")]:
        del sys.modules[name]


@pytest.fixture
def shell(packages: Path, python: Python) -> Python:
    """`dask cluster` in a process of its own, with the packages."""

    def run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
        path = {"PYTHONPATH": f"{ROOT}:{packages}"}
        return python("-m", "dask", "cluster", *args, env={**path, **env}, timeout=60)

    return run


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


# -- which methods there are, and which are used


def test_methods_are_listed_unimported(packages: Path, shell: Python) -> None:
    """`discovery list` and `list_discovery_methods` name package, version and path."""
    imported = install(packages, "good", GOOD)
    expected = {
        "name": "good",
        "package": "good-dist",
        "version": "1.0",
        "path": "good_module:discover",
        "enabled": True,
        "broken": None,
    }
    assert list_discovery_methods()["good"] == expected
    rows = json.loads(shell("discovery", "list", "--output", "json").stdout)
    assert next(row for row in rows if row["name"] == "good") == expected
    table = shell("discovery", "list").stdout.splitlines()
    assert table[0].split() == ["NAME", "PACKAGE", "VERSION", "ENABLED", "PATH"]
    assert ["good", "good-dist", "1.0", "yes", "good_module:discover"] in map(str.split, table)
    assert not imported.exists()


def test_disabled_is_not_imported(
    packages: Path, shell: Python, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From `disable` to `enable` a method is not imported, by no command; the user's file stays."""
    imported = install(packages, "good", GOOD)
    other = install(packages, "other", GOOD)
    config = Path.home() / ".config" / "dask" / "a.yaml"
    config.parent.mkdir(parents=True)
    before = "ctl:\n  # those that take too long\n  disable-discovery:\n"
    kept = dask.config.get("ctl.disable-discovery")
    before += "".join(f"    - {name}\n" for name in kept) + "  discovery: {timeout: 20s}  # slow\n"
    config.write_text(before)
    monkeypatch.delenv("DASK_CTL__DISABLE_DISCOVERY")
    monkeypatch.delenv("DASK_CTL__DISCOVERY__TIMEOUT")
    done = shell("discovery", "disable", "good")
    assert (done.stdout, done.stderr, done.returncode) == (
        "",
        f"Wrote {config.with_name('dask-ctl.yaml')}.\n",
        0,
    )
    for command in (["list"], ["list", "good"], ["show", "one"], ["discovery", "list"]):
        shell(*command)
    assert not imported.exists()
    assert other.exists()
    done = shell("list", "good")
    assert (done.stdout, done.returncode) == ("", 4)
    assert done.stderr == (
        "Error: discovery method 'good' is disabled; "
        "to use it again: dask cluster discovery enable good\n"
    )
    assert shell("discovery", "disable", "good").stderr == "good is disabled already.\n"
    assert shell("discovery", "enable", "good").returncode == 0
    assert config.read_text() == before
    assert shell("discovery", "enable", "good").stderr == "good is enabled already.\n"
    assert '"one"' in shell("list", "good", "--output", "json").stdout
    assert imported.exists()


@pytest.mark.parametrize("command", [["list"], ["discovery", "disable"], ["discovery", "enable"]])
def test_unknown_method(packages: Path, shell: Python, command: list[str]) -> None:
    """It is an error that says which there are, and nothing is written."""
    install(packages, "good", GOOD)
    done = shell(*command, "goood")
    assert (done.stdout, done.returncode) == ("", 4)
    assert done.stderr == ("Error: there is no discovery method 'goood'; did you mean 'good'?\n")
    assert not (Path.home() / ".config" / "dask" / "dask-ctl.yaml").exists()


def test_one_that_is_no_longer_installed_can_be_enabled(
    shell: Python, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise its name would stay in the file for ever."""
    monkeypatch.delenv("DASK_CTL__DISABLE_DISCOVERY")
    config = Path.home() / ".config" / "dask" / "dask-ctl.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("ctl:\n  disable-discovery: [gone]\n")
    done = shell("discovery", "enable", "gone")
    assert done.returncode == 0, done
    assert yaml.safe_load(config.read_text()) == {"ctl": {"disable-discovery": []}}


def test_a_variable_that_goes_before_the_file(packages: Path, shell: Python) -> None:
    """The file is written, and the variable that makes it of no use is named."""
    install(packages, "good", GOOD)
    done = shell("discovery", "disable", "good", DASK_CTL__DISABLE_DISCOVERY="[]")
    config = Path.home() / ".config" / "dask" / "dask-ctl.yaml"
    assert done.returncode == 4
    assert done.stderr == (
        f"Error: ctl.disable-discovery: {config} says it now, but something that goes before that "
        "file says otherwise; change it there: see DASK_CTL__DISABLE_DISCOVERY and DASK_CONFIG\n"
    )
    assert yaml.safe_load(config.read_text()) == {"ctl": {"disable-discovery": ["good"]}}


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("DISCOVERY__TIMEOUT", "soon", "'soon' cannot be read; write a time, such as 5s"),
        ("DISCOVERY__TIMEOUT", "0", "0 cannot be read; write a time, such as 5s"),
        ("DISABLE_DISCOVERY", "{'a': 1}", "{'a': 1} cannot be read; write a list of names"),
        ("DISCOVERY__SCHEDULERS", "3", "3 cannot be read; write a list of addresses"),
    ],
)
def test_unreadable_settings(
    packages: Path, shell: Python, key: str, value: str, error: str
) -> None:
    """They are an error with the key, not a guess."""
    env = {"DASK_CTL__DISABLE_DISCOVERY": "[]", f"DASK_CTL__{key}": value}
    done = shell("list", "schedulers", **env)
    name = key.lower().replace("__", ".").replace("_", "-")
    said = f"dask's configuration: ctl.{name}: {error}"
    assert said in done.stderr
    assert done.returncode == (7 if "SCHEDULERS" in key else 4)


@pytest.mark.parametrize(
    "text", ["good,other", "[good, other]", "['good', 'other']", "good, other"]
)
def test_a_variable_in_any_spelling(
    packages: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """Nobody's shell has to keep quotes for it."""
    for name in ("good", "other", "third"):
        install(packages, name, GOOD)
    monkeypatch.setenv("DASK_CTL__DISABLE_DISCOVERY", text)
    dask.config.refresh()
    enabled = {name for name, method in list_discovery_methods().items() if method["enabled"]}
    assert "third" in enabled
    assert not {"good", "other"} & enabled


def test_the_one_that_dask_kubernetes_ships(python: Python) -> None:
    """Its `helmcluster` cannot be imported, so it is left out; it is said why."""
    require_package("dask_kubernetes", "dask-kubernetes")
    done = python(
        "-m", "dask", "cluster", "list", env={"DASK_CTL__DISABLE_DISCOVERY": "schedulers"}
    )
    assert (done.returncode, done.stderr) == (
        0, "No clusters found. To create one: dask cluster create\n"
    )  # fmt: skip
    listed = python("-m", "dask", "cluster", "discovery", "list").stdout.splitlines()
    (row,) = (line for line in listed if line.startswith("helmcluster"))
    assert "no: its module is not shipped any more" in row
    for command in (("list",), ("discovery", "enable")):
        done = python("-m", "dask", "cluster", *command, "helmcluster")
        assert done.returncode == 4
        assert "does not work: its module is not shipped any more" in done.stderr


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
