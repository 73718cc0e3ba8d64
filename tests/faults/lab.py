"""A user's home in which things go wrong: its clusters, its full disk, its plugins."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.backends.scripts import DASK_CLUSTER, SPEC, Scripts, wait_until
from tests.conftest import ROOT, own_words, unavailable

# What else runs on this machine is not looked for.
QUIET = "['schedulers', 'helmcluster', 'kubecluster']"
_DISK_SIZE = "128k"


def _environment() -> dict[str, str]:
    own = ("DASK_", "XDG_")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


@dataclass
class Disk:
    """A small disk that only the commands which are prefixed so can see."""

    keeper: subprocess.Popen[str]
    path: Path
    cwd: Path

    @property
    def seen(self) -> Path:
        """The same from outside."""
        return Path(f"/proc/{self.keeper.pid}/root{self.path}")

    @property
    def prefix(self) -> list[str]:
        """What a command of its namespace begins with."""
        enter = ["nsenter", f"--target={self.keeper.pid}", "--user", "--mount"]
        return [*enter, "--preserve-credentials", f"--wd={self.cwd}", "--"]

    def fill(self) -> None:
        """Leave no room at all."""
        with suppress(OSError), (self.seen / "ballast").open("ab", buffering=0) as file:
            while True:
                file.write(bytes(512))

    def make_room(self) -> None:
        (self.seen / "ballast").unlink(missing_ok=True)

    def remount(self, how: str) -> None:
        subprocess.run([*self.prefix, "mount", "-o", f"remount,{how}", self.path], check=True)


@dataclass
class Lab:
    """A home, and what is meant to live in it."""

    root: Path
    living: dict[str, Path] = field(default_factory=dict)  # clusters, and where they are recorded
    disk: Disk | None = None
    dead: dict[str, Path] = field(default_factory=dict)  # the same of those that were killed
    made: int = 0

    def __post_init__(self) -> None:
        self.scripts = Scripts(self.root / "project", self.root / "home", self.root / "tmp")
        for folder in (self.scripts.cwd, self.scripts.home, self.scripts.tmp):
            folder.mkdir()
        self.spec(SPEC)

    @property
    def records(self) -> Path:
        return self.scripts.home / ".local" / "state" / "dask-ctl" / "clusters"

    def spec(self, text: str) -> None:
        """Write the spec of the current directory."""
        (self.scripts.cwd / "dask-cluster.yaml").write_text(text)

    # -- commands

    def start(
        self, *arguments: str, env: Mapping[str, str] | None = None, disk: Disk | None = None
    ) -> subprocess.Popen[str]:
        """Start `dask cluster` with arguments; on a terminal it would be the foreground."""
        settings = {
            "HOME": str(self.scripts.home),
            "TMPDIR": str(self.scripts.tmp),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "DASK_CTL__DISABLE_DISCOVERY": QUIET,
            "DASK_CTL__DISCOVERY__TIMEOUT": "2s",
            "XDG_CONFIG_DIRS": str(self.root / "etc" / "xdg"),
            "DASK_ROOT_CONFIG": str(self.root / "etc" / "dask"),
            **({"XDG_STATE_HOME": str(disk.path)} if disk else {}),
        }
        return subprocess.Popen(
            [*(disk.prefix if disk else []), *DASK_CLUSTER, *arguments],
            env={**_environment(), **settings, **(env or {})},
            cwd=self.scripts.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finished(self, process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
        """Wait for the end of a command, and fail if there is none."""
        try:
            out, err = process.communicate(timeout=90)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"does not end: {process.args}\n{out}\n{err}") from None
        return subprocess.CompletedProcess(process.args, process.returncode, out, own_words(err))

    # -- clusters

    def cluster(self, disk: Disk | None = None) -> str:
        """A running cluster of one worker: one that is there already, or a new one."""
        folder = disk.seen / "dask-ctl" / "clusters" if disk else self.records
        for name, where in self.living.items():
            if where == folder:
                return name
        name = self.name()
        done = self.finished(self.start("create", "--wait=1", f"--name={name}", disk=disk))
        assert (done.returncode, done.stdout) == (0, f"{name}\n"), done.stderr
        self.living[name] = folder
        return name

    def dask_cluster(self, *arguments: str) -> None:
        """Have a command done that has nothing to do with a fault."""
        done = self.finished(self.start(*arguments))
        assert done.returncode == 0, done.stderr

    def name(self) -> str:
        """A name that no cluster has had."""
        self.made += 1
        return f"cluster{self.made}"

    def host(self, name: str) -> psutil.Process:
        """The process that owns a cluster."""
        record = json.loads((self.living[name] / f"{name}.json").read_bytes())
        return psutil.Process(record["host"]["pid"])

    def ports(self, name: str) -> set[int]:
        """Where its scheduler and its host listen."""
        record = json.loads((self.living[name] / f"{name}.json").read_bytes())
        return {record["host"]["port"], int(record["address"].rpartition(":")[2])}

    def workers(self, name: str) -> list[psutil.Process]:
        """The processes of its workers."""
        return [
            child
            for child in self.host(name).children(recursive=True)
            if "spawn_main" in " ".join(child.cmdline())
        ]

    def kill(self, name: str) -> None:
        """Kill the host of a cluster; its record and its log stay."""
        host = self.host(name)
        parts = [host, *host.children(recursive=True)]
        host.kill()
        psutil.wait_procs(parts, timeout=30)
        self.dead[name] = self.living.pop(name)

    def forget(self, name: str | None) -> None:
        """Expect nothing of a cluster any more."""
        self.living.pop(name or "", None)
        self.dead.pop(name or "", None)

    # -- what is left

    def stray(self) -> list[str]:
        """Whatever is here, and neither a living cluster nor what a test has put here."""
        hosts = [self.host(name) for name in self.living]
        kept = {part.pid for host in hosts for part in (host, *host.children(recursive=True))}
        if self.disk:
            kept.add(self.disk.keeper.pid)
        processes = [text for pid, text in self.scripts.processes().items() if pid not in kept]
        expected = {
            folder / f"{name}{suffix}"
            for name, folder in {**self.living, **self.dead}.items()
            for suffix in (".json", ".log")
        }
        found = {path for path in self.scripts.files() if path.suffix not in (".yaml", ".py")}
        if self.disk:
            on_disk = {path for path in self.disk.seen.rglob("*") if path.is_file()}
            found |= {path for path in on_disk if path.suffix != ".lock"}  # of dask's scratch space
        missing = [f"no {path}" for path in expected - found]
        return [*processes, *map(str, found - expected), *missing]

    # -- what goes wrong

    @contextmanager
    def small_disk(self) -> Iterator[Disk]:
        """A disk of its own for what commands record; no root is needed to have one."""
        if self.disk is None:
            self.disk = self._mounted()
        yield self.disk
        self.disk.make_room()

    def _mounted(self) -> Disk:
        path = self.root / "disk"
        path.mkdir(exist_ok=True)
        script = f"mount -t tmpfs -o size={_DISK_SIZE} none {path} && echo mounted; exec sleep inf"
        install = "apt-get install util-linux, on a kernel that allows user namespaces"
        if not (shutil.which("unshare") and shutil.which("nsenter")):
            unavailable("unshare and nsenter not found", install)
        keeper = subprocess.Popen(
            ["unshare", "--map-root-user", "--mount", "sh", "-c", script],
            env={**os.environ, "HOME": str(self.scripts.home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert keeper.stdout
        if keeper.stdout.readline() != "mounted\n":
            keeper.kill()
            keeper.communicate()
            unavailable("no small disk can be mounted", install)
        return Disk(keeper, path, self.scripts.cwd)

    @contextmanager
    def plugin(self, name: str, body: str) -> Iterator[dict[str, str]]:
        """A package that registers a discovery method; the environment in which it is found."""
        packages = self.root / "packages"
        about = packages / f"{name}-1.0.dist-info"
        about.mkdir(parents=True)
        (packages / f"{name}.py").write_text(body)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(
            f"[dask_cluster_discovery]\n{name} = {name}:discover\n"
        )
        try:
            yield {"PYTHONPATH": f"{ROOT}{os.pathsep}{packages}"}
        finally:
            shutil.rmtree(packages)

    @contextmanager
    def address(self, *, answers: bool) -> Iterator[str]:
        """An address that refuses, or one that accepts and never says a word."""
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            if not answers:  # bound, so that nobody else gets the port
                yield f"tcp://127.0.0.1:{listening.getsockname()[1]}"
                return
            listening.listen()
            yield f"tcp://127.0.0.1:{listening.getsockname()[1]}"

    def reset(self) -> None:
        """Begin anew after a failure, so that one does not spoil the next."""
        for pid in self.scripts.processes().keys() - self._keeper():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.records, ignore_errors=True)
        self.living.clear()
        self.dead.clear()
        if self.disk:
            self.disk.keeper.kill()
            self.disk.keeper.communicate()
            self.disk = None

    def close(self) -> None:
        """End what lives."""
        for name in self.living:
            with suppress(psutil.NoSuchProcess, FileNotFoundError):
                self.host(name).send_signal(signal.SIGTERM)
        try:
            wait_until(lambda: self.scripts.processes().keys() <= self._keeper(), "all has ended")
        finally:
            self.scripts.kill_all()
            if self.disk:
                self.disk.keeper.communicate()

    def _keeper(self) -> set[int]:
        return {self.disk.keeper.pid} if self.disk else set()
