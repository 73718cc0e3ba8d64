"""What goes wrong, during which command, and what its user is told."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from types import SimpleNamespace

import psutil

from tests.backends.scripts import SPEC, wait_until
from tests.faults.lab import Disk, Lab

FAULTS = ("spec", "plugin", "scheduler", "worker", "host", "disk", "network", "signal")


class Left(Enum):
    """What is left after a command."""

    NOTHING = 0
    CLUSTER = 1  # as it was, or its record
    CREATED = 2  # the one that was asked for


@dataclass
class Scene:
    """What a fault sets up for one command.

    Parameters
    ----------
    names : dict
        What is put in place of ``{cluster}``, ``{address}`` and so on in the command.
    env : dict
        Variables of the command.
    disk : Disk, optional
        Where the command records.
    meanwhile : callable, optional
        What happens while the command runs.
    """

    names: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    disk: Disk | None = None
    meanwhile: Callable[[subprocess.Popen[str]], None] | None = None


Inject = Callable[[Lab], AbstractContextManager[Scene]]


@dataclass(frozen=True)
class Cell:
    """One fault during one command.

    Parameters
    ----------
    fault : str
        Which one.
    asked : str
        What the user types after ``dask cluster``.
    by : callable
        Brings the fault about.
    code : int
        The exit code.
    said : str
        What the last line on standard error matches: the cause.
    left : Left
        What is left.
    printed : str
        What is found on standard output.
    """

    fault: str
    asked: str
    by: Inject
    code: int
    said: str
    left: Left = Left.NOTHING
    printed: str = ""

    @property
    def command(self) -> str:
        return self.asked.split()[0]


def _at(
    moment: Callable[[], object], act: Callable[[subprocess.Popen[str]], object]
) -> Callable[[subprocess.Popen[str]], None]:
    """Do something to a running command as soon as a moment has come."""

    def meanwhile(process: subprocess.Popen[str]) -> None:
        wait_until(lambda: moment() or process.poll() is not None, "the moment has come", 60)
        assert process.poll() is None, process.communicate()
        act(process)

    return meanwhile


# -- spec


@contextmanager
def broken_spec(lab: Lab) -> Iterator[Scene]:
    lab.spec(SPEC.replace("kwargs", "kwarg"))
    yield Scene()


@contextmanager
def broken_spec_and_cluster(lab: Lab) -> Iterator[Scene]:
    name = lab.cluster()
    with broken_spec(lab):
        yield Scene({"cluster": name})


@contextmanager
def nothing(lab: Lab) -> Iterator[Scene]:
    yield Scene({"new": lab.name()})


# -- plugin

_RAISES = "raise RuntimeError('no such site')\n"
_HANGS = "import time\n\nasync def discover():\n    time.sleep(3600)\n    yield\n"


def plugin(body: str, *, with_cluster: bool) -> Inject:
    @contextmanager
    def inject(lab: Lab) -> Iterator[Scene]:
        names = {"cluster": lab.cluster()} if with_cluster else {"new": lab.name()}
        with lab.plugin("sitewide", body) as env:
            yield Scene(names, env)

    return inject


# -- scheduler, worker and host


@contextmanager
def port_taken(lab: Lab) -> Iterator[Scene]:
    with lab.address(answers=True) as address:
        yield Scene({"new": lab.name(), "port": address.rpartition(":")[2]})


@contextmanager
def hung_host(lab: Lab) -> Iterator[Scene]:
    name = lab.cluster()
    host = lab.host(name)
    host.suspend()
    try:
        yield Scene({"cluster": name}, {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "2s"})
    finally:
        with suppress(psutil.NoSuchProcess):  # it was ended all the same
            host.resume()


@contextmanager
def hung_worker(lab: Lab) -> Iterator[Scene]:
    name = lab.cluster()
    if not lab.workers(name):
        lab.dask_cluster("scale", name, "1")
    workers = lab.workers(name)
    assert workers
    for worker in workers:
        worker.suspend()
    try:
        yield Scene({"cluster": name})
    finally:
        for worker in workers:
            try:
                worker.resume()
            except psutil.NoSuchProcess:
                continue  # that it ends is the point


def script(text: str) -> Inject:
    @contextmanager
    def inject(lab: Lab) -> Iterator[Scene]:
        path = lab.scripts.cwd / "script.py"
        path.write_text(text)
        yield Scene()
        path.unlink()

    return inject


ADDS = """\
from distributed import Client

