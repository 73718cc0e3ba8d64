"""What every test gets: a home of its own, and no configuration but its own."""

from __future__ import annotations

import copy
import importlib
import inspect
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

import dask.config
import pytest
from click.testing import CliRunner, Result

from dask_ctl.cli import cluster
from dask_ctl.spec import config
from dask_ctl.spec.defaults import Snapshot

if TYPE_CHECKING:
    from tests.backends.scripts import Scripts

ROOT = Path(__file__).parents[1]
needs_root = pytest.mark.skipif(
    os.name != "posix" or os.getuid() != 0, reason="only root can be another user"
)
# Windows lacks what these ask of the system: terminals, signals, groups of processes.
_OF_POSIX = ["cli/test_terminal.py", "management/test_run.py", "test_platform.py"]
collect_ignore = [] if hasattr(os, "fork") else _OF_POSIX
# What is started inherits which signals are ignored: nohup ignores one, a shell's `&` the other.
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Read here, since `isolated` removes DASK_*.
NO_SKIP = os.environ.get("DASK_CTL_TEST_NO_SKIP") == "1"


def unavailable(reason: str, install: str) -> NoReturn:
    """Skip what cannot run on this machine; fail if ``DASK_CTL_TEST_NO_SKIP`` is 1."""
    told = f"{reason}; to install: {install}"
    if NO_SKIP:
        pytest.fail(told, pytrace=False)
    pytest.skip(told)


ABORTED = "FATAL: exception not rethrown\n"
_TRACEBACKS = (
    r"(?:(?:\n.* exception.*:\n\n)?Traceback \(most recent call last\):\n(?: .*\n)+\S.*\n)+"
)
# What distributed says of errors that it goes on from, where a connection closes just then: a
# worker's heartbeat, a message to a scheduler, the wait for one.
_CLOSING = re.compile(
    rf".*Failed to communicate with scheduler during heartbeat\.\n{_TRACEBACKS}"
    rf"|.* Batched Comm Closed .*\n{_TRACEBACKS}"
    r"|Future exception was never retrieved\nfuture: .*TimeoutError\('Timeout'\).*\n"
    rf"(?:{_TRACEBACKS}|TimeoutError: Timeout\n)"
)
# What it says of a machine on which something else runs, that is busy, or has no default route.
_MACHINE = re.compile(
    r".*: UserWarning: Port 8787 is already in use\.\n.*\n.*\n  warnings\.warn\(\n"
    r"|.*: RuntimeWarning: Couldn't detect a suitable IP address .*\n  warnings\.warn\(\n"
    r"|.*: UserWarning: timed out waiting on channel\n  .*gilknocker.*\n"
)


def own_words(stderr: str) -> str:
    """What a script and its workers said on stderr, without what is not of their making.

    Python 3.11 ends daemon threads at exit by unwinding them, and where that meets C++ the
    C library aborts the process. That happens to about one process in a hundred, after its
    work, under any cluster. About as often distributed is surprised by its own closing.
    """
    return _MACHINE.sub("", _CLOSING.sub("", stderr.replace(ABORTED, "")))


def aborted(returncode: int, stderr: str) -> bool:
    """Whether a script has ended so itself: it has run to its end, and only its code is lost."""
    # srun and a shell pass a signal on as a code.
    return returncode in (-signal.SIGABRT, 128 + signal.SIGABRT) and ABORTED in stderr


def require_package(module: str, distribution: str) -> ModuleType:
    """Import a package; `unavailable` if it is missing."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        unavailable(f"{module} is not installed", f"pip install {distribution}")


def dask_cluster(*arguments: str) -> Result:
    """What ``dask cluster`` does and says in this process, its two streams apart."""
    # click 8.2 does so by itself.
    mixes = "mix_stderr" in inspect.signature(CliRunner).parameters
    return CliRunner(**({"mix_stderr": False} if mixes else {})).invoke(cluster, arguments)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """End each fixture that hangs after its test has failed.

    pytest-timeout counts up to the first failure alone; what is torn down after that may hang
    for ever. Its own end of a test takes back the signal.
    """
    if hasattr(signal, "setitimer"):
        own = item.get_closest_marker("timeout")
        seconds = own.args[0] if own else float(item.config.getini("timeout"))
        signal.signal(signal.SIGALRM, lambda *_: pytest.fail(f"still busy after {seconds:g} s"))
        signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    return (yield)


@pytest.fixture(scope="session")
def require_programs() -> Callable[..., Mapping[str, str]]:
    """Where programs are; `unavailable` if some are missing."""

    def require(*programs: str, install: str) -> Mapping[str, str]:
        # Daemons live where an ordinary user's PATH does not lead.
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
        found = {program: shutil.which(program, path=path) for program in programs}
        if missing := [program for program, where in found.items() if where is None]:
            unavailable(f"{', '.join(missing)} not found", install)
        return {program: where for program, where in found.items() if where}

    return require


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Isolate HOME, DASK_*, dask's search path, platformdirs and the current directory.

    What Python itself is told by variables, such as not to buffer, is not told either, nor how
    wide a terminal is, nor where the batch systems are that tests of theirs have started.
    """
    home, cwd = tmp_path / "home", tmp_path / "cwd"
    home.mkdir()
    cwd.mkdir()
    for name in list(os.environ):
        if name.startswith(("COLUMNS", "DASK_", "PYTHON", "SGE_", "SLURM_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "etc" / "xdg"))
    monkeypatch.setenv("DASK_ROOT_CONFIG", str(tmp_path / "etc" / "dask"))
    monkeypatch.chdir(cwd)
    paths, tree = list(dask.config.paths), copy.deepcopy(dask.config.config)
    dask.config.paths[:] = [str(tmp_path / "etc" / "dask"), str(home / ".config" / "dask")]
    monkeypatch.setattr(dask.config, "PATH", dask.config.paths[-1])
    dask.config.refresh()
    monkeypatch.setattr(config, "_baseline", config.Baseline.of(Snapshot.take(), []))
    yield cwd
    dask.config.paths[:] = paths
    dask.config.config.clear()
    dask.config.config.update(tree)


@pytest.fixture
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python in a process of its own, in the isolated environment."""

    def run(
        *args: str | Path, env: dict[str, str] | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, *map(str, args)],
                env=environment,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
            if not aborted(done.returncode, done.stderr):
                break
        done.stderr = own_words(done.stderr)
        return done

    return run


@pytest.fixture
def scripts(isolated: Path, tmp_path: Path) -> Iterator[Scripts]:
    """Run scripts as a user; at the end none of their processes and files may be left."""
    from tests.backends.scripts import Scripts, wait_until  # which imports this module

    if not Path("/proc/self/environ").exists():
        pytest.skip("finds processes through /proc; run on Linux")
    scripts = Scripts(isolated, tmp_path / "home", tmp_path / "tmp")
    scripts.tmp.mkdir()
    yield scripts
    try:
        wait_until(lambda: not scripts.processes(), "every process has ended")
        left = {path for path in scripts.files() if path.suffix not in (".py", ".yaml")}
        assert left == set()
    finally:
        scripts.kill_all()


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file system of a few kilobytes for the records, which a test can fill."""
    if os.geteuid() != 0:
        unavailable("only root may mount a file system", "sudo, or a container")
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        unavailable("a file system cannot be mounted here", "a container with CAP_SYS_ADMIN")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
