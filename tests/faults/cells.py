"""What goes wrong, during which command, and what its user sees: the table of ``docs/faults.md``."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import psutil

from tests.backends.scripts import wait_until
from tests.faults.lab import SPEC, Disk, Lab

FAULTS = ("spec", "plugin", "scheduler", "worker", "host", "disk", "network", "signal")
COMMANDS = ("create", "list", "scale", "delete", "run")
NOTHING = "nothing"
AS_IT_WAS = "the cluster, as it was"
RECORD = "the record, as it says"
CREATED = "the cluster that was asked for"


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


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One fault during one command.

    Parameters
    ----------
    fault, command : str
        Where it belongs in the table.
    injected : str
        What is done, for the table.
    by : callable
        Does it.
    asked : str
        What the user types after ``dask cluster``.
    code : int
        The exit code.
    said : tuple of str
        The lines on standard error.
    printed : tuple of str
        The lines on standard output; of a list, the cluster's own.
    left : str
        What is left.
    """

    fault: str
    command: str
    injected: str
    by: Inject
    asked: str
    code: int
    said: tuple[str, ...]
    printed: tuple[str, ...] = ()
    left: str = NOTHING


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
    lab.spec(SPEC.replace("kwargs", "kwarg"))
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
    """What a killed host has left; the host of one cluster is killed, for all cells."""
    if not lab.remains:
        lab.remains = lab.kill(lab.cluster())
    for path, text in lab.remains.items():
        path.write_bytes(text)
        path.chmod(0o600)
    yield Scene({"cluster": next(iter(lab.remains)).stem})


# -- disk


@contextmanager
def full_disk(lab: Lab) -> Iterator[Scene]:
    with lab.small_disk() as disk:
        disk.fill()
        yield Scene({"new": lab.name()}, disk=disk)


@contextmanager
def full_disk_and_cluster(lab: Lab) -> Iterator[Scene]:
    with lab.small_disk() as disk:
        name = lab.cluster(disk)
        disk.fill()
        yield Scene({"cluster": name}, disk=disk)


@contextmanager
def read_only_disk(lab: Lab) -> Iterator[Scene]:
    with lab.small_disk() as disk:
        disk.remount("ro")
        try:
            yield Scene({"new": lab.name()}, disk=disk)
        finally:
            disk.remount("rw")


@contextmanager
def read_only_record(lab: Lab) -> Iterator[Scene]:
    with lab.small_disk() as disk:
        name = lab.cluster(disk)
        remains = lab.kill(name)
        disk.remount("ro")
        try:
            yield Scene({"cluster": name}, disk=disk)
        finally:
            disk.remount("rw")
            for path in remains:
                path.unlink()


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


def signalled_while_waiting(signalnum: signal.Signals) -> Inject:
    """A host that hangs, so that there is a time to press Ctrl-C."""

    @contextmanager
    def inject(lab: Lab) -> Iterator[Scene]:
        with hung_host(lab) as scene:
            ports = lab.ports(scene.names["cluster"])
            scene.env["DASK_CTL__DISCOVERY__TIMEOUT"] = "60s"

            def waits(process: subprocess.Popen[str]) -> bool:
                return any(
                    connection.raddr and connection.raddr.port in ports
                    for connection in psutil.Process(process.pid).net_connections("tcp")
                )

            def meanwhile(process: subprocess.Popen[str]) -> None:
                _at(lambda: waits(process), lambda it: it.send_signal(signalnum))(process)

            scene.meanwhile = meanwhile
            yield scene

    return inject


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

_CREATING = "creating dask.distributed.LocalCluster from dask-cluster.yaml:3"

_ROW = "analysis  LocalCluster  1  1  1.00 GiB  2026-01-01T12:00:00+00:00  recorded  tcp://127.0.0.1:40001  running"