print(Client().submit(sum, [1, 2]).result())
"""
KILLS_WORKER = """\
import os
import pathlib
import signal

from distributed import Client


def work(once):
    if not once.exists():
        once.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 3


once = pathlib.Path("once.py").absolute()
print(Client().submit(work, once).result())
once.unlink()
"""


@contextmanager
def killed_while_creating(lab: Lab) -> Iterator[Scene]:
    with held(lab) as (reached, env, _):

        def kill(_: object) -> None:
            (host,) = (
                pid
                for pid, text in lab.scripts.processes().items()
                if "dask_ctl.hosts.owner" in text
                and pid not in {lab.host(name).pid for name in lab.living}
            )
            os.kill(host, signal.SIGKILL)

        yield Scene({"new": lab.name()}, env, meanwhile=_at(reached, kill))


@contextmanager
def killed_host(lab: Lab) -> Iterator[Scene]:
    if not lab.dead:
        lab.kill(lab.cluster())
    yield Scene({"cluster": next(iter(lab.dead))})


# -- disk


def full(*, with_cluster: bool) -> Inject:
    @contextmanager
    def inject(lab: Lab) -> Iterator[Scene]:
        with lab.small_disk() as disk:
            names = {"cluster": lab.cluster(disk)} if with_cluster else {"new": lab.name()}
            disk.fill()
            yield Scene(names, disk=disk)

    return inject


@contextmanager
def read_only(lab: Lab) -> Iterator[Scene]:
    with lab.small_disk() as disk:
        disk.remount("ro")
        try:
            yield Scene({"new": lab.name()}, disk=disk)
        finally:
            disk.remount("rw")


@contextmanager
def read_only_and_killed(lab: Lab) -> Iterator[Scene]:
    with lab.small_disk() as disk:
        name = lab.cluster(disk)
        lab.kill(name)
        disk.remount("ro")
        try:
            yield Scene({"cluster": name}, disk=disk)
        finally:
            disk.remount("rw")


@contextmanager
def full_scratch(lab: Lab) -> Iterator[Scene]:
    with lab.small_disk() as disk:
        disk.fill()
        with script(ADDS)(lab) as scene:
            scene.env["DASK_TEMPORARY_DIRECTORY"] = str(disk.path)
            scene.disk = disk
            yield scene


# -- network

PROXY = """\
version: 1
module: dask_ctl.proxy
class: ProxyCluster
args: ["{address}"]
"""


def address(*, answers: bool, env: str | None = None) -> Inject:
    @contextmanager
    def inject(lab: Lab) -> Iterator[Scene]:
        with lab.address(answers=answers) as found:
            (lab.scripts.cwd / "proxy.yaml").write_text(PROXY.format(address=found))
            variables = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "2s"}
            if env:
                variables |= {env: str([found]), "DASK_CTL__DISABLE_DISCOVERY": "[]"}
            yield Scene({"new": lab.name(), "address": found}, variables)

    return inject


# -- signal

_HELD_PLUGIN = """\
import pathlib
import time

async def discover():
    pathlib.Path({path!r}).touch()
    time.sleep(3600)
    yield
"""


@contextmanager
def held(lab: Lab) -> Iterator[tuple[Callable[[], object], dict[str, str], Callable[[], object]]]:
    """Schedulers that are held while they start: whether one is, how, and what lets it go."""
    variables: dict[str, str] = {}
    moment = lab.scripts.hold("scheduler", SimpleNamespace(setenv=variables.__setitem__))
    try:
        yield moment.reached, variables, moment.let_go
    finally:
        for name in ("started", "go-on", "held.py"):
            (lab.root / name).unlink(missing_ok=True)


def signalled_while_creating(signalnum: signal.Signals) -> Inject:
    @contextmanager
    def inject(lab: Lab) -> Iterator[Scene]:
        with held(lab) as (reached, env, let_go):

            def act(process: subprocess.Popen[str]) -> None:
                os.killpg(process.pid, signalnum)
                let_go()

            yield Scene({"new": lab.name()}, env, meanwhile=_at(reached, act))

    return inject


@contextmanager
def interrupted_list(lab: Lab) -> Iterator[Scene]:
    reached = lab.root / "reached"
    with lab.plugin("sitewide", _HELD_PLUGIN.format(path=str(reached))) as env:
        patient = {"DASK_CTL__DISCOVERY__TIMEOUT": "60s"}
        interrupt = _at(reached.exists, lambda process: process.send_signal(signal.SIGINT))
        yield Scene({"cluster": lab.cluster()}, {**env, **patient}, meanwhile=interrupt)
    reached.unlink()


@contextmanager
def interrupted_while_waiting(lab: Lab) -> Iterator[Scene]:
    """A host that hangs, so that there is a time to press Ctrl-C."""
    with hung_host(lab) as scene:
        ports = lab.ports(scene.names["cluster"])
        scene.env["DASK_CTL__DISCOVERY__TIMEOUT"] = "60s"

        def meanwhile(process: subprocess.Popen[str]) -> None:
            connections = psutil.Process(process.pid).net_connections
            _at(
                lambda: any(each.raddr and each.raddr.port in ports for each in connections("tcp")),
                lambda it: it.send_signal(signal.SIGINT),
            )(process)

        scene.meanwhile = meanwhile
        yield scene


def signalled_while_running(signalnum: signal.Signals) -> Inject:
    @contextmanager
    def inject(lab: Lab) -> Iterator[Scene]:
        reached = lab.root / "reached"
        path = lab.scripts.cwd / "script.py"
        path.write_text(_WAITS.format(path=str(reached)))

        def act(process: subprocess.Popen[str]) -> None:
            process.send_signal(signalnum)

        yield Scene(meanwhile=_at(reached.exists, act))
        path.unlink()
        reached.unlink()

    return inject


_WAITS = """\
import pathlib
import signal

from distributed import Client