CELLS = (
    Cell(
        fault="spec",
        command="create",
        injected="a key is misspelt",
        by=broken_spec,
        asked="create",
        code=4,
        said=("Error: dask-cluster.yaml:4: kwarg: unknown key; did you mean 'kwargs'?",),
    ),
    Cell(
        fault="spec",
        command="list",
        injected="a key is misspelt in the spec here, which is not read",
        by=broken_spec_and_cluster,
        asked="list",
        code=0,
        said=(),
        printed=(_ROW,),
        left=AS_IT_WAS,
    ),
    Cell(
        fault="spec",
        command="scale",
        injected="the same",
        by=broken_spec_and_cluster,
        asked="scale {cluster} 1",
        code=0,
        said=("scaling analysis to 1 worker", "analysis has 1 worker."),
        left=AS_IT_WAS,
    ),
    Cell(
        fault="spec",
        command="delete",
        injected="the same",
        by=broken_spec_and_cluster,
        asked="delete {cluster}",
        code=0,
        said=("deleting analysis", "Deleted analysis."),
    ),
    Cell(
        fault="spec",
        command="run",
        injected="there is no spec of this name",
        by=nothing,
        asked="run hpc -- python script.py",
        code=3,
        said=(
            "Error: SPEC: a spec named 'hpc' does not exist (looked at ctl.cluster-specs, /home/ada/project/hpc.yaml, /home/ada/project/hpc.yml, /home/ada/project/hpc.json, /home/ada/.config/dask-ctl/hpc.yaml, /home/ada/.config/dask-ctl/hpc.yml, /home/ada/.config/dask-ctl/hpc.json, /etc/xdg/dask-ctl/hpc.yaml, /etc/xdg/dask-ctl/hpc.yml, /etc/xdg/dask-ctl/hpc.json, /home/ada/project/hpc, /home/ada/.config/dask-ctl/hpc, /etc/xdg/dask-ctl/hpc); create it, or name another",
        ),
    ),
    Cell(
        fault="plugin",
        command="create",
        injected="a discovery method cannot be imported; none is asked",
        by=plugin(_RAISES, with_cluster=False),
        asked="create --name {new}",
        code=0,
        said=(_CREATING,),
        printed=("analysis",),
        left=CREATED,
    ),
    Cell(
        fault="plugin",
        command="list",
        injected="a discovery method hangs",
        by=plugin(_HANGS, with_cluster=True),
        asked="list",
        code=0,
        said=(
            "warning: discovery method 'sitewide' of sitewide 1.0 failed: no answer within 2 s; to do without it: dask cluster discovery disable sitewide",
        ),
        printed=(_ROW,),
        left=AS_IT_WAS,
    ),
    Cell(
        fault="plugin",
        command="scale",
        injected="a discovery method cannot be imported, and the name is of no cluster here",
        by=plugin(_RAISES, with_cluster=True),
        asked="scale elsewhere 2",
        code=6,
        said=(
            "Error: there is no cluster 'elsewhere'; there are: analysis; a discovery method failed, see: dask cluster list",
        ),
        left=AS_IT_WAS,
    ),
    Cell(
        fault="plugin",
        command="delete",
        injected="a discovery method hangs, and the name is of no cluster here",
        by=plugin(_HANGS, with_cluster=True),
        asked="delete elsewhere",
        code=6,
        said=(
            "deleting elsewhere",
            "Error: there is no cluster 'elsewhere'; there are: analysis; a discovery method failed, see: dask cluster list",
        ),
        left=AS_IT_WAS,
    ),
    Cell(
        fault="plugin",
        command="run",
        injected="the same",
        by=plugin(_HANGS, with_cluster=True),
        asked="run --name elsewhere -- python script.py",
        code=6,
        said=(
            "connecting to elsewhere",
            "Error: there is no cluster 'elsewhere'; there are: analysis; a discovery method failed, see: dask cluster list",
        ),
        left=AS_IT_WAS,
    ),
    Cell(
        fault="scheduler",
        command="create",
        injected="its port is taken",
        by=port_taken,
        asked="create --name {new} --set kwargs.scheduler_port={port}",
        code=5,
        said=(
            _CREATING,
            "Error: dask-cluster.yaml:3: dask.distributed.LocalCluster failed: Cluster failed to start: Scheduler failed to start: [Errno 98] Address already in use; check its args and kwargs, and that its service can be reached",
        ),
    ),
    Cell(
        fault="scheduler",
        command="list",
        injected="it hangs (`SIGSTOP`)",
        by=hung_host,
        asked="list",
        code=0,
        said=(),
        printed=(
            "analysis  LocalCluster  2026-01-01T12:00:00+00:00  recorded  tcp://127.0.0.1:40001  unreachable: no answer within 2 s",
        ),
        left=AS_IT_WAS,
    ),
    Cell(
        fault="scheduler",
        command="scale",
        injected="it hangs (`SIGSTOP`)",
        by=hung_host,
        asked="scale {cluster} 2",
        code=5,
        said=(
            "Error: no scheduler can be reached at tcp://127.0.0.1:40001: no answer within 2 s; check the address, that the scheduler runs, and whether it wants TLS",
        ),
        left=AS_IT_WAS,
    ),
    Cell(
        fault="scheduler",
        command="delete",
        injected="it hangs (`SIGSTOP`) longer than the user waits; then it goes on, and closes",
        by=hung_host,
        asked="delete {cluster} --timeout 2",
        code=5,
        said=(
            "deleting analysis",
            "Error: the host of cluster 'analysis' does not answer: timed out; see /home/ada/.local/state/dask-ctl/clusters/analysis.log, and whether process 4711 runs",
        ),
    ),
    Cell(
        fault="scheduler",
        command="run",
        injected="it hangs (`SIGSTOP`)",
        by=hung_host,
        asked="run --name {cluster} -- python script.py",
        code=5,
        said=(
            "connecting to analysis",
            "Error: no scheduler can be reached at tcp://127.0.0.1:40001: no answer within 2 s; check the address, that the scheduler runs, and whether it wants TLS",
        ),
        left=AS_IT_WAS,
    ),
    Cell(
        fault="worker",
        command="create",
        injected="it cannot start",
        by=nothing,
        asked="create --name {new} --set kwargs.preload=missing_module",
        code=5,
        said=(
            _CREATING,
            "Error: dask-cluster.yaml:3: dask.distributed.LocalCluster failed: Nanny failed to start: No module named 'missing_module'; check its args and kwargs, and that its service can be reached",
        ),
    ),
    Cell(
        fault="worker",
        command="list",
        injected="it hangs (`SIGSTOP`)",
        by=hung_worker,
        asked="list",
        code=0,
        said=(),
        printed=(_ROW,),
        left=AS_IT_WAS,
    ),
    Cell(
        fault="worker",
        command="scale",
        injected="it hangs (`SIGSTOP`)",
        by=hung_worker,
        asked="scale {cluster} 0",
        code=0,
        said=("scaling analysis to 0 workers", "analysis has 0 workers."),
        left=AS_IT_WAS,
    ),
    Cell(
        fault="worker",
        command="delete",
        injected="it hangs (`SIGSTOP`)",
        by=hung_worker,
        asked="delete {cluster}",
        code=0,
        said=("deleting analysis", "Deleted analysis."),
    ),
    Cell(
        fault="worker",
        command="run",
        injected="it is killed at work",
        by=script(KILLS_WORKER),
        asked="run -- python script.py",
        code=0,
        said=(
            _CREATING,
            "2026-01-01 12:00:00,000 - distributed.nanny - WARNING - Restarting worker (status=Status.running)",
        ),
        printed=("3",),
    ),
    Cell(
        fault="host",
        command="create",
        injected="it is killed while the scheduler starts",
        by=killed_while_creating,
        asked="create --name {new}",
        code=5,
        said=(
            _CREATING,
            "Error: creating cluster 'analysis' ended without a word: ...; see whether its class works when it is called directly",
        ),
    ),
    Cell(
        fault="host",
        command="list",
        injected="it was killed",
        by=killed_host,
        asked="list",
        code=0,
        said=(
            "warning: the host of cluster 'analysis' has ended without closing it, and nothing of it is left; it logged last: ...; create it again",
            "No clusters found. To create one: dask cluster create",
        ),
    ),
    Cell(
        fault="host",
        command="scale",
        injected="it was killed",
        by=killed_host,
        asked="scale {cluster} 2",
        code=6,
        said=(
            "Error: the host of cluster 'analysis' has ended without closing it, and nothing of it is left; it logged last: ...; create it again",
        ),
    ),
    Cell(
        fault="host",
        command="delete",
        injected="it was killed",
        by=killed_host,
        asked="delete {cluster}",
        code=0,
        said=("deleting analysis", "Deleted analysis."),
    ),
    Cell(
        fault="host",
        command="run",
        injected="it was killed",
        by=killed_host,
        asked="run --name {cluster} -- python script.py",
        code=6,
        said=(
            "connecting to analysis",
            "Error: the host of cluster 'analysis' has ended without closing it, and nothing of it is left; it logged last: ...; create it again",
        ),
    ),
    Cell(
        fault="disk",
        command="create",
        injected="the disk of the records is full",
        by=full_disk,
        asked="create --name {new}",
        code=5,
        said=(
            _CREATING,
            "Error: /mnt/small/dask-ctl/clusters/analysis.json: cannot be written: No space left on device; clusters of the command line are recorded there: make room, or set XDG_STATE_HOME to a folder of yours",
        ),
    ),
    Cell(
        fault="disk",
        command="create",
        injected="the disk of the records is read-only",
        by=read_only_disk,
        asked="create --name {new}",
        code=5,
        said=(
            "Error: /mnt/small/dask-ctl/clusters/analysis.log: cannot be written: Read-only file system; clusters of the command line are recorded there: make room, or set XDG_STATE_HOME to a folder of yours",
        ),
    ),
    Cell(
        fault="disk",
        command="list",
        injected="the disk of the records is full",
        by=full_disk_and_cluster,
        asked="list",
        code=0,
        said=(),
        printed=(_ROW,),
        left=AS_IT_WAS,
    ),
    Cell(
        fault="disk",
        command="scale",
        injected="the disk of the records is full",
        by=full_disk_and_cluster,
        asked="scale {cluster} 1",
        code=0,
        said=("scaling analysis to 1 worker", "analysis has 1 worker."),
        left=AS_IT_WAS,
    ),
    Cell(
        fault="disk",
        command="delete",
        injected="the disk of the records is full",
        by=full_disk_and_cluster,
        asked="delete {cluster}",
        code=0,
        said=("deleting analysis", "Deleted analysis."),
    ),
    Cell(
        fault="disk",
        command="list",
        injected="the disk of the records is read-only, and a host was killed",
        by=read_only_record,
        asked="list",
        code=0,
        said=(
            "warning: /mnt/small/dask-ctl/clusters/analysis.log: the host of cluster 'analysis' has ended without closing it, and nothing of it is left but its record, which cannot be removed: cannot be written: Read-only file system; it is removed when that file can be written",
            "No clusters found. To create one: dask cluster create",
        ),
        left=RECORD,
    ),
    Cell(
        fault="disk",
        command="run",
        injected="the disk of the workers' scratch space is full",
        by=full_scratch,
        asked="run -- python script.py",
        code=0,
        said=(_CREATING,),
        printed=("3",),
    ),
    Cell(
        fault="network",
        command="create",
        injected="the address in the spec refuses",
        by=address(answers=False),
        asked="create proxy.yaml --name {new}",
        code=5,
        said=(
            "creating dask_ctl.proxy.ProxyCluster from proxy.yaml:3",
            "Error: proxy.yaml:3: no scheduler can be reached at tcp://127.0.0.1:40001: no answer within 2 s; check the address, that the scheduler runs, and whether it wants TLS",
        ),
    ),
    Cell(
        fault="network",
        command="list",
        injected="a configured address accepts, and never answers",
        by=address(answers=True, env="DASK_CTL__DISCOVERY__SCHEDULERS"),
        asked="list schedulers",
        code=0,
        said=(),
        printed=(
            "tcp://127.0.0.1:40001  schedulers  tcp://127.0.0.1:40001  unreachable: no answer within 2 s",
        ),
    ),
    Cell(
        fault="network",
        command="scale",
        injected="the address accepts, and never answers",
        by=address(answers=True),
        asked="scale {address} 2",
        code=6,
        said=(
            "Error: no scheduler answers at tcp://127.0.0.1:40001: TimeoutError: no answer within 2 s; see: dask cluster list",
        ),
    ),
    Cell(
        fault="network",
        command="delete",
        injected="the address refuses",
        by=address(answers=False),
        asked="delete {address}",
        code=6,
        said=(
            "deleting tcp://127.0.0.1:40001",
            "Error: no scheduler answers at tcp://127.0.0.1:40001: TimeoutError: no answer within 2 s; see: dask cluster list",
        ),
    ),
    Cell(
        fault="network",
        command="run",
        injected="the address accepts, and never answers",
        by=address(answers=True),
        asked="run --name {address} -- python script.py",
        code=6,
        said=(
            "connecting to tcp://127.0.0.1:40001",
            "Error: no scheduler answers at tcp://127.0.0.1:40001: TimeoutError: no answer within 2 s; see: dask cluster list",
        ),
    ),
    *(
        Cell(
            fault="signal",
            command="create",
            injected=f"`{signalnum.name}` while the scheduler starts",
            by=signalled_while_creating(signalnum),
            asked="create --name {new}",
            code=code,
            said=(_CREATING, "Aborted!"),
        )
        for signalnum, code in ((signal.SIGINT, 1), (signal.SIGTERM, 143), (signal.SIGHUP, 129))
    ),
    Cell(
        fault="signal",
        command="list",
        injected="`SIGINT` while a discovery method hangs",
        by=interrupted_list,
        asked="list",
        code=1,
        said=("Aborted!",),
        left=AS_IT_WAS,
    ),
    Cell(
        fault="signal",
        command="scale",
        injected="`SIGINT` while the scheduler hangs",
        by=signalled_while_waiting(signal.SIGINT),
        asked="scale {cluster} 2",
        code=1,
        said=("Aborted!",),
        left=AS_IT_WAS,
    ),
    Cell(
        fault="signal",
        command="delete",
        injected="`SIGINT` while the host hangs; then it goes on, and closes",
        by=signalled_while_waiting(signal.SIGINT),
        asked="delete {cluster}",
        code=1,
        said=("deleting analysis", "Aborted!"),
    ),
    *(
        Cell(
            fault="signal",
            command="run",
            injected=f"`{signalnum.name}` while the script runs",
            by=signalled_while_running(signalnum),
            asked="run -- python script.py",
            code=128 + signalnum,
            said=(_CREATING,),
        )
        for signalnum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    ),
    Cell(
        fault="signal",
        command="run",
        injected="`SIGTERM` while the scheduler starts",
        by=signalled_while_creating(signal.SIGTERM),
        asked="run -- python script.py",
        code=143,
        said=(
            _CREATING,
            "interrupted: dask.distributed.LocalCluster is starting, and will be closed once it has; interrupt again to stop at once",
            "Aborted!",
        ),
    ),
)