signal.signal(signal.SIGINT, signal.SIG_DFL)
client = Client()
pathlib.Path({path!r}).touch()
signal.pause()
"""

CREATING = "creating dask.distributed.LocalCluster from dask-cluster.yaml:3"
RUNNING = r"^{cluster} .* running$"
FAILED = (
    "Error: no cluster 'elsewhere' was found, but not all could be asked for: discovery method .*"
)
NO_ANSWER = "Error: no scheduler answers at {address}: .*; see: dask cluster list"
HOST_HANGS = r"Error: the host of cluster '{cluster}' does not answer: timed out; see .*log, and .*"
ENDED = (
    "Error: the host of cluster '{cluster}' has ended without closing it; it logged last: .*; .*"
)
FULL = "Error: .*/{new}.json: cannot be written: No space left on device; .* make room, .*"
READ_ONLY = "Error: .*/{}.(log|json): cannot be written: Read-only file system; .* make room, .*"
HANGING = plugin(_HANGS, with_cluster=True)

# fmt: off
CELLS = (
    Cell("spec", "create", broken_spec, 4, "Error: dask-cluster.yaml:4: kwarg: unknown key; did .*"),
    Cell("spec", "list", broken_spec_and_cluster, 0, "", Left.CLUSTER, RUNNING),
    Cell("spec", "scale {cluster} 1", broken_spec_and_cluster, 0, "{cluster} has 1 worker.", Left.CLUSTER),
    Cell("spec", "delete {cluster}", broken_spec_and_cluster, 0, "Deleted {cluster}."),
    Cell("spec", "run hpc -- python script.py", nothing, 3, "Error: SPEC: .*'hpc' does not exist .*; .*"),
    Cell("plugin", "create --name {new}", plugin(_RAISES, with_cluster=False), 0, CREATING, Left.CREATED, "{new}"),
    Cell("plugin", "list", HANGING, 0, "warning: discovery method 'sitewide' of .* failed: no answer .*; .*", Left.CLUSTER, RUNNING),
    Cell("plugin", "scale elsewhere 2", plugin(_RAISES, with_cluster=True), 7, FAILED, Left.CLUSTER),
    Cell("plugin", "delete elsewhere", HANGING, 7, FAILED, Left.CLUSTER),
    Cell("plugin", "run --name elsewhere -- python script.py", HANGING, 7, FAILED, Left.CLUSTER),
    Cell("scheduler", "create --name {new} --set kwargs.scheduler_port={port}", port_taken, 5, "Error: .*: dask.distributed.LocalCluster failed: .*Address already in use; .*"),
    Cell("scheduler", "list", hung_host, 0, "", Left.CLUSTER, "{cluster} .* unreachable: no answer within 2 s"),
    Cell("scheduler", "scale {cluster} 2 --timeout 2", hung_host, 5, HOST_HANGS, Left.CLUSTER),
    Cell("scheduler", "run --name {cluster} -- python script.py", hung_host, 5, "Error: no scheduler can be reached at tcp:.*: no answer within 2 s; .*", Left.CLUSTER),
    # By force, as it does not answer.
    Cell("scheduler", "delete {cluster} --timeout 2", hung_host, 0, "Deleted {cluster}."),
    Cell("worker", "create --name {new} --set kwargs.preload=missing_module", nothing, 5, "Error: .*: dask.distributed.LocalCluster failed: .*No module named 'missing_module'; .*"),
    Cell("worker", "list", hung_worker, 0, "", Left.CLUSTER, RUNNING),
    Cell("worker", "scale {cluster} 0", hung_worker, 0, "{cluster} has 0 workers.", Left.CLUSTER),
    Cell("worker", "delete {cluster}", hung_worker, 0, "Deleted {cluster}."),
    Cell("worker", "run -- python script.py", script(KILLS_WORKER), 0, ".*nanny - WARNING - Restarting worker.*", printed="^3$"),
    Cell("host", "create --name {new}", killed_while_creating, 5, "Error: creating cluster '{new}' ended without a word: .*; see .*"),
    Cell("host", "list", killed_host, 0, "", Left.CLUSTER, "{cluster} .* dead"),
    Cell("host", "scale {cluster} 2", killed_host, 6, ENDED, Left.CLUSTER),
    Cell("host", "run --name {cluster} -- python script.py", killed_host, 6, ENDED, Left.CLUSTER),
    Cell("host", "delete {cluster}", killed_host, 0, "Deleted {cluster}."),
    Cell("disk", "create --name {new}", full(with_cluster=False), 5, FULL),
    Cell("disk", "create --name {new}", read_only, 5, READ_ONLY.format("{new}")),
    Cell("disk", "list", full(with_cluster=True), 0, "", Left.CLUSTER, RUNNING),
    Cell("disk", "scale {cluster} 1", full(with_cluster=True), 0, "{cluster} has 1 worker.", Left.CLUSTER),
    Cell("disk", "delete {cluster}", full(with_cluster=True), 0, "Deleted {cluster}."),
    Cell("disk", "delete {cluster}", read_only_and_killed, 5, READ_ONLY.format("{cluster}"), Left.CLUSTER),
    Cell("disk", "run -- python script.py", full_scratch, 0, CREATING, printed="^3$"),
    Cell("network", "create proxy.yaml --name {new}", address(answers=False), 5, "Error: proxy.yaml:3: .*no scheduler can be reached at {address}: .*; check .*"),
    Cell("network", "list schedulers", address(answers=True, env="DASK_CTL__DISCOVERY__SCHEDULERS"), 0, "", printed="{address} .* unreachable: no answer within 2 s"),
    Cell("network", "scale {address} 2", address(answers=True), 6, NO_ANSWER),
    Cell("network", "delete {address}", address(answers=False), 6, NO_ANSWER),
    Cell("network", "run --name {address} -- python script.py", address(answers=True), 6, NO_ANSWER),
    *(
        Cell("signal", "create --name {new}", signalled_while_creating(signalnum), code, "Aborted!")
        for signalnum, code in ((signal.SIGINT, 1), (signal.SIGTERM, 143), (signal.SIGHUP, 129))
    ),
    Cell("signal", "list", interrupted_list, 1, "Aborted!", Left.CLUSTER),
    Cell("signal", "scale {cluster} 2", interrupted_while_waiting, 1, "Aborted!", Left.CLUSTER),
    # The host goes on then, and closes.
    Cell("signal", "delete {cluster}", interrupted_while_waiting, 1, "Aborted!"),
    *(
        Cell("signal", "run -- python script.py", signalled_while_running(signalnum), 128 + signalnum, CREATING)
        for signalnum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    ),
    Cell("signal", "run -- python script.py", signalled_while_creating(signal.SIGTERM), 143, "Aborted!"),
)
# fmt: on
